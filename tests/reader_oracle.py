"""One data set written in many formats, units, signs and orders: what a reader gives is compared with what was written."""

import json

import numpy as np
from pymatgen.core import Lattice, Structure

from constitutive.units import EV_PER_CUBIC_ANGSTROM, pressure_factor

ORDERS = {"ASE": "xx yy zz yz xz xy", "VASP": "xx yy zz xy yz xz", "LAMMPS": "xx yy zz xy xz yz"}
EDGE = 3.6  # Å, a cubic cell with one atom
STRUCTURE = Structure(Lattice.cubic(EDGE), ["Cu"], [[0, 0, 0]])


def samples(n=4):
    """F with rotation and shear (the first is I), and stresses (GPa) without any symmetry to hide behind."""
    rng = np.random.default_rng(5)
    F = np.eye(3) + rng.uniform(-0.05, 0.05, (n, 3, 3))
    F[0] = np.eye(3)
    sigma = rng.uniform(-6, 6, (n, 3, 3))
    return F, (sigma + sigma.swapaxes(1, 2)) / 2


def cells(F):
    return EDGE * F.swapaxes(1, 2)


def six(sigma, order):
    axes = "xyz"
    return [sigma[axes.index(a), axes.index(b)] for a, b in ORDERS[order].split()]


def words(values):
    return " ".join(repr(float(v)) for v in np.ravel(values))


def extxyz(F, numbers, key="stress", entry="", spaced=False, energies=None):
    """Frames with the stress as nine numbers, or as the six given."""
    equal = " = " if spaced else "="
    text = ""
    for k, (cell, stress) in enumerate(zip(cells(F), numbers, strict=True)):
        energy = "" if energies is None else f" energy={energies[k]!r}"
        comment = f'Lattice{equal}"{words(cell)}" Properties=species:S:1:pos:R:3 {key}{equal}"{words(stress)}"'
        text += f'1\n{comment}{energy}{entry} pbc="T T T"\n'
        text += "Cu 0.0 0.0 0.0\n"
    return text


def csv(F, numbers, unit=None):
    bracket = f" [{unit}]" if unit else ""
    names = [f"F{i}{j}" for i in "123" for j in "123"] + [f"sigma_{c}{bracket}" for c in ORDERS["ASE"].split()]
    rows = [[*np.ravel(f), *six(s, "ASE")] for f, s in zip(F, numbers, strict=True)]
    return "\n".join([",".join(names), *(",".join(repr(float(v)) for v in row) for row in rows)]) + "\n"


def document(F, numbers):
    return json.dumps({"deformations": F.tolist(), "stresses": np.array(numbers).tolist(), "structure": STRUCTURE.as_dict()})


def data_set(F, numbers, unit):
    lattice = {"lattice": STRUCTURE.lattice.matrix.tolist(), "species": ["Cu"], "frac_coords": [[0, 0, 0]]}
    return json.dumps({"F": F.tolist(), "cauchy": np.array(numbers).tolist(), "units": unit, **lattice})


def fitsnap(F, numbers, style):
    data = [
        {"Lattice": c.tolist(), "Positions": [[0, 0, 0]], "AtomTypes": ["Cu"], "Energy": -1.0, "Stress": s.tolist()}
        for c, s in zip(cells(F), numbers, strict=True)
    ]
    stated = {"StressStyle": style} if style else {}
    return "# a line of comment\n" + json.dumps({"Dataset": {"Data": data, "LatticeStyle": "angstrom", **stated}})


def mlearn(F, numbers, order):
    entries = []
    for cell, sigma in zip(cells(F), numbers, strict=True):
        structure = Structure(Lattice(cell), ["Cu"], [[0, 0, 0]]).as_dict()
        entries.append({"structure": structure, "outputs": {"energy": -1.0, "virial_stress": six(sigma, order)}, "tag": "Elastic"})
    return json.dumps(entries)


def in_unit(sigma, unit, sign):
    """The numbers of a file that hold a stress (GPa, tension positive)."""
    return sigma / pressure_factor(unit) * (-1 if sign == "pressure" else 1)


def virial(F, sigma):
    return -sigma * np.linalg.det(cells(F))[:, None, None] / EV_PER_CUBIC_ANGSTROM
