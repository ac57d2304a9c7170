"""Walls between the variants of a transition: every pair, its twins, the type of each, and its charge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.plain import JsonObject
from constitutive.show import grid
from constitutive.symmetry import PointGroup
from constitutive.variants.orbit import Variants
from constitutive.variants.twinning import Twin, twins

PARALLEL = 1e-6
NEUTRAL = 1e-6  # jump of P·n relative to |P|
_LARGEST_INDEX = 6


@final
@dataclass(frozen=True, eq=False)
class Wall:
    """One wall between two variants.

    Attributes
    ----------
    first, second
        Numbers of the variants.
    twin
        Rotation, shear and normal.
    kind
        "compound", "type I" (n is normal to a symmetry plane or along a two-fold axis of the parent phase that exchanges the variants),
        "type II" (a is along one), or "other".
    plane
        The family of the normal: ``{110}``, or "irrational {0.32 1 1}", the largest component 1.
    angle
        Between the polarisations, in degrees; None without them.
    charge
        Jump of P·n over |P|; 0 at a neutral wall; None without polarisations.
    """

    first: int
    second: int
    twin: Twin
    kind: str
    plane: str
    angle: float | None
    charge: float | None

    @property
    def is_neutral(self) -> bool:
        """Whether the polarisation leaves no charge on the wall."""
        return self.charge is not None and abs(self.charge) <= NEUTRAL


@final
@dataclass(frozen=True, eq=False)
class WallTable:
    """All walls between the variants of a transition.

    Attributes
    ----------
    variants : Variants
    walls : tuple of Wall
        Of every pair that is compatible and has different strains.
    same_strain : int
        Pairs with the same strain: any plane is a wall, mechanically (180° walls).
    incompatible : int
        Pairs that no coherent wall joins.
    """

    variants: Variants
    walls: tuple[Wall, ...]
    same_strain: int
    incompatible: int

    @property
    def residual(self) -> float:
        """Largest residual of Hadamard's condition."""
        return max((wall.twin.residual for wall in self.walls), default=0.0)

    def rows(self) -> list[JsonObject]:
        """Walls alike in angle, plane, type and charge, and how many there are.

        Returns
        -------
        list of dict
            ``angle``, ``plane``, ``kind``, ``charge`` ("neutral", "charged" or ""), ``walls``, ``shear`` (|a|).
        """
        counts = Counter((_angle_of(w), w.plane, w.kind, _charge_of(w), round(float(np.linalg.norm(w.twin.shear)), 9)) for w in self.walls)
        names = ("angle", "plane", "kind", "charge", "shear")
        return [{**dict(zip(names, key, strict=True)), "walls": number} for key, number in sorted(counts.items(), key=str)]

    def as_dict(self) -> JsonObject:
        """Plain types.

        Returns
        -------
        dict
            ``group``, ``subgroup``, ``variants``, ``same_strain``, ``incompatible``, ``residual``, ``walls`` (the rows).
        """
        return {
            "group": self.variants.group.symbol,
            "subgroup": self.variants.subgroup.symbol,
            "variants": len(self.variants),
            "same_strain": self.same_strain,
            "incompatible": self.incompatible,
            "residual": self.residual,
            "walls": self.rows(),
        }

    def _repr_html_(self) -> str:
        head = f"{self.variants.group.symbol} → {self.variants.subgroup.symbol}: {len(self.variants)} variants"
        rows = [(r["angle"], r["plane"], r["kind"], r["charge"], r["walls"], f"{r['shear']:.5f}") for r in self.rows()]
        return grid(head, rows, ("angle (°)", "plane", "type", "charge", "walls", "|a|"))


def walls(found: Variants) -> WallTable:
    """Coherent walls between all pairs of variants.

    Parameters
    ----------
    found : Variants
        With polarisations where walls are to be told neutral from charged.

    Returns
    -------
    WallTable

    Examples
    --------
    >>> import numpy as np
    >>> from constitutive.variants import variants
    >>> tetragonal = walls(variants("m-3m", "4mm", np.diag([-0.003, -0.003, 0.01]), np.array([0, 0, 0.26])))
    >>> [(row["angle"], row["plane"], row["charge"], row["walls"]) for row in tetragonal.rows()]
    [(90, '{110}', 'charged', 12), (90, '{110}', 'neutral', 12)]
    >>> tetragonal.same_strain, tetragonal.residual < 1e-13
    (3, True)
    """
    result: list[Wall] = []
    same = incompatible = 0
    for j in range(len(found)):
        for i in range(j):
            U, V = found.stretches[i], found.stretches[j]
            if np.abs(U - V).max() < 1e-9:
                same += 1
                continue
            pair = twins(U, V)
            incompatible += not pair
            result += [_wall(found, i, j, twin) for twin in pair]
    return WallTable(found, tuple(result), same, incompatible)


def _wall(found: Variants, i: int, j: int, twin: Twin) -> Wall:
    angle = charge = None
    if found.polarizations is not None:
        P, R = found.polarizations[i], found.polarizations[j]
        size = np.linalg.norm(P)
        angle = float(np.degrees(np.arccos(np.clip(P @ R / size**2, -1, 1))))
        charge = float((P - R) @ twin.normal / size)
    return Wall(i, j, twin, _kind(found, i, j, twin), plane_of(twin.normal, found.group), angle, charge)


def _kind(found: Variants, i: int, j: int, twin: Twin) -> str:
    """By Mallard's law: two-fold axes of the parent phase that carry one stretch into the other."""
    U, V = found.stretches[i], found.stretches[j]
    axes = [axis for R, axis in _half_turns(found.group) if np.abs(R @ U @ R.T - V).max() < 1e-9]
    first = any(np.linalg.norm(np.cross(axis, twin.normal)) < PARALLEL for axis in axes)
    shear = twin.shear / np.linalg.norm(twin.shear)
    images = [V @ axis / np.linalg.norm(V @ axis) for axis in axes]
    second = any(np.linalg.norm(np.cross(image, shear)) < PARALLEL for image in images)
    return {(True, True): "compound", (True, False): "type I", (False, True): "type II"}.get((first, second), "other")


def _half_turns(group: PointGroup) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotations by 180° of the Laue class, with their axes."""
    result = []
    for R in group.laue_rotations:
        if abs(np.trace(R) + 1) < 1e-9:
            values, vectors = np.linalg.eigh((R + R.T) / 2)
            result.append((R, vectors[:, np.argmax(values)]))
    return result


def plane_of(normal: Float[np.ndarray, "3"], group: PointGroup) -> str:
    """The family of planes of a normal in the parent phase: Miller indices where they are small, else components.

    Parameters
    ----------
    normal : array (3,)
        Unit vector, Cartesian.
    group : PointGroup
        Of the parent phase. Families are formed for cubic groups; for others the components along its axes stand as they are.

    Returns
    -------
    str
    """
    n = group.frame.T @ normal
    n = n / np.abs(n).max()
    cubic = group.crystal_system == "cubic"
    if cubic:
        n = np.sort(np.abs(n))[::-1]
    for scale in range(1, _LARGEST_INDEX + 1):
        whole = np.round(scale * n)
        if np.abs(scale * n - whole).max() < PARALLEL:
            text = "".join(str(int(k)) for k in whole)
            return f"{{{text}}}" if cubic else f"({text})"
    parts = " ".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in (n[::-1] if cubic else n))
    return f"irrational {{{parts}}}" if cubic else f"irrational ({parts})"


def _angle_of(wall: Wall) -> int | None:
    return None if wall.angle is None else round(wall.angle)


def _charge_of(wall: Wall) -> str:
    return "" if wall.charge is None else "neutral" if wall.is_neutral else "charged"
