"""Elastic constants of second order as the input of other programs: text and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import yaml
from pymatgen.core import Structure

from constitutive.export.subject import ExportError, Subject, header, printable
from constitutive.tensors.components import ORDERS, parse_order
from constitutive.tensors.packing import stiffness_voigt_to_mandel, tangent_from_mandel

ABAQUS = parse_order(ORDERS["Abaqus"])  # 11 22 33 12 13 23
ANSYS = parse_order("xx yy zz xy yz xz")
DIGITS = 10
LATTICES = {"cubic": ("cF", "cI"), "hexagonal": ("hP",), "tetragonal": ("tI",)}  # of DAMASK
HOOKE = {"cubic": ("11", "12", "44"), "hexagonal": ("11", "12", "13", "33", "44"), "tetragonal": ("11", "12", "13", "33", "44", "66")}


def number(value: float) -> str:
    """A number with ten digits; exact zeros and rounding below 1e-12 of a pascal-sized entry as 0."""
    return f"{value + 0.0:.{DIGITS}g}"


def cleaned(C: np.ndarray) -> np.ndarray:
    """Constants without the rounding that stands where symmetry has zeros."""
    return np.where(np.abs(C) < 1e-12 * np.abs(C).max(), 0.0, (C + C.T) / 2)


def ordered(C: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Rows and columns in another order of components."""
    return C[np.ix_(list(order), list(order))]


def commented(subject: Subject, mark: str) -> str:
    """The header behind a mark of comments."""
    return "".join(f"{mark} {line}\n" for line in header(subject, constants=True))


def abaqus(subject: Subject) -> str:
    """``*ELASTIC, TYPE=ANISOTROPIC``: 21 constants D1111 D1122 D2222 …, eight a line, components 11 22 33 12 13 23."""
    C = ordered(cleaned(subject.stiffness), ABAQUS)
    values = [number(C[a, b]) for b in range(6) for a in range(b + 1)]
    rows = [", ".join(values[k : k + 8]) for k in range(0, 21, 8)]
    name = printable(subject.material.name or subject.name).replace(" ", "_")[:38].upper()
    note = "** Orientation: give the section an *ORIENTATION whose axes are those of the crystal (R has them as its columns).\n"
    return commented(subject, "**") + note + f"*MATERIAL, NAME={name}\n*ELASTIC, TYPE=ANISOTROPIC\n" + "\n".join(rows) + "\n"


def ansys(subject: Subject) -> str:
    """``TB,ANEL``: the upper triangle by rows in ANSYS's order x y z xy yz xz, six a command."""
    C = ordered(cleaned(subject.stiffness), ANSYS)
    values = [number(C[a, b]) for a in range(6) for b in range(a, 6)]
    rows = [f"TBDATA,{k + 1}," + ",".join(values[k : k + 6]) for k in range(0, 21, 6)]
    note = "! Orientation: align the element coordinate system (ESYS) with the crystal's axes.\n"
    return commented(subject, "!") + note + "TB,ANEL,1,1,21,0\n" + "\n".join(rows) + "\n"


def elate(subject: Subject) -> str:
    """ELATE's six rows of six numbers; the page takes no comment, so the header is a file of its own."""
    return "".join(" ".join(f"{number(v):>14}" for v in row) + "\n" for row in cleaned(subject.stiffness))


def pymatgen(subject: Subject) -> str:
    """JSON of a pymatgen ``ElasticTensor`` (GPa), read by ``monty.serialization.loadfn``; the header stands beside it."""
    full = tangent_from_mandel(np.asarray(stiffness_voigt_to_mandel(cleaned(subject.stiffness))))
    document = {
        "@module": "pymatgen.analysis.elasticity.elastic",
        "@class": "ElasticTensor",
        "input_array": np.asarray(full).tolist(),
        "header": header(subject, constants=True),
    }
    return json.dumps(document, indent=1) + "\n"


_IMPORT_ELASTICIPY = """# Needs the package elasticipy.
try:
    from elasticipy.tensors.elasticity import StiffnessTensor
except ImportError:  # the package's name had a capital in its earlier versions
    from Elasticipy.tensors.elasticity import StiffnessTensor
"""


def elasticipy(subject: Subject) -> str:
    """A Python module that makes an Elasticipy ``StiffnessTensor`` (GPa)."""
    rows = ",\n".join("    [" + ", ".join(number(v) for v in row) + "]" for row in cleaned(subject.stiffness))
    text = f"{_IMPORT_ELASTICIPY}\nMATRIX = [\n{rows},\n]\n"
    name = printable(subject.material.name or subject.name)
    return commented(subject, "#") + text + f"C = StiffnessTensor(MATRIX, phase_name={name!r})\n"


def moose(subject: Subject) -> str:
    """MOOSE's ``ComputeElasticityTensor``, fill method symmetric21: C1111 C1122 … C1212, components xx yy zz yz xz xy."""
    C = cleaned(subject.stiffness)
    values = [number(C[a, b]) for a in range(6) for b in range(a, 6)]
    rows = "\n".join(" " * 8 + " ".join(values[k : k + 6]) for k in range(0, 21, 6))
    return (
        commented(subject, "#")
        + "# Orientation: euler_angle_1, _2, _3 (degrees, Bunge) turn the tensor; zero keeps the crystal's axes.\n"
        + f"[Materials]\n  [{subject.name}_elasticity]\n    type = ComputeElasticityTensor\n    fill_method = symmetric21\n"
        + f"    C_ijkl = '\n{rows}'\n  []\n[]\n"
    )


def neml2(subject: Subject) -> str:
    """NEML2's ``GeneralElasticity`` with an ``SSR4`` of 36 Mandel components, in the order 11 22 33 r2.23 r2.13 r2.12."""
    C = np.asarray(stiffness_voigt_to_mandel(cleaned(subject.stiffness)))
    rows = "\n".join(" " * 14 + " ".join(number(v) for v in row) for row in C)
    name = f"{subject.name}_stiffness"
    return (
        commented(subject, "#")
        + "# Orientation: the model's input \"orientation\" (modified Rodrigues parameters) takes the crystal's axes to yours.\n"
        + f"[Tensors]\n  [{name}]\n    type = SSR4\n    values = '\n{rows}'\n  []\n[]\n"
        + f"[Models]\n  [{subject.name}_elasticity]\n    type = GeneralElasticity\n    elastic_stiffness_tensor = '{name}'\n  []\n[]\n"
    )


def damask(subject: Subject) -> str:
    """DAMASK's phase with ``elastic: type: Hooke`` in pascal, in the axes of its lattice.

    Raises
    ------
    ExportError
        DAMASK has no lattice with these constants.
    """
    material = subject.material
    group = material.point_group
    C = _in_standard_axes(subject)
    system = group.crystal_system
    if system not in HOOKE:
        raise ExportError(
            f"damask: found a {system} crystal; DAMASK's Hooke law has the lattices cF, cI, hP and tI (no constant C14, C15 or "
            "C16, no lower symmetry); use abaqus-elastic, or c for your own coupling"
        )
    names = HOOKE[system]
    rest = C.copy()
    for i, j in _positions(system):
        rest[i, j] = rest[j, i] = 0.0
    if np.abs(rest).max() > 1e-9 * np.abs(C).max():
        raise ExportError(f"damask: the Laue class {group.laue_class} has constants beyond C{', C'.join(names)} (C16), which DAMASK lacks")
    elastic = {"type": "Hooke", **{f"C_{name}": float(number(C[int(name[0]) - 1, int(name[1]) - 1])) for name in names}}
    lattice, note = _lattice(material.structure, system)
    phase: dict[str, object] = {"lattice": lattice, "mechanical": {"elastic": elastic, "output": ["F", "P"]}}
    if system != "cubic" and material.structure is not None:
        a, _, c = _cell_lengths(material.structure)
        phase["c/a"] = float(f"{c / a:.8g}")
    name = printable(material.name or subject.name)
    text = yaml.safe_dump({"phase": {name: phase}}, sort_keys=False)
    axes = "# Orientation: DAMASK's lattice axes; the constants were turned to them from the frame above.\n"
    return commented(subject, "#") + axes + note + text


def _positions(system: str) -> list[tuple[int, int]]:
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2), (3, 3), (4, 4), (5, 5)]
    return pairs if system in HOOKE else []


def _in_standard_axes(subject: Subject) -> np.ndarray:
    standard = subject.material.rotated(subject.material.point_group.frame.T)
    return cleaned(standard.stiffness_voigt() * subject.factor)


def _lattice(structure: Structure | None, system: str) -> tuple[str, str]:
    """DAMASK's name of the lattice, and a note where the crystal's own is another."""
    offered = LATTICES[system]
    own = "" if structure is None else {"cubic": "c", "hexagonal": "h", "tetragonal": "t"}[system] + _centring(structure)
    if own in offered:
        return own, ""
    found = f"the crystal's lattice is {own}" if own else "the material states no structure"
    return offered[0], f"# Lattice: {found}; DAMASK offers {' and '.join(offered)}, which have the same Hooke law (slip systems differ).\n"


def _centring(structure: Structure) -> str:
    return str(structure.get_space_group_info()[0])[0]


def _cell_lengths(structure: Structure) -> tuple[float, float, float]:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer  # deferred: needed for hexagonal and tetragonal crystals only

    return tuple(SpacegroupAnalyzer(structure).get_conventional_standard_structure().lattice.abc)


WRITERS: dict[str, tuple[str, Callable[[Subject], str]]] = {
    "abaqus-elastic": (".inp", abaqus),
    "ansys-anel": (".mac", ansys),
    "elate": (".txt", elate),
    "pymatgen": (".json", pymatgen),
    "elasticipy": (".py", elasticipy),
    "moose": (".i", moose),
    "damask": (".yaml", damask),
}
