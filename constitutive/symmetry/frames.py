"""Cartesian frames of a crystal: that of the input, the conventional one, and the one of IEEE Std 176.

A frame is given as a rotation R, its rows the frame's axes in input components: ``v_frame = R @ v_input``. It is right-handed
always and the same for every choice of cell of one crystal, up to operations of the crystal's own point group, which change no
tensor of it; among those the frame nearest to the input's is taken. Lengths that differ by less than a thousandth are equal.

Conventional: x along a, y in the plane of a and b, z along c* of the conventional cell (spglib's standard setting).
IEEE 176-1987, section 3: z along the principal axis, x along a two-fold axis or across a mirror (32, 3m, -3m, -42m, -6m2) or
along a; cubic: the cube axes; orthorhombic: c < a < b along z, x, y, the polar axis of mm2 along z; monoclinic: y along b, z
along c, the two shortest vectors across b being c < a with β obtuse; triclinic: z along c, y across a and c, with c < a < b and
α, β obtuse.

What lattice and point group leave open (the sign of C14 in a crystal with a primitive trigonal lattice, the sense of a polar
axis) the bonds decide (:mod:`constitutive.symmetry.bonds`), or a measured tensor: ``sign_from``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import spglib
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.backend import call
from constitutive.symmetry.bonds import best_frames, find_bonds
from constitutive.symmetry.detection import Detection
from constitutive.symmetry.group import PointGroup
from constitutive.symmetry.operations import Numbers

_SAME_LENGTH = 1e-3  # relative
# made positive by sign_from, in this order (IEEE Std 176-1987, 3.2: d33 of polar classes, d22 of 3m, d11 of 32, 3, -6)
_POSITIVE = {
    3: ((2, 2, 2), (1, 1, 1), (0, 0, 0), (0, 1, 2), (2, 0, 0), (2, 0, 1)),
    4: ((0, 0, 1, 2), (0, 0, 0, 2), (0, 0, 0, 1), (1, 1, 0, 2), (2, 2, 0, 2)),
}


@dataclass(frozen=True)
class CrystalFrames:
    """Frames of one crystal.

    Attributes
    ----------
    input : (3, 3)
        The identity: the Cartesian frame of the structure given.
    conventional, ieee : (3, 3)
        Rotations from the input frame: ``v_frame = R @ v_input``.
    conventional_cell : (3, 3)
        Rows are the conventional cell vectors in input components, Å.
    open_choices : int
        How many frames lattice and point group leave open besides equal ones; above 1 the rule decided.
    decided_by : str
        "lattice", "bonds" or "tensor".
    """

    input: Float[np.ndarray, "3 3"]
    conventional: Float[np.ndarray, "3 3"]
    ieee: Float[np.ndarray, "3 3"]
    conventional_cell: Float[np.ndarray, "3 3"]
    open_choices: int
    decided_by: str

    def between(self, start: str, end: str) -> Float[np.ndarray, "3 3"]:
        """Rotation that takes components in one frame to those in another: ``v_end = R @ v_start``.

        Parameters
        ----------
        start, end : {"input", "conventional", "ieee"}

        Returns
        -------
        array (3, 3)

        Raises
        ------
        SymmetryError
            There is no such frame.
        """
        known = {"input": self.input, "conventional": self.conventional, "ieee": self.ieee}
        if start not in known or end not in known:
            raise SymmetryError(f"frames {start!r} and {end!r} are unknown; there are: {', '.join(known)}")
        return known[end] @ known[start].T


def frames_of(crystal: Detection, group: PointGroup, *, sign_from: Numbers | None = None) -> CrystalFrames:
    """Input, conventional and IEEE 176 frames of a crystal; :func:`constitutive.symmetry.crystal_frames` takes a report.

    Parameters
    ----------
    crystal : Detection
    group : PointGroup
        The crystal's point group, in the structure's Cartesian frame.
    sign_from : array, optional
        Measured tensor in the input frame that fixes the signs which are open in the IEEE frame.

    Returns
    -------
    CrystalFrames

    Raises
    ------
    SymmetryError
        The tensor has another shape, or all its components that could decide vanish.
    """
    turns = _open_turns(crystal, group)
    proper = group.proper_operations
    classes = len(turns) // len(proper)
    heads = _heads(turns, proper)
    standard = [proper_turn for head in heads if _keeps_setting(crystal, head) for proper_turn in head @ proper]
    cells = [crystal.conventional @ turn.T for turn in standard]
    conventional_cell = _choose(crystal, group, cells, [_conventional_axes(cell) for cell in cells])
    base = _ieee_axes(crystal, group)
    axes = [base @ turn.T for turn in turns]
    if sign_from is not None:
        if group.symbol == "2":  # the lattice fixes the sense of the two-fold axis, the tensor may require the other
            axes += [np.diag([-1.0, -1.0, 1.0]) @ frame for frame in axes]
        kept = _positive(axes, _full_tensor(sign_from), group.operations)
        ieee = _choose(crystal, group, kept, kept)  # what the tensor leaves open, the bonds decide
    else:
        ieee = _choose(crystal, group, axes, axes)
    decided = "tensor" if sign_from is not None else ("bonds" if classes > 1 else "lattice")
    return CrystalFrames(np.eye(3), _conventional_axes(conventional_cell), ieee, conventional_cell, classes, decided)


# ---- what is open


@cache
def _unimodular() -> np.ndarray:
    """Integer matrices with entries −1, 0, 1 and determinant 1: all rotations of a conventional cell are among them."""
    all_of = np.array(list(product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
    return all_of[np.round(np.linalg.det(all_of)) == 1]


def _open_turns(crystal: Detection, group: PointGroup) -> list[np.ndarray]:
    """Proper rotations (Cartesian, active) that keep the lattice and the point group; the group's own are among them."""
    cell = crystal.conventional
    lengths = np.linalg.norm(cell, axis=1)
    metric, N = cell @ cell.T, _unimodular()
    change = np.abs(N @ metric @ N.transpose(0, 2, 1) - metric) / np.outer(lengths, lengths)
    same = change.max(axis=(1, 2)) < 2 * _SAME_LENGTH
    turns = [ops.nearest_orthogonal((n @ cell).T @ np.linalg.inv(cell.T)) for n in N[same] if _keeps_centring(crystal, n)]
    operations = group.operations
    return [turn for turn in turns if ops.same_set(operations, turn @ operations @ turn.T)]


def _keeps_centring(crystal: Detection, N: np.ndarray) -> bool:
    centring = crystal.centring
    images = centring @ N
    shift = images[:, None] - centring[None]
    return bool((np.abs(shift - np.round(shift)).max(axis=2) < 1e-3).any(axis=1).all())


def _keeps_setting(crystal: Detection, turn: np.ndarray) -> bool:
    """Whether the turned cell has the same tabulated operations, up to a shift of origin: cells that the tables call standard."""
    cell = crystal.conventional
    N = np.round(np.linalg.inv(cell.T) @ turn @ cell.T)
    rotations, translations = crystal.database_operations
    inverse = np.linalg.inv(N)
    shifts = _origin_grid()
    possible = np.ones(len(shifts), dtype=bool)
    for k in crystal.generating_operations:
        W, w = N @ rotations[k] @ inverse, N @ translations[k]
        target = translations[(np.abs(rotations - W).max(axis=(1, 2)) < 1e-6)]
        if not len(target):
            return False
        difference = (w + shifts @ (np.eye(3) - W).T)[:, None] - target[None]
        possible &= (np.abs(difference - np.round(difference)).max(axis=2) < 1e-3).any(axis=1)
        if not possible.any():
            return False
    return True


@cache
def _origin_grid() -> np.ndarray:
    ticks = np.unique(np.concatenate([np.arange(8) / 8, np.arange(6) / 6]))
    return np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 3)


def _heads(turns: list[np.ndarray], proper: np.ndarray) -> list[np.ndarray]:
    """One turn of each class, turns of a class differing by an operation of the crystal."""
    heads: list[np.ndarray] = []
    for turn in turns:
        if not any(ops.contains(proper, head.T @ turn) for head in heads):
            heads.append(turn)
    return heads


# ---- the axes


def _conventional_axes(cell: np.ndarray) -> np.ndarray:
    x = cell[0] / np.linalg.norm(cell[0])
    z = np.cross(cell[0], cell[1])
    z = z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z])


def _axes_from(z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Right-handed axes from z and a direction that x is nearest to."""
    z = z / np.linalg.norm(z)
    x = x - (x @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _ieee_axes(crystal: Detection, group: PointGroup) -> np.ndarray:
    system, cell = group.crystal_system, crystal.conventional
    if system == "triclinic":
        return _triclinic_axes(crystal.conventional)
    if system == "monoclinic":
        return _monoclinic_axes(crystal, group)
    if system == "orthorhombic":
        return _orthorhombic_axes(crystal, group)
    if system == "cubic":
        return _axes_from(cell[2], cell[0])
    return _uniaxial_axes(crystal, group)


def _triclinic_axes(cell: np.ndarray) -> np.ndarray:
    c, a, b = _shortest_vectors(cell)
    a = -a if a @ c > 0 else a
    b = -b if b @ c > 0 else b
    if np.linalg.det([a, b, c]) < 0:
        a, b, c = -a, -b, -c
    y = np.cross(c, a)
    return np.stack([np.cross(y / np.linalg.norm(y), c / np.linalg.norm(c)), y / np.linalg.norm(y), c / np.linalg.norm(c)])


def _shortest_vectors(cell: np.ndarray) -> np.ndarray:
    """The three shortest independent lattice vectors that span the lattice, by length."""
    found, reason = call(spglib.niggli_reduce, cell)
    if found is None:
        raise SymmetryError(f"the cell could not be reduced to its shortest vectors (spglib: {reason}): it is nearly flat")
    reduced = np.asarray(found, dtype=float)
    return reduced[np.argsort(np.linalg.norm(reduced, axis=1), kind="stable")]


def _monoclinic_axes(crystal: Detection, group: PointGroup) -> np.ndarray:
    cell = crystal.conventional
    b = group.frame[:, 1]
    vectors = [v @ cell for v in _plane_vectors() if np.linalg.norm(v) > 0]
    vectors.sort(key=lambda v: round(float(np.linalg.norm(v)), 6))
    c = vectors[0]
    a = next(v for v in vectors if np.linalg.norm(np.cross(v, c)) > 1e-6 * np.linalg.norm(c) ** 2)
    a = -a if a @ c > 0 else a
    y = b if np.linalg.det([a, b, c]) > 0 else -b
    z = c / np.linalg.norm(c)
    return np.stack([np.cross(y, z), y, z])


def _plane_vectors() -> np.ndarray:
    """Lattice vectors across the monoclinic axis b, in fractions of the conventional cell."""
    n = np.arange(-3, 4)
    return np.array([[i, 0, k] for i in n for k in n], dtype=float)


def _orthorhombic_axes(crystal: Detection, group: PointGroup) -> np.ndarray:
    cell = crystal.conventional
    lengths = np.linalg.norm(cell, axis=1)
    order = np.argsort(lengths, kind="stable")
    z, x = order[0], order[1]
    if group.symbol == "mm2":
        polar = group.frame[:, 2]
        z = int(np.argmax(np.abs(cell @ polar) / lengths))
        x = next(k for k in order if k != z)
    return _axes_from(cell[z], cell[x])


def _uniaxial_axes(crystal: Detection, group: PointGroup) -> np.ndarray:
    cell = crystal.conventional
    if group.symbol not in ("32", "3m", "-3m", "-42m", "-6m2"):
        return _axes_from(cell[2], cell[0])
    kind = ops.label(group.generators[1])  # the two-fold axis or mirror that x goes along or across
    axes = [axis for name, axis in ops.axes_by_label(group.operations) if name == kind and abs(axis @ group.frame[:, 2]) < 0.1]
    along_a = any(np.linalg.norm(np.cross(axis, cell[0])) < 1e-3 * np.linalg.norm(cell[0]) for axis in axes)
    return _axes_from(cell[2], cell[0] if along_a else axes[0])


# ---- the choice


def _choose(crystal: Detection, group: PointGroup, candidates: list[np.ndarray], axes: list[np.ndarray]) -> np.ndarray:
    """The candidate whose axes the bonds prefer; of equal ones that nearest to the input frame."""
    operations = group.operations
    classes = _classes(axes, operations)
    members = classes[0]
    if len(classes) > 1:
        bonds = find_bonds(crystal.cell, crystal.centres)
        best = best_frames(bonds, [axes[c[0]] for c in classes], operations)
        members = [k for b in best for k in classes[b]]
    return candidates[max(members, key=lambda k: _nearness(axes[k]))]


def _classes(axes: list[np.ndarray], group: np.ndarray) -> list[list[int]]:
    """Indices of frames that differ by an operation of the crystal only, class by class."""
    classes: list[list[int]] = []
    for k, frame in enumerate(axes):
        members = next((c for c in classes if ops.contains(group, axes[c[0]].T @ frame)), None)
        if members is None:
            classes.append([k])
        else:
            members.append(k)
    return classes


def _nearness(frame: np.ndarray) -> tuple[float, ...]:
    return (round(float(np.trace(frame)), 6), *np.round(frame.ravel(), 6).tolist())


# ---- signs from a measured tensor


def _full_tensor(tensor: Numbers) -> np.ndarray:
    T = np.asarray(tensor, dtype=float)
    if T.shape in ((3, 3, 3), (3, 3, 3, 3)):
        return T
    pairs = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    if T.shape == (3, 6):
        return T[:, pairs]
    if T.shape == (6, 6):
        return T[pairs[:, :, None, None], pairs[None, None]]
    raise SymmetryError(f"sign_from has shape {T.shape}; (3, 3, 3) or (3, 6) (piezoelectric), (3, 3, 3, 3) or (6, 6) (elastic) are needed")


def _turned(tensor: np.ndarray, R: np.ndarray) -> np.ndarray:
    letters = "abcd"[: tensor.ndim]
    subscripts = ",".join(f"{c.upper()}{c}" for c in letters) + f",{letters}->{letters.upper()}"
    return np.einsum(subscripts, *[R] * tensor.ndim, tensor, optimize=True)


def _positive(frames: list[np.ndarray], tensor: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """Frames in which the first components of the list that do not vanish are positive, and largest."""
    exact = np.mean([_turned(tensor, g) for g in group], axis=0)  # noise must not part equal frames
    turned = [_turned(exact, R) for R in frames]
    threshold = 1e-6 * float(np.abs(tensor).max())
    left = list(range(len(frames)))
    for index in _POSITIVE[tensor.ndim]:
        values = np.array([turned[k][index] for k in left])
        left = [k for k, value in zip(left, values, strict=True) if value >= values.max() - threshold]
    kept = [frames[k] for k in left]
    open_before = len(_classes(frames, group))
    if open_before > 1 and len(_classes(kept, group)) == open_before:
        raise SymmetryError(
            "sign_from decides nothing: its components d33, d22, d11, d14, d31, d36 (or C14, C15, C16, C25, C35) are the same in "
            "every frame allowed; pass a tensor of the same crystal in the input frame, or none to let the bonds decide"
        )
    return kept
