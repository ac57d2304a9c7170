"""Good data sets on classical strain paths, as most users have them: six modes of strain of either sign, and volumes.

Made when they are asked for, by LAMMPS (the crystals of ``intake_sets.py``) and by ASE's EMT; the DFT set on paths is materials/silicon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from intake_sets import EV_PER_CUBIC_ANGSTROM, Engine, crystals

from constitutive.data import StressStrainData
from constitutive.tensors.packing import VOIGT_PAIRS

State = Callable[[np.ndarray], tuple[float, np.ndarray]]
NOISE = 0.003
CHECKOUT = Path(__file__).resolve().parent.parent
METALS = {"Al": 3.994, "Cu": 3.590, "Ni": 3.489, "Ag": 4.064, "Au": 4.057, "Pd": 3.880, "Pt": 3.922}  # near EMT's equilibrium
# name: amplitudes of the six modes, form of F, volumes (linear strains), whether each path holds the unstrained cell, whether W is kept
PLANS = {
    "small strains": ((-0.01, -0.005, 0.005, 0.01), "green_lagrange", (), False, False),
    "one step": ((-0.01, 0.01), "upper", (), False, True),
    "lower triangles": ((-0.015, -0.0075, 0.0075, 0.015), "lower", (), True, True),
    "with rest": ((-0.02, -0.01, 0.01, 0.02), "symmetric", (), True, False),
    "with volumes": ((-0.03, -0.015, 0.015, 0.03), "symmetric", (-0.02, -0.01, 0.01, 0.02), True, True),
    "large": ((-0.06, -0.04, -0.02, 0.02, 0.04, 0.06), "green_lagrange", (-0.03, 0.03), False, True),
    "tension only": ((0.005, 0.01, 0.015, 0.02), "symmetric", (), True, True),
}


def mode(k: int, size: float, form: str) -> np.ndarray:
    """F of one Voigt mode of strain; `size` is the tensor's component of a normal strain, and half the engineering shear."""
    i, j = VOIGT_PAIRS[k]
    strain = np.zeros((3, 3))
    strain[i, j] = strain[j, i] = size
    if form == "green_lagrange":
        values, vectors = np.linalg.eigh(np.eye(3) + 2 * strain)
        return (vectors * np.sqrt(values)) @ vectors.T
    if form in ("upper", "lower") and i != j:
        strain = 2 * (np.triu(strain) if form == "upper" else np.tril(strain))
    return np.eye(3) + strain


def deformations(plan: str) -> np.ndarray:
    """F of the samples of one of the `PLANS`, path after path."""
    sizes, form, volumes, at_rest, _ = PLANS[plan]
    rest = [np.eye(3)] if at_rest else []
    paths = [[mode(k, size, form) for size in sizes] + rest for k in range(6)]
    return np.array([F for path in paths for F in path] + [(1 + size) * np.eye(3) for size in volumes])


def by_lammps(name: str) -> State:
    """Energy per volume (GPa) and Cauchy stress (GPa) of a crystal of ``tests/data/intake`` at F, its ions relaxed."""
    crystal, rest = crystals()[name], StressStrainData.load(CHECKOUT / "tests" / "data" / "intake" / f"{name}.json")
    engine, cell, frac = Engine(crystal), rest.lattice, rest.frac_coords
    zero = engine(cell, frac, relax=True)[0]

    def state(F: np.ndarray) -> tuple[float, np.ndarray]:
        energy, stress, _, _ = engine(cell @ F.T, frac, relax=True)
        return (energy - zero) / abs(np.linalg.det(cell)) * EV_PER_CUBIC_ANGSTROM, stress

    return state


def by_emt(metal: str) -> tuple[State, tuple]:
    """The same of a face-centred metal by ASE's EMT, at its equilibrium, and its structure."""
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.filters import StrainFilter
    from ase.optimize import BFGS

    atoms = bulk(metal, "fcc", a=METALS[metal], cubic=True)
    atoms.calc = EMT()
    BFGS(StrainFilter(atoms), logfile=None).run(fmax=1e-6)
    cell, zero, volume = atoms.cell.array.copy(), atoms.get_potential_energy(), atoms.get_volume()

    def state(F: np.ndarray) -> tuple[float, np.ndarray]:
        atoms.set_cell(cell @ F.T, scale_atoms=True)
        energy = (atoms.get_potential_energy() - zero) / volume
        return energy * EV_PER_CUBIC_ANGSTROM, atoms.get_stress(voigt=False) * EV_PER_CUBIC_ANGSTROM

    return state, (cell, [metal] * len(atoms), atoms.get_scaled_positions())


def path_sets(names: list[str] | None = None) -> Iterator[tuple[str, StressStrainData]]:
    """Every crystal on every plan, and the DFT paths of materials/silicon."""
    silicon = StressStrainData.load(CHECKOUT / "materials" / "silicon" / "data.json")
    F = np.array([state["F"] for state in silicon.paths])
    yield (
        "silicon (DFT), paths",
        silicon.replace(F=F, cauchy=np.array([s["cauchy"] for s in silicon.paths]), W=np.array([s["W"] for s in silicon.paths]), paths=[]),
    )
    for name in crystals():
        if names and name not in names:
            continue
        rest = StressStrainData.load(CHECKOUT / "tests" / "data" / "intake" / f"{name}.json")
        structure = (rest.lattice, rest.species, rest.frac_coords)
        yield from _on_plans(name, by_lammps(name), structure)
    for metal in METALS:
        if not names or metal in names:
            yield from _on_plans(f"{metal} (EMT)", *by_emt(metal))


def with_noise(data: StressStrainData, seed: int = 0) -> StressStrainData:
    """As DFT has it: every component of the stress off by 0.3 % of the rms stress, W by 0.3 % of its rms."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=data.cauchy.shape)
    spread = NOISE * np.sqrt((data.cauchy**2).mean())
    W = None if data.W is None else data.W + rng.normal(size=len(data)) * NOISE * np.sqrt((data.W**2).mean())
    return data.replace(cauchy=data.cauchy + spread * (noise + noise.swapaxes(1, 2)) / 2, W=W)


def _on_plans(name: str, state: State, structure: tuple) -> Iterator[tuple[str, StressStrainData]]:
    lattice, species, frac_coords = structure
    for plan in PLANS:
        F = deformations(plan)
        energy, stress = (np.array(values) for values in zip(*(state(one) for one in F), strict=True))
        yield (
            f"{name}, {plan}",
            StressStrainData(
                name=name,
                units="GPa",
                lattice=lattice,
                species=species,
                frac_coords=frac_coords,
                F=F,
                cauchy=stress,
                W=energy if PLANS[plan][-1] else None,
            ),
        )
