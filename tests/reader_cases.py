"""Golden files and made ones that several tests of readers use."""

from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

from constitutive.readers import ReadOptions, detect
from constitutive.readers.convert import read_frames

GOLDEN = Path(__file__).parent / "data" / "readers"
REAL = ReadOptions(lammps_units="real", symbols=("Ar",))
KINDS = {
    "si_0_scf.out": "espresso",
    "si_1_relax.xml": "espresso-xml",
    "si_metal.log": "lammps-log",
    "si_metal.dump": "lammps-dump",
    "ar_real.log": "lammps-log",
    "ar_real.dump": "lammps-dump",
    "vasprun.xml": "vasprun",
    "OUTCAR": "outcar",
}


def frames(name, options=None):
    return read_frames(GOLDEN / name, detect(GOLDEN / name), options or ReadOptions())


def strained_copper(n=6):
    rng = np.random.default_rng(1)
    images = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True)
        F = np.eye(3) + (0 if k == 0 else 1) * rng.uniform(-0.02, 0.02, (3, 3))
        atoms.set_cell(atoms.cell[:] @ F.T, scale_atoms=True)
        atoms.calc = EMT()
        atoms.get_potential_energy(), atoms.get_stress(), atoms.get_forces()
        images.append(atoms)
    return images
