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
    ``rodrigues``, ``quaternion``, ``axis-angle`` and Euler angles, ``active`` unless a file says ``passive``: active is R itself.
EDAX (.ang) and Oxford (.ctf)
    Bunge's angles, in radians and in degrees.
VPSC
    Angles of Bunge, Kocks or Roe in degrees (the letter B, K or R of its fourth line), sample → crystal, with weights.

Quaternions are (w, x, y, z), scalar first. Which Cartesian axes of the crystal an orientation turns is a convention too, of the
program that measured it: with oblique axes, x ∥ a (EDAX) and x ∥ a* (Oxford) differ, by 30° about c in trigonal and hexagonal
crystals. :func:`read_orientations` asks for it there.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from constitutive.errors import DataError
from constitutive.fem.orientation_files import read_table
from constitutive.fem.orientation_programs import damask_constituents
from constitutive.fem.orientation_tables import Table
from constitutive.material import Material

CRYSTAL_AXES = ("x||a", "x||a*")  # of EDAX and of Oxford
OBLIQUE = ("trigonal", "hexagonal", "monoclinic", "triclinic")


class OrientationWarning(UserWarning):
    """Points of a map have no orientation, and get none."""


def rotation_from_bunge(angles: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Crystal → lab rotations from Bunge Euler angles (φ₁, Φ, φ₂) in degrees.

    Parameters
    ----------
    angles : array (..., 3)
        Degrees; Bunge's own matrices turn sample → crystal, these are their transposes (Bunge 1982, eq. 2.32).

    Returns
    -------
    array (..., 3, 3)
        ``v_lab = R @ v_crystal``.

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

    Parameters
    ----------
    q : array (..., 4)
        Scalar part first.

    Returns
    -------
    array (..., 3, 3)
        ``v_lab = R @ v_crystal``.

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
        raise DataError(f"the quaternion at {worst or 'the only row'} has norm {norm[worst]:.4g}, not 1: check the columns (w, x, y, z)")
    w, x, y, z = np.moveaxis(q / norm[..., None], -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def check_rotations(R: Float[np.ndarray, "*batch 3 3"], where: str) -> Float[np.ndarray, "*batch 3 3"]:
    """Give rotations back once each is orthogonal to 1e-6 and right-handed.

    Parameters
    ----------
    R : array (..., 3, 3)
    where : str
        Name of the input, for the message.

    Returns
    -------
    array (..., 3, 3)

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


def _place(bad: Bool[np.ndarray, "*batch"] | np.bool_) -> str:
    bad = np.asarray(bad)
    return f"number {int(np.flatnonzero(bad)[0])} of {bad.size}" if bad.ndim else "the matrix"


def read_orientations(
    path: str | Path,
    *,
    columns: str | None = None,
    passive: bool = False,
    first: int | None = None,
    phase: str | int | None = None,
    crystal: Material | None = None,
    crystal_axes: str | None = None,
    constituent: int | None = None,
    draw: int | None = None,
    seed: int = 0,
) -> dict[int, Float[np.ndarray, "3 3"]]:
    r"""Orientations of grains, points or materials from a table, by tag.

    Reads text with a header (MTEX's ``phi1 Phi phi2`` or ``a b c d``, DAMASK's ``1_qu … 4_qu`` or ``q0 … q3``, Rodrigues' ``r1 r2
    r3``; commas or blanks), text without one that holds nothing else (Neper's ``.ori``: say which ``columns``), maps of EDAX
    (``.ang``, radians) and Oxford (``.ctf``), Neper's ``.tess`` and ``.msh`` with their own descriptors, textures of VPSC
    (known by their fourth line), and DAMASK's ``material.yaml``. A column ``id``, ``tag`` or ``grain`` gives
    the tags; without it rows count from ``first``.

    Parameters
    ----------
    path : str or Path
        The table.
    columns : str, optional
        What the columns hold where no header says so: ``"bunge"``, ``"kocks"``, ``"roe"`` (degrees), ``"quaternion"`` (w, x, y, z),
        ``"rodrigues"``, ``"axis-angle"`` (degrees) or ``"rotmat"`` (crystal → lab, row by row), or the same in Neper's words
        (``"euler-bunge:passive"``).
    passive : bool
        The table's rotations take sample to crystal although its format means crystal to sample.
    first : int, optional
        Tag of the first row where the table has none: 1, but 0 for DAMASK's materials, as DAMASK counts.
    phase : str or int, optional
        Only the rows of this phase, by the number or the name that the file gives it.
    crystal : Material, optional
        The material that is to be turned: its orientations then turn the axes of its law.
    crystal_axes : {"x||a", "x||a*"}, optional
        Cartesian axes of the crystal that the file means: x ∥ a and z ∥ c* (EDAX), or x ∥ a* and z ∥ c (Oxford). Needed where
        these differ: in trigonal, hexagonal, monoclinic and triclinic crystals.
    constituent : int, optional
        Which constituent of each DAMASK material, from 0, where a material has several.
    draw : int, optional
        Number of grains to draw from a weighted list (VPSC's, or a column ``weight``), each with the probability of its weight.
        Needed where the weights differ: a grain has no weight.
    seed : int
        Of the draw.

    Returns
    -------
    dict
        Tag → crystal → lab rotation (3, 3). Without ``crystal`` the crystal's axes are those of the file.

    Raises
    ------
    DataError
        The file, a row or a rotation is not what it has to be, or the crystal's axes are not determined.

    Warns
    -----
    OrientationWarning
        Points of a map were not indexed; they get no orientation.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "grains.txt"
    >>> _ = path.write_text("id phi1 Phi phi2\n7 90 0 0\n8 0 0 0\n")
    >>> grains = read_orientations(path)
    >>> sorted(grains)
    [7, 8]
    >>> (grains[7] @ [1, 0, 0]).round(12) + 0.0  # the crystal's x axis points along the lab's y
    array([0., 1., 0.])
    """
    path = Path(path)
    table = read_table(path, columns, first, constituent)
    if phase is not None:
        table = table.of_phase(str(phase), path)
    turn = crystal_turn(table, crystal, crystal_axes, path)
    if table.left_out:
        points = f"{table.left_out} of {table.left_out + len(table.tags)} points"
        warnings.warn(f"{path}: {points} are not indexed; they get no orientation", OrientationWarning, stacklevel=2)
    if draw is not None:
        table = table.drawn(draw, seed)
    elif len(table.weights) and np.ptp(table.weights) > 1e-6 * np.abs(table.weights).max():
        least, most = table.weights.min(), table.weights.max()
        raise DataError(
            f"{path}: weights from {least:.4g} to {most:.4g} make it a distribution of orientations, not a list of grains of one size: "
            "pass draw= the number of grains to draw from it"
        )
    R = rotations_of(table, path)
    return dict(zip(table.tags, (R.swapaxes(-1, -2) if passive != table.passive else R) @ turn, strict=True))


def read_constituents(path: str | Path) -> dict[int, list[tuple[float, str, Float[np.ndarray, "3 3"]]]]:
    """All constituents of the materials of DAMASK's ``material.yaml``, by material.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        Material (from 0) → its constituents: fraction of the volume, phase (empty where the file names none), crystal → lab rotation.

    Raises
    ------
    DataError
        It is no such file, or a quaternion is none.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "material.yaml"
    >>> one, two = "{phase: Al, v: 0.7, O: [1, 0, 0, 0]}", "{phase: Al, v: 0.3, O: [0, 1, 0, 0]}"
    >>> _ = path.write_text(f"material: [{{homogenization: mixed, constituents: [{one}, {two}]}}]")
    >>> [(fraction, phase) for fraction, phase, _ in read_constituents(path)[0]]
    [(0.7, 'Al'), (0.3, 'Al')]
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no material.yaml at {path}")
    materials = damask_constituents(path.read_text(encoding="utf-8-sig", errors="replace"), path)
    return {
        k: [(fraction, phase, rotation_from_quaternion(np.array(quaternion))) for fraction, phase, quaternion in parts]
        for k, parts in enumerate(materials)
    }


def rotations_of(table: Table, path: Path) -> Float[np.ndarray, "n 3 3"]:
    """Rotations of a table's rows as its columns mean them.

    Parameters
    ----------
    table : Table
    path : Path
        For the message.

    Returns
    -------
    array (n, 3, 3)
        Crystal → lab.

    Raises
    ------
    DataError
        Numbers that are no rotation of that kind.
    """
    values = table.values
    if not np.isfinite(values).all():
        raise DataError(f"{path}: row {int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0]) + 1} holds a value that is not finite")
    if table.columns == "quaternion":
        return rotation_from_quaternion(values)
    if table.columns == "rodrigues":
        norm = np.sqrt(1 + (values**2).sum(axis=1, keepdims=True))
        return rotation_from_quaternion(np.hstack([np.ones((len(values), 1)), values]) / norm)
    if table.columns == "axis-angle":
        return _from_axis_angle(values, path)
    if table.columns == "rotmat":
        return _nearest(values.reshape(-1, 3, 3), path)
    return rotation_from_bunge(_as_bunge(table))


def _as_bunge(table: Table) -> Float[np.ndarray, "n 3"]:
    """Angles of Kocks and Roe as Bunge's (Kocks, Tomé & Wenk, *Texture and Anisotropy*, 1998, table 2.2)."""
    a, b, c = table.values.T
    if table.columns == "kocks":
        return np.stack([a + 90, b, 90 - c], axis=1)
    return np.stack([a + 90, b, c - 90], axis=1) if table.columns == "roe" else table.values


def _from_axis_angle(values: Float[np.ndarray, "n 4"], path: Path) -> Float[np.ndarray, "n 3 3"]:
    length = np.linalg.norm(values[:, :3], axis=1)
    if not (np.abs(length - 1) <= 1e-3).all():
        raise DataError(f"{path}: an axis has length {length[np.abs(length - 1).argmax()]:.4g}, not 1: check the columns")
    if len(values) > 10 and np.abs(values[:, 3]).max() <= 2 * np.pi:
        raise DataError(f"{path}: the largest of {len(values)} angles is {np.abs(values[:, 3]).max():.3g}: these are radians; give degrees")
    half = np.radians(values[:, 3:]) / 2
    return rotation_from_quaternion(np.hstack([np.cos(half), np.sin(half) * values[:, :3] / length[:, None]]))


def _nearest(matrices: Float[np.ndarray, "n 3 3"], path: Path) -> Float[np.ndarray, "n 3 3"]:
    """Matrices of a table without the rounding of its digits."""
    U, sizes, V = np.linalg.svd(matrices)
    if not (np.abs(sizes - 1) <= 1e-3).all():
        row = int(np.abs(sizes - 1).max(axis=1).argmax())
        raise DataError(f"{path}: the matrix of row {row + 1} is not a rotation (it stretches by {sizes[row, 0]:.4g})")
    return check_rotations(U @ V, str(path))


# ---- axes of the crystal ---------------------------------------------------------------------------------------------


def crystal_turn(table: Table, crystal: Material | None, axes: str | None, path: Path) -> Float[np.ndarray, "3 3"]:
    """Rotation from the axes of the crystal's law to those that the file means.

    Parameters
    ----------
    table : Table
    crystal : Material, optional
    axes : {"x||a", "x||a*"}, optional
    path : Path
        For the message.

    Returns
    -------
    array (3, 3)

    Raises
    ------
    DataError
        The axes are not determined.
    """
    if axes is not None and axes not in CRYSTAL_AXES:
        raise DataError(f"crystal_axes={axes!r}: needed 'x||a' (as EDAX) or 'x||a*' (as Oxford)")
    if crystal is not None and len(set(table.phases)) > 1:
        raise DataError(f"{path}: holds the phases {', '.join(sorted(set(table.phases)))}, one crystal is given: pass phase= too")
    system = None if crystal is None else crystal.point_group.crystal_system
    if axes is None and (table.skewed or system in OBLIQUE):
        what = f"phase {table.skewed[0]} of the file" if table.skewed else f"the {system} crystal"
        raise DataError(
            f"{path}: the axes of {what} are oblique, and its angles may mean x parallel to a (EDAX) or to a* (Oxford), which differ by "
            "30 degrees in hexagonal axes: pass crystal_axes='x||a' or 'x||a*', and crystal= the material"
        )
    if crystal is None:
        if axes == "x||a*":
            raise DataError(f"{path}: crystal_axes='x||a*' needs crystal= the material too, whose lattice gives the angle between a* and a")
        return np.eye(3)
    return np.eye(3) if axes is None or system not in OBLIQUE else axes_of(crystal, axes)


def axes_of(crystal: Material, axes: str) -> Float[np.ndarray, "3 3"]:
    """Rows: Cartesian axes of a convention, in the axes of the crystal's law.

    Parameters
    ----------
    crystal : Material
    axes : {"x||a", "x||a*"}

    Returns
    -------
    array (3, 3)

    Raises
    ------
    DataError
        The material has no structure to give a and c, or a cell other than the conventional one.
    """
    system = crystal.point_group.crystal_system
    hexagonal = system in ("trigonal", "hexagonal")
    if crystal.structure is not None:
        cell = crystal.structure.lattice
        if hexagonal and not cell.is_hexagonal():
            raise DataError(f"the cell of the {system} crystal {crystal.name!r} is not the hexagonal one, whose a the convention means")
        a, c, reciprocal = cell.matrix[0], cell.matrix[2], cell.reciprocal_lattice.matrix
    elif hexagonal:  # tables of constants: IEEE 176, x parallel to a and z to c
        a, c = crystal.point_group.frame[:, 0], crystal.point_group.frame[:, 2]
        b = -a / 2 + np.sqrt(0.75) * np.cross(c, a)
        reciprocal = np.linalg.inv(np.array([a, b, c])).T
    else:
        raise DataError(f"the {system} crystal {crystal.name!r} has no structure; its a and c are not known: give the material a structure")
    x, z = (a, reciprocal[2]) if axes == "x||a" else (reciprocal[0], c)
    x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
    return np.array([x, np.cross(z, x), z])
