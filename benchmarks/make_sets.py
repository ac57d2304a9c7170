"""Make a set of samples and one of unseen strains with LAMMPS, as those in materials/ were made: ions relaxed in a fixed strained cell.

    ./dev python benchmarks/make_sets.py STRUCTURE FOLDER --style sw --file Si.sw --elements Si [--samples 200] [--unseen 200]
        [--seed 777] [--random]

The structure should be relaxed by the same potential. The samples are those of a plan (`make_plan`), the unseen strains random: normal
components, Frobenius norm of E uniform up to --size, F = sqrt(I + 2E). --random takes such strains for the samples too, as the first
sets in materials/ have them. Writes data.json and unseen.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from ase.calculators.emt import EMT

from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.kinematics import right_stretch
from constitutive.planning import make_plan
from constitutive.simulate import LammpsLibrary
from constitutive.simulate.cells import atoms_of, energy_of, strained, stress_of
from constitutive.simulate.ions import relax_ions
from constitutive.symmetry import PointGroup
from constitutive.symmetry.structures import read_structure

FREE = 1e-3  # GPa: the stress of a relaxed reference
FORCE, STEPS = 1e-8, 1000  # eV/Å left on an ion, steps at most
POTENTIALS = Path("/usr/share/lammps/potentials")


def random_deformations(count, size, rng):
    """Stretches F = sqrt(I + 2E) of random strains (count, 3, 3)."""
    A = rng.normal(size=(count, 3, 3))
    E = (A + A.transpose(0, 2, 1)) / 2
    E *= (size * rng.uniform(size=count) / np.linalg.norm(E, axis=(1, 2)))[:, None, None]
    return right_stretch(E)


def relaxed_stress(structure, F, style, file, elements):
    """Cauchy stress (GPa, tension positive) and energy (eV) of the deformed cell with its ions relaxed."""
    potential = EMT() if style == "emt" else LammpsLibrary(pair_style=style, pair_coeff=f"* * {file} {' '.join(elements)}")
    cell = strained(atoms_of(structure), F)
    cell.calc = potential
    end = relax_ions(cell, FORCE, STEPS)
    if not end.converged:
        raise DataError(f"a force of {end.force:.2g} eV/Å is left after {end.steps} steps")
    try:
        return stress_of(cell), energy_of(cell)
    finally:
        if isinstance(potential, LammpsLibrary):
            potential.close()


def make(structure, deformations, style, file, elements, name):
    """The data set of a crystal at some deformations."""
    found = [relaxed_stress(structure, F, style, file, elements)[0] for F in deformations]
    at_rest = relaxed_stress(structure, np.eye(3), style, file, elements)[0]
    return StressStrainData(
        name=name,
        code="ASE" if style == "emt" else "LAMMPS",
        potential="EMT" if style == "emt" else f"{style}: {Path(file).name}",
        ions="relaxed",
        units="GPa",
        lattice=structure.lattice.matrix,
        species=[site.species_string for site in structure],
        frac_coords=structure.frac_coords,
        point_group=PointGroup.from_structure(structure).symbol,
        F=deformations,
        cauchy=np.array(found),
        residual_stress=at_rest if np.abs(at_rest).max() > FREE else np.zeros((3, 3)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structure")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--style", required=True, help="LAMMPS pair style, such as sw, tersoff/mod, eam/alloy, vashishta")
    parser.add_argument("--file", required=True, help="its file; looked for among LAMMPS's own where it is not here")
    parser.add_argument("--elements", nargs="+", required=True)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--unseen", type=int, default=200)
    parser.add_argument("--size", type=float, default=0.1, help="largest Frobenius norm of E")
    parser.add_argument("--seed", type=int, default=777)
    parser.add_argument("--random", action="store_true", help="random samples instead of planned ones")
    options = parser.parse_args()
    structure = read_structure(options.structure)
    file = options.file if Path(options.file).is_file() else str(POTENTIALS / options.file)
    options.folder.mkdir(parents=True, exist_ok=True)
    for part, count, seed in (("data", options.samples, options.seed), ("unseen", options.unseen, options.seed + 1)):
        planned = part == "data" and not options.random
        rng = np.random.default_rng(seed)
        F = make_plan(structure, count, size=options.size, seed=seed).F if planned else random_deformations(count, options.size, rng)
        data = make(structure, F, options.style, file, options.elements, options.folder.name)
        data.save(options.folder / f"{part}.json")
        print(json.dumps({"file": str(options.folder / f"{part}.json"), "samples": count}))


if __name__ == "__main__":
    main()
