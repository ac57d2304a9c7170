"""What a plan is worth: third-order constants against finite differences, and laws of planned strains against those of random ones.

    ./dev python benchmarks/plan.py [--constants] [--laws] [--crystals silicon_sw copper] [--samples 50] [--seeds 5] [--unseen 600]

Stresses are computed by LAMMPS with the potentials of the sets in materials/. Without an option both tables are printed.
"""

import argparse
from pathlib import Path

import numpy as np
from make_sets import POTENTIALS, make, random_deformations, relaxed_stress

from constitutive import calibrate, shipped
from constitutive.data import StressStrainData
from constitutive.elasticity.constants import elastic_constants, independent_places, name_of
from constitutive.fitting import PolynomialBasis
from constitutive.kinematics import second_piola_from_cauchy
from constitutive.planning import make_plan, stretch_of
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

POTENTIAL = {
    "silicon_sw": ("sw", "Si.sw", ["Si"]),
    "copper": ("eam/alloy", "Cu_mishin1.eam.alloy", ["Cu"]),
    "silicon_carbide": ("vashishta", "SiC.vashishta", ["Si", "C"]),
    "gallium_nitride": ("sw", "GaN.sw", ["Ga", "N"]),
}
STEP = 2e-3  # of the differences: at half of it the splines of the copper potential show, at three times the fifth order
SIZE = 0.10  # |E| of the laws' domain


def crystal(name):
    """Structure and LAMMPS's settings of a shipped crystal."""
    style, file, elements = POTENTIAL[name]
    structure = StressStrainData.load(shipped(name) / "data.json").structure
    return structure, style, str(POTENTIALS / file), elements


def stresses(name, x):
    """Second Piola–Kirchhoff stresses (Mandel, GPa) at strains (Mandel)."""
    settings = crystal(name)
    F = stretch_of(x)
    sigma = np.array([relaxed_stress(settings[0], one, *settings[1:])[0] for one in F])
    return np.asarray(to_mandel(second_piola_from_cauchy(F, sigma)))


def by_differences(name, places):
    """Third-order constants C_IJK = ∂²S_I/∂E_J∂E_K by central differences in engineering strains (GPa), and the number of runs."""
    scale = np.array([1, 1, 1, 2, 2, 2]) ** 0.5  # Mandel per Voigt: stress divides, strain e_J = 2 E_ij for shears
    found, runs = {}, 0
    for place in places:
        i, j, k = place
        steps = np.array([[a, b] for a in (1, -1) for b in (1, -1)])
        x = np.zeros((4, 6))
        x[:, j] += steps[:, 0] * STEP / scale[j]
        x[:, k] += steps[:, 1] * STEP / scale[k]
        S = stresses(name, x)[:, i] / scale[i]
        runs += 4
        found[name_of(place)] = (S[0] - S[1] - S[2] + S[3]) / (4 * STEP**2)
    return found, runs


def by_plan(name, places):
    """The same from the planned strains, by a series of degree 2 to 5 with a free reference stress, and the number of runs."""
    structure = crystal(name)[0]
    rotations = PointGroup.from_structure(structure).laue_rotations
    plan = make_plan(structure, constants=3)
    x = np.asarray(to_mandel(plan.green_lagrange_strain))
    S = stresses(name, x)
    basis = PolynomialBasis(rotations, (2, 3, 4, 5), plan.size)
    A = basis(x[1:]).reshape(-1, len(basis.degree_of_column))
    law = basis.law(np.linalg.lstsq(A, (S[1:] - S[0]).ravel(), rcond=None)[0], 1.0)
    table = elastic_constants(law, 3)
    return {name_of(place): float(table[place]) for place in places}, len(plan) - 1


def constants(names):
    """Print third-order constants by differences and by plan."""
    for name in names:
        places = independent_places(PointGroup.from_structure(crystal(name)[0]).laue_rotations, 3)
        exact, many = by_differences(name, places)
        planned, few = by_plan(name, places)
        print(f"{name}: {many} runs of finite differences, {few} planned runs and the reference")
        for key, value in exact.items():
            print(f"  {key}  {value:10.1f}  {planned[key]:10.1f}  {100 * (planned[key] / value - 1):+6.2f} %")


def laws(names, samples, seeds, unseen):
    """Print errors of S of laws calibrated on random strains (as make_sets.py) and on planned ones."""
    for name in names:
        structure, style, file, elements = crystal(name)
        ahead = make(structure, random_deformations(unseen, SIZE, np.random.default_rng(10_000)), style, file, elements, name)
        errors = {"random": [], "planned": []}
        for seed in range(seeds):
            F = {
                "random": random_deformations(samples, SIZE, np.random.default_rng(seed)),
                "planned": make_plan(structure, samples, size=SIZE, seed=seed).F,
            }
            for kind, deformations in F.items():
                law = calibrate(make(structure, deformations, style, file, elements, name))
                wanted = ahead.stress("second_piola_kirchhoff")
                errors[kind].append(np.linalg.norm(law.second_piola_kirchhoff(ahead.F) - wanted) / np.linalg.norm(wanted))
        median = {kind: 100 * float(np.median(values)) for kind, values in errors.items()}
        print(f"{name}, N = {samples}: median {median['random']:.3f} % random, {median['planned']:.3f} % planned")
        for kind, values in errors.items():
            print(f"  {kind:8s}", *(f"{100 * value:.3f}" for value in values))


def main():
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constants", action="store_true")
    parser.add_argument("--laws", action="store_true")
    parser.add_argument("--crystals", nargs="*", default=["silicon_sw", "copper"], choices=sorted(POTENTIAL))
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--unseen", type=int, default=600)
    options = parser.parse_args()
    both = options.constants == options.laws
    if options.constants or both:
        constants(options.crystals)
    if options.laws or both:
        laws(options.crystals, options.samples, options.seeds, options.unseen)


if __name__ == "__main__":
    assert Path(POTENTIALS).is_dir(), f"{POTENTIALS}: not found; needed LAMMPS's potentials"
    main()
