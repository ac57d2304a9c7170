"""Laws and samples made for the tests of calibration."""

from pathlib import Path

import numpy as np
import torch

from constitutive.data import StressStrainData
from constitutive.kinematics import cauchy_from_second_piola
from constitutive.laws import NetworkLaw, SumLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel

CUBIC = PointGroup.from_symbol("m-3m")
C2 = {"C11": 165.6, "C12": 63.9, "C44": 79.5}
C3 = {"C111": -795.0, "C112": -445.0, "C123": -75.0, "C144": 15.0, "C155": -310.0, "C456": -86.0}


def strains(n, size=0.06, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6))
    return x * (size * rng.uniform(size=n) / np.linalg.norm(x, axis=1))[:, None]


def samples_of(law, n=14, *, seed=0, size=0.06, group="m-3m", measure="cauchy", unit="GPa", factor=1.0, stress=None):
    """A data set of a law."""
    E = from_mandel(strains(n, size, seed))
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * E)
    F = np.einsum("nij,nj,nkj->nik", vectors, np.sqrt(values), vectors)
    S = law.stress(torch.from_numpy(E)).numpy() + (0 if stress is None else stress)
    given = cauchy_from_second_piola(F, S) if measure == "cauchy" else S if measure.startswith("second") else F @ S
    return StressStrainData(F=F, **{measure: given * factor}, units=unit, point_group=group)


def cubic_law():
    return Material.from_constants("m-3m", C2, C3).law


def curved_law(symbol="m-3m"):
    group = PointGroup.from_symbol(symbol).laue_rotations
    rng = np.random.default_rng(1)
    network = NetworkLaw(rng.normal(size=(3, 6)), rng.normal(size=3), rng.normal(size=3), 0.03, group)
    base = (
        Material.from_constants("m-3m", C2, C3).law
        if symbol == "m-3m"
        else Material.from_constants(symbol, np.diag([160.0] * 3 + [80.0] * 3)).law
    )
    return SumLaw([base, network])


def random_set(name: str, part: str = "data") -> StressStrainData:
    """Random strains of a crystal, 200 of them and 200 unseen, |E| uniform up to 0.10; the shipped sets follow plans."""
    return StressStrainData.load(Path(__file__).parent.parent / "benchmarks" / "data" / "random_strains" / name / f"{part}.json.xz")
