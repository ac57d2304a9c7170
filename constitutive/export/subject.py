"""What is exported: a material with the unit and the policy of the output, and the header that every output carries."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from constitutive.errors import MaterialError
from constitutive.kernel.flatten import Program, UnsupportedLawError, program
from constitutive.laws import BoundedLaw, Law, RotatedLaw
from constitutive.material import Material
from constitutive.tensors.packing import mandel_matrix
from constitutive.units import STRESS_UNITS

POLICIES = {
    "warn": "the law is used as it is and the domain flag is set",
    "extend": "the energy is continued conservatively and the domain flag is set",
    "stop": "the evaluation is refused (NaN, or a smaller increment) and the domain flag is set",
}
AXES = "Cartesian axes of the crystal's structure"


class ExportError(MaterialError):
    """A material cannot be written in a format; the message says why and what can be done."""


@dataclass(frozen=True)
class Subject:
    """A material, and how it is to leave.

    Attributes
    ----------
    material : Material
        What is exported.
    format : str
        Name of the format, for the header.
    unit : str
        Unit of stress, tangent and energy density in the output.
    outside : {"warn", "extend", "stop"}
        What the output does at strains outside the domain.
    precision : {"double", "single"}
        Of a graph's numbers.
    name : str
        Identifier in code: letters, digits and underscores.
    """

    material: Material
    format: str
    unit: str
    outside: str = "warn"
    precision: str = "double"
    name: str = "law"

    @property
    def factor(self) -> float:
        """From GPa to the unit."""
        return STRESS_UNITS[self.unit]

    @property
    def stops(self) -> bool:
        """Whether strains outside the domain are refused."""
        return self.outside == "stop" and self.program.domain is not None

    @cached_property
    def law(self) -> Law:
        """The law with the policy for strains outside its domain: continued conservatively, or as it is."""
        law, turn = self.material.law, np.eye(3)
        domain = self.material.domain
        while isinstance(law, RotatedLaw | BoundedLaw):
            if isinstance(law, RotatedLaw):
                turn = turn @ law.rotation.numpy()
            else:
                domain = law.domain.rotated(turn)
            law = law.law
        if self.outside == "extend" and domain is None:
            raise ExportError(
                f"{self.format}: the policy is to extend the energy outside the domain, and this material states no domain "
                "(it was not calibrated on samples); take --outside warn"
            )
        inner = law if np.array_equal(turn, np.eye(3)) else RotatedLaw(law, turn)
        return inner if domain is None else BoundedLaw(inner, domain, "extend" if self.outside == "extend" else "warn")

    @cached_property
    def program(self) -> Program:
        """The law as a polynomial, a layer of units and a domain.

        Raises
        ------
        ExportError
            The law has no such form.
        """
        try:
            return program(self.law, None)
        except UnsupportedLawError as error:
            raise ExportError(f"{self.format}: {error}; a table of its elastic constants can be exported (--list shows formats)") from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the material's law: the same for the same law in every format and unit."""
        settings, arrays = self.material.law.state()
        found = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for name in sorted(arrays):
            found.update(name.encode() + np.ascontiguousarray(arrays[name], dtype="<f8").tobytes())
        return found.hexdigest()

    @cached_property
    def stiffness(self) -> np.ndarray:
        """Second-order constants in the unit, Voigt order xx yy zz yz xz xy, engineering shear.

        Raises
        ------
        ExportError
            The material carries a stress at zero strain, which a table of constants cannot hold.
        """
        stress = np.abs(self.material.reference_stress).max()
        if stress > 1e-9:
            raise ExportError(
                f"{self.format}: the material carries a residual stress of up to {stress:.3g} GPa at zero strain, which a table of "
                "elastic constants cannot hold; export the law itself (c, umat, calculix, onnx …) or calibrate with the stress removed"
            )
        return self.material.stiffness_voigt() * self.factor


def identifier(text: str, default: str = "law") -> str:
    """A name for code made of a material's name: lower-case letters, digits and underscores, a letter first."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:24].strip("_")
    return name if re.match(r"[a-z]", name) else f"{default}_{name}".strip("_")


def printable(text: str) -> str:
    """A text as it may stand in any comment: printable ASCII on one line, without characters that end a comment."""
    return re.sub(r"[^A-Za-z0-9 ._+(),:;=/-]", " ", text.replace("*/", " ")).strip()[:90] or "unnamed"


def header(subject: Subject, *, constants: bool = False) -> list[str]:
    """Lines on what an output holds: material, group, frame, units, domain, error, hash. Plain ASCII.

    Parameters
    ----------
    subject : Subject
        What is exported.
    constants : bool
        The output holds the elastic constants of second order only.
    """
    material = subject.material
    group = material.point_group
    lines = [
        f"Material:    {printable(material.name or 'unnamed')}",
        f"Point group: {group.symbol} (Laue class {group.laue_class})",
        *_frame_lines(material),
        f"Units:       stress, tangent and energy per reference volume in {subject.unit}; strain without unit",
        *(["Holds:       elastic constants of second order at zero strain: exact only to first order in the strain"] if constants else []),
        *([f"Held at:     {material.elastic_law_held_at}: the law's other variables are left out"] if material.coupled is not None else []),
        *_domain_lines(subject, constants),
        f"Error:       {_error(material)}",
        f"Hash:        {subject.digest}",
        f"Made by:     constitutive, export --to {subject.format}; edits are lost",
    ]
    return [line.encode("ascii", "replace").decode() for line in lines]


def _frame_lines(material: Material) -> list[str]:
    rows = material.point_group.frame
    standard = np.abs(rows - np.eye(3)).max() < 1e-12
    numbers = "; ".join(" ".join(f"{value:.9g}" for value in row + 0.0) for row in rows)
    return [
        f"Frame:       {AXES if material.structure is not None else 'Cartesian axes of the point group as stated'}",
        f"             rotation from the group's standard axes to it: {'none' if standard else numbers}",
        "Orientation: R takes crystal axes to yours: E_crystal = R' E R, S = R S_crystal R'",
        "             (Bunge's Euler angles turn sample axes to crystal axes: R is the transpose of their matrix)",
    ]


def _domain_lines(subject: Subject, constants: bool) -> list[str]:
    domain = subject.material.domain
    if domain is None:
        return ["Domain:      none stated (the law was not calibrated on samples)", _policy_line(subject, constants)]
    half = domain.radius * np.sqrt(np.diag(np.linalg.inv(domain.metric)))
    widths = ", ".join(f"{value:.3g}" for value in half / np.array([1, 1, 1, 2**0.5, 2**0.5, 2**0.5]))
    return [f"Domain:      ellipsoid of strains E, half-widths {widths} (xx yy zz yz xz xy)", _policy_line(subject, constants)]


def _policy_line(subject: Subject, constants: bool) -> str:
    if constants:
        return "Outside:     the constants do not change with the strain, and nothing marks strains outside the domain"
    return f"Outside:     {subject.outside}: {POLICIES[subject.outside]}"


def _error(material: Material) -> str:
    found = material.card.get("calibration", {}).get("held_out_error")
    return "not measured (no samples)" if found is None else f"{100 * float(found):.3g} % of the stress on samples left out"


def frame_matrix(rotation: np.ndarray) -> np.ndarray:
    """Mandel matrix of a rotation, contiguous."""
    return np.ascontiguousarray(mandel_matrix(np.asarray(rotation, dtype=np.float64)))
