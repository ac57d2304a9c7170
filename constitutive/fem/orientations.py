r"""Orientations of grains: every convention named, and turned into one.

Here an orientation is the proper rotation R that takes crystal axes to the laboratory's: :math:`a_{lab} =
R\,a_{crystal}`, so that :math:`E_{crystal} = R^T E\,R`. The conventions of others:

Bunge Euler angles
    φ₁, Φ, φ₂ in degrees, passive, sample → crystal: g = Z(φ₂) X(Φ) Z(φ₁) (Bunge 1982, eq. 2.32); R = gᵀ.
MTEX
    Angles as Bunge's; quaternions ``a b c d`` take crystal to specimen: R is the matrix of the quaternion.
DAMASK
    Quaternions ``q0 q1 q2 q3``, passive with P = −1 (Rowenhorst et al., MSMSE 23 (2015) 083501): the same R.
Neper
    ``euler-bunge`` and ``quaternion``, ``active`` unless a file says ``passive``: active is R itself.

Quaternions are (w, x, y, z), scalar first.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from jaxtyping import Float

from constitutive.errors import DataError

Columns = Literal["bunge", "quaternion"]
_ANGLES = (r"phi_?1|euler_?1|1_eu(ler)?", r"phi|phi_?c|euler_?2|capital_?phi|2_eu(ler)?", r"phi_?2|euler_?3|3_eu(ler)?")
_QUATERNIONS = (
    r"q_?0|a|w|qw|1_(qu|o|orientation|quaternion)",
    r"q_?1|b|x|qx|2_(qu|o|orientation|quaternion)",
    r"q_?2|c|y|qy|3_(qu|o|orientation|quaternion)",
    r"q_?3|d|z|qz|4_(qu|o|orientation|quaternion)",
)
_TAG = r"id|tag|grain|grain_?id|cell|cell_?id|material"


def rotation_from_bunge(angles: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Crystal → lab rotations from Bunge Euler angles (φ₁, Φ, φ₂) in degrees.

    Parameters
    ----------
    angles : array (..., 3)
        Degrees; Bunge's own matrices turn sample → crystal, these are their transposes (Bunge 1982, eq. 2.32).

    Raises
    ------
    DataError
        An angle is not finite, or all are small enough to be radians of a texture (a single row may be).
    """
    if not np.isfinite(angles).all():
        raise DataError("Euler angles hold a value that is not finite")
    if angles.size > 30 and np.abs(angles).max() <= 2 * np.pi:
        raise DataError(f"the largest of {angles.size} Euler angles is {np.abs(angles).max():.3g}: these are radians; give degrees")
    c, s = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    (c1, cP, c2), (s1, sP, s2) = np.moveaxis(c, -1, 0), np.moveaxis(s, -1, 0)
    rows = [
        [c1 * c2 - s1 * s2 * cP, -c1 * s2 - s1 * c2 * cP, s1 * sP],
        [s1 * c2 + c1 * s2 * cP, -s1 * s2 + c1 * c2 * cP, -c1 * sP],
        [s2 * sP, c2 * sP, cP],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_from_quaternion(q: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Crystal → lab rotations from quaternions (w, x, y, z) that take crystal to lab.

    Raises
    ------
    DataError
        A norm differs from 1 by more than 1e-3: the columns are probably others (smaller differences are rounding
        and removed).
    """
    norm = np.linalg.norm(q, axis=-1)
    off = np.abs(norm - 1)
    if not (off <= 1e-3).all():
        worst = np.unravel_index(np.nanargmax(np.where(np.isfinite(off), off, np.inf)), off.shape) if off.ndim else ()
        raise DataError(
            f"the quaternion at {worst or 'the only row'} has norm {norm[worst]:.4g}, not 1: check the columns (w, x, y, z)"
        )
    w, x, y, z = np.moveaxis(q / norm[..., None], -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def check_rotations(R: Float[np.ndarray, "*batch 3 3"], where: str) -> Float[np.ndarray, "*batch 3 3"]:
    """Give rotations back once each is orthogonal to 1e-6 and right-handed.

    Raises
    ------
    DataError
        One is not; the message has its place.
    """
    off = np.abs(R @ R.swapaxes(-1, -2) - np.eye(3)).max(axis=(-1, -2), initial=0.0)
    bad = ~(off <= 1e-6)
    if bad.any():
        raise DataError(f"{where}: {_place(bad)} is not a rotation, R Rᵀ differs from 1 by {np.asarray(off)[bad].max():.2g}")
    left = np.linalg.det(R) < 0
    if left.any():
        raise DataError(f"{where}: {_place(left)} is left-handed (det = −1); turn one crystal axis around")
    return R


def _place(bad: Any) -> str:
    bad = np.asarray(bad)
    return f"number {int(np.flatnonzero(bad)[0])} of {bad.size}" if bad.ndim else "the matrix"


def read_orientations(
    path: str | Path, *, columns: Columns | None = None, passive: bool = False, first: int = 1
) -> dict[int, Float[np.ndarray, "3 3"]]:
    """Orientations of grains from a table, by tag.

    Reads text with a header (MTEX's ``phi1 Phi phi2`` or ``a b c d``, DAMASK's ``1_qu … 4_qu`` or ``q0 … q3``,
    commas or blanks), text without one (Neper's ``.ori``: say which ``columns``), and DAMASK's ``material.yaml``. A
    column ``id``, ``tag`` or ``grain`` gives the tags; without it rows count from ``first``.

    Parameters
    ----------
    path : str or Path
        The table.
    columns : {"bunge", "quaternion"}, optional
        What the columns hold where no header says so. Angles are in degrees.
    passive : bool
        The table's rotations take sample to crystal although its format means crystal to sample (Neper's ``:passive``).
    first : int
        Tag of the first row where the table has none.

    Returns
    -------
    dict
        Tag → crystal → lab rotation (3, 3).

    Raises
    ------
    DataError
        The file, a row or a rotation is not what it has to be.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no table of orientations at {path}")
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix in (".yaml", ".yml"):
        kind, tags, values = _from_damask_yaml(text, path, first)
    else:
        kind, tags, values = _from_text(text, path, columns, first)
    if len(set(tags)) != len(tags):
        raise DataError(f"{path}: a tag occurs twice")
    R = rotation_from_bunge(values) if kind == "bunge" else rotation_from_quaternion(values)
    return dict(zip(tags, R.swapaxes(-1, -2) if passive else R, strict=True))


def _from_damask_yaml(text: str, path: Path, first: int) -> tuple[Columns, list[int], np.ndarray]:
    try:
        content = yaml.safe_load(text)
        values = np.array([material["constituents"][0]["O"] for material in content["material"]], dtype=float)
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not a DAMASK material.yaml with material: [{{constituents: [{{O: [q0, q1, q2, q3]}}]}}]"
        ) from error
    if values.ndim != 2 or values.shape[1] != 4:
        raise DataError(f"{path}: O has shape {values.shape}, needed are four numbers per material")
    return "quaternion", list(range(first, first + len(values))), values


def _from_text(text: str, path: Path, columns: Columns | None, first: int) -> tuple[Columns, list[int], np.ndarray]:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "%"))]
    rows = [_cells(line) for line in lines]
    if not rows:
        raise DataError(f"{path}: the table is empty")
    header = None if _is_number(rows[0][0]) else [name.strip().lower() for name in rows.pop(0)]
    try:
        table = np.array(rows, dtype=float)
    except ValueError as error:
        raise DataError(f"{path}: a row has a text or another number of columns than the first") from error
    if table.ndim != 2 or not table.size:
        raise DataError(f"{path}: the table has no rows")
    kind, chosen = _find_columns(header, table.shape[1], columns, path)
    tag = next((k for k, name in enumerate(header or []) if re.fullmatch(_TAG, name)), None)
    tags = range(first, first + len(table)) if tag is None else table[:, tag].astype(int)
    return kind, [int(t) for t in tags], table[:, chosen]


def _cells(line: str) -> list[str]:
    return next(csv.reader([line])) if "," in line else line.split()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _find_columns(header: list[str] | None, count: int, columns: Columns | None, path: Path) -> tuple[Columns, list[int]]:
    if header is None:
        if columns is None:
            raise DataError(f"{path} has no header: pass columns='bunge' (degrees) or columns='quaternion' (w, x, y, z)")
        needed = 3 if columns == "bunge" else 4
        if count < needed:
            raise DataError(f"{path} has {count} columns, {columns} needs {needed}")
        return columns, list(range(count - needed, count))
    kinds: list[tuple[Columns, Any]] = [("bunge", _ANGLES), ("quaternion", _QUATERNIONS)]
    for kind, patterns in kinds:
        found = [next((k for k, name in enumerate(header) if re.fullmatch(pattern, name)), None) for pattern in patterns]
        if columns in (None, kind) and None not in found:
            return kind, [k for k in found if k is not None]
    raise DataError(f"{path}: the header {header} names neither phi1 Phi phi2 (degrees) nor q0 q1 q2 q3 (or a b c d)")
