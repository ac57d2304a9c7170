"""The numbers behind a report: constants by name, states along lines of strain, maps of stability."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float

from constitutive.audit import deformation_of, margin
from constitutive.elasticity import ConstantsTable, DirectionalModuli, constants_table
from constitutive.errors import ConstitutiveError
from constitutive.laws import Law
from constitutive.material import Material
from constitutive.plain import JsonObject
from constitutive.plots import Curve, Path
from constitutive.plots.numbers import MINUS
from constitutive.symmetry import find_symmetry
from constitutive.tensors.packing import to_mandel

LINES: dict[str, np.ndarray] = {
    "stretch along x": np.diag([1.0, 0, 0]),
    "stretch along y": np.diag([0, 1.0, 0]),
    "stretch along z": np.diag([0, 0, 1.0]),
    "shear yz": np.array([[0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]),
    "shear xz": np.array([[0, 0, 1.0], [0, 0, 0], [1.0, 0, 0]]),
    "shear xy": np.array([[0, 1.0, 0], [1.0, 0, 0], [0, 0, 0]]),
    "volume": np.eye(3),
}
REACH = 0.05  # strain shown of a material that states no domain
CELL_TOLERANCE = 0.1  # of the coefficients of a cell's edges in a lattice, which are whole numbers


def constants(material: Material, order: int) -> ConstantsTable:
    """Independent constants of a material, in the standard axes of its group (z along c, x along a)."""
    return constants_table(material.law.rotated(np.asarray(material.point_group.frame).T), order)


@dataclass(frozen=True)
class Published:
    """Constants of a crystal from one source, measured or computed.

    Attributes
    ----------
    values : dict
        Constants by name (GPa), in the standard axes.
    source : str
        The work that measured or computed them.
    read_from : str
        The secondary source that these numbers were taken from.
    cell : array (3, 3), optional
        Edges of the cell (Å) in the axes of the values, where the group leaves the choice of axes open.
    """

    values: dict[str, float]
    source: str
    read_from: str
    cell: Float[np.ndarray, "3 3"] | None = None


def published(material: Material) -> dict[str, Published]:
    """Constants of a well-known crystal that others measured or computed, by whose they are; none for others.

    Those that depend on a choice of axes are left out where the crystal lies otherwise.
    """
    if material.structure is None:
        return {}
    number = find_symmetry(material.structure).space_group_number
    found = published_of(f"{material.structure.composition.reduced_formula} {number}")
    lattice = material.structure.lattice.matrix @ np.asarray(material.point_group.frame)
    return {name: entry for name, entry in found.items() if entry.cell is None or _is_cell_of(entry.cell, lattice)}


def _is_cell_of(cell: Float[np.ndarray, "3 3"], lattice: Float[np.ndarray, "3 3"]) -> bool:
    """Whether the edges of a cell are vectors of a lattice, up to some strain."""
    numbers = cell @ np.linalg.inv(lattice)
    return bool(np.abs(numbers - np.round(numbers)).max() < CELL_TOLERANCE and abs(np.linalg.det(np.round(numbers))) > 0.5)


def published_of(crystal: str) -> dict[str, Published]:
    """Published constants of the crystal of a formula and a space group number, such as "Si 227"."""
    known = json.loads((files("constitutive.report") / "published.json").read_text(encoding="utf-8"))
    found: JsonObject = known["crystals"].get(crystal, {})
    return {
        name: Published(
            {constant: float(value) for constant, value in entry["values"].items()},
            entry["source"],
            entry["read_from"],
            np.array(entry["cell"], dtype=np.float64) if "cell" in entry else None,
        )
        for name, entry in found.items()
    }


def density(material: Material) -> float | None:
    """Mass per volume of the reference crystal in kg/m³, where the structure is known."""
    return None if material.structure is None else 1e3 * float(material.structure.density)


def reach(material: Material) -> dict[str, tuple[float, float]]:
    """Smallest and largest strain inside the domain along each of the lines; a shear is given as its tensor component."""
    if material.domain is None:
        return dict.fromkeys(LINES, (-REACH, REACH))
    M, R = material.domain.metric, material.domain.radius
    found = {}
    for name, line in LINES.items():
        x = np.asarray(to_mandel(line))
        limit = float(R / np.sqrt(x @ M @ x))
        found[name] = (-limit, limit)
    return found


def states(material: Material) -> dict[str, DirectionalModuli]:
    """Moduli at rest, and at the largest stretch along x within 70 % of the domain at which the crystal is stable."""
    found = {"no strain": DirectionalModuli.from_law(material.law, density=density(material))}
    limit = reach(material)["stretch along x"][1]
    for strain in (0.7 * limit, -0.7 * limit):
        F = deformation_of(strain * LINES["stretch along x"][None])[0]
        try:
            found[f"Eₓₓ = {100 * strain:+.1f} %".replace("-", MINUS)] = DirectionalModuli.from_law(
                material.law, F, density=density(material)
            )
        except ConstitutiveError:
            continue  # not stable there: the map of stability shows where
    return found


@dataclass(frozen=True)
class StabilityPlane:
    """The margin of stability over a plane of strains; see :func:`constitutive.plots.stability_map`."""

    labels: tuple[str, str]
    x: Float[np.ndarray, " a"]
    y: Float[np.ndarray, " b"]
    margin: Float[np.ndarray, "b a"]
    distance: Float[np.ndarray, "b a"] | None


def stability(material: Material, first: str, second: str, points: int = 25) -> StabilityPlane:
    """Margin of stability over the plane of two lines, to 1.8 times the reach of the domain."""
    spans = reach(material)
    x, y = (np.linspace(-1, 1, points) * 1.8 * spans[name][1] for name in (first, second))
    E = x[None, :, None, None] * LINES[first] + y[:, None, None, None] * LINES[second]
    flat = E.reshape(-1, 3, 3)
    possible = np.linalg.eigvalsh(np.eye(3) + 2 * flat)[:, 0] > 0.02
    found = np.full(len(flat), np.nan)
    found[possible] = margin(material.law, deformation_of(flat[possible]), directions=80)
    distance = None
    if material.domain is not None:
        distance = material.domain.distance(torch.from_numpy(np.ascontiguousarray(to_mandel(flat)))).numpy().reshape(points, points)
    return StabilityPlane((first, second), x, y, found.reshape(points, points), distance)


def invented_paths(material: Material, points: int = 9) -> list[Path]:
    """Lines of strain through the domain as paths without a simulation: their stress is the law's own."""
    found = []
    for name in ("stretch along x", "shear xy", "volume"):
        low, high = reach(material)[name]
        t = np.linspace(low, high, points)
        F = deformation_of(t[:, None, None] * LINES[name])
        found.append(Path(name, t, F, cauchy(material.law, F), simulated=False))
    return found


def cauchy(law: Law, F: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Cauchy stress (GPa) of a law at deformation gradients."""
    P, _ = law(F)
    return P @ F.swapaxes(-1, -2) / np.linalg.det(F)[..., None, None]


def inside(material: Material, E: Float[np.ndarray, "n 3 3"]) -> np.ndarray:
    """Which strains are inside the domain of a material; all where it states none."""
    if material.domain is None:
        return np.ones(len(E), dtype=bool)
    return material.domain.contains(np.asarray(to_mandel(E)))


def interval_of(material: Material, level: float = 0.9) -> Callable[[np.ndarray], np.ndarray] | None:
    """A function from deformations (n, 3, 3) to half-widths of the interval of the Cauchy stress (GPa); None where unknown."""
    uncertainty = material.uncertainty
    return None if uncertainty is None else lambda F: uncertainty.half_width_cauchy(F, level)


def constant_errors(material: Material, tables: list[ConstantsTable]) -> np.ndarray | None:
    """Half-widths of the 90 % intervals of all constants of some tables (GPa), from the standard errors on the card; NaN: not determined.

    The card states them in the frame of the data; where that is not the standard frame, None is returned.
    """
    stated = material.card.get("constants_GPa", {})
    coupled = material.card.get("coupled_constants_errors", {}).get("elastic_GPa")
    if coupled is not None and not stated:
        pairs = [(table.names, coupled.get(str(table.order), {})) for table in tables]
        if not np.allclose(material.point_group.frame, np.eye(3)) or any(set(names) != set(known) for names, known in pairs):
            return None
        return 1.645 * np.array([known[name] for names, known in pairs for name in names])
    errors = []
    for table in tables:
        known = stated.get(str(table.order), {})
        for name, value in zip(table.names, table.values, strict=True):
            if name not in known or abs(float(known[name][0]) - value) > 1e-6 * max(map(abs, table.values)):
                return None
            error = known[name][1]  # None: not determined
            errors.append(np.nan if error is None else 1.645 * float(error))
    return np.array(errors)


def stated_learning_curve(material: Material) -> dict[str, Curve]:
    """Errors on fewer samples as the card states them, by law; empty where it states none."""
    found = material.card.get("calibration", {})
    points = [(entry["samples"], entry["error"]) for entry in found.get("learning_curve", [])]
    samples = material.card.get("data", {}).get("samples")
    if len(points) < 2 or samples is None:
        return {}
    n, error = np.array(points, dtype=float).T
    baseline = np.array([float(found["baseline_error"])])
    last = np.array([float(samples)])
    held_out = np.array([float(found["held_out_error"])])
    return {
        "one fit of its kind": Curve(n, error, error, error),
        "calibrated law": Curve(last, held_out, held_out, held_out),
        "network without symmetry": Curve(last, baseline, baseline, baseline),
    }
