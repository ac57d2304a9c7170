r"""Bodies of revolution: which crystals can be a part of one, and their axes in the section.

A mesh of the half plane (r, z) stands for a body of revolution only where the stress at every angle is that at one angle, turned: with Q
any rotation about the axis

.. math:: S(Q E Q^T) = Q\,S(E)\,Q^T

Isotropic laws have it about every axis. A crystal with a six-fold axis has it in its elastic constants of second order (Nye, Physical
Properties of Crystals, 1957, ch. VIII), so a linear law of them has it at finite strain too; its constants of third and higher orders
lack it: C111 ≠ C222. Three-fold, four-fold and cubic axes lack it already in the second order.
"""

from __future__ import annotations

import numpy as np
import torch

from constitutive.errors import SolveError
from constitutive.fem.material_point import StressLaw
from constitutive.fem.tensor_fields import Cells, TensorField, as_rotations
from constitutive.laws import Domain
from constitutive.tensors.packing import mandel_matrix

# crystal axes whose third one is the axis of revolution → the section's r, z and r × z
TO_SECTION = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
ANGLES = (0.4, 1.1, 2.3)  # rad, multiples of no crystal's turn
SAMPLES = 12
LARGEST = 0.05  # norm of the sampled strains where the law has no domain
TOLERANCE = 1e-8  # of the stress, relative


def as_section_rotations(array: np.ndarray) -> np.ndarray:
    """Rotations from the crystal to the section's r, z and r × z, of those to axes whose third one is the axis of revolution.

    Parameters
    ----------
    array : array (..., 3, 3) or (..., 4)
        Rotation matrices or quaternions.

    Returns
    -------
    array (..., 3, 3)
    """
    return TO_SECTION @ as_rotations(array)


def require_invariant(name: str, law: StressLaw, domain: Domain | None, cells: Cells, turn: TensorField, free: TensorField | None) -> None:
    """Require that a crystal is invariant about the axis of revolution, with its orientations and stress-free deformations.

    Parameters
    ----------
    name : str
        Of the material, for messages.
    law : StressLaw
    domain : Domain, optional
        Strains for which the law was made; the sampled ones stay within.
    cells : int array
        Where it holds.
    turn : TensorField
        Crystal → r, z, r × z.
    free : TensorField, optional
        F₀ in crystal axes.

    Raises
    ------
    SolveError
        It is not invariant, or an orientation or a tensor of stress-free deformation can change, so that nobody can tell.
    """
    if not len(cells):
        return
    if turn.sources or (free is not None and any(source.ufl_shape for source in free.sources)):
        raise SolveError(
            "plane='axisymmetric' takes orientations as numbers, and stress-free deformations as numbers or scalar Functions: tensors that "
            "change may cease to be invariant about the axis"
        )
    axes = (turn.at(cells) if turn.constant is None else turn.constant[None])[..., 1, :]
    axes = axes * np.where(np.abs(axes).max(axis=1) == axes.max(axis=1), 1.0, -1.0)[:, None]
    for axis in np.unique(np.round(axes, 10), axis=0):
        _require_law(name, law, domain, axis / np.linalg.norm(axis))
    if free is not None and not free.sources:
        F0, R = free.at(cells), turn.at(cells)
        _require_free(R @ F0.swapaxes(-1, -2) @ F0 @ R.swapaxes(-1, -2))


def _require_law(name: str, law: StressLaw, domain: Domain | None, axis: np.ndarray) -> None:
    off, size, strain = variation_about(law, domain, axis)
    if off <= TOLERANCE * size:
        return
    direction = ", ".join(f"{x:.3g}" for x in axis)
    raise SolveError(
        f"{name!r} is not invariant about its axis ({direction}), that of revolution: for strains of size {strain:.3g} turned about it, "
        f"stresses differ by {100 * off / size:.2g} %. The elastic constants of a six-fold crystal are invariant, its law beyond them is "
        "not: take LinearLaw.from_voigt(material.stiffness_voigt(), np.eye(3)[None]) where they are enough, or a mesh in 3D"
    )


def variation_about(law: StressLaw, domain: Domain | None, axis: np.ndarray) -> tuple[float, float, float]:
    """Largest change of a stress that turns with its strain about an axis.

    Parameters
    ----------
    law : StressLaw
    domain : Domain, optional
        Strains stay within it.
    axis : array (3,)
        Unit vector in crystal axes.

    Returns
    -------
    change, size : float
        Of the stress, GPa (Frobenius norms).
    strain : float
        Largest norm of the sampled strains.
    """
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((SAMPLES, 6)))
    x = LARGEST * x / x.norm(dim=1, keepdim=True)
    if domain is not None:
        x = x / domain.distance(x).amax().clamp(min=1.0)
    stress, off = law.stress_mandel(x).detach(), 0.0
    for angle in ANGLES:
        Q = torch.from_numpy(mandel_matrix(_about(axis, angle)))
        off = max(off, float((law.stress_mandel(x @ Q.T).detach() - stress @ Q.T).norm(dim=1).max()))
    return off, float(stress.norm(dim=1).max()), float(x.norm(dim=1).max())


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation about an axis (Rodrigues)."""
    x, y, z = axis
    W = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * W + (1 - np.cos(angle)) * W @ W)


def _require_free(C0: np.ndarray) -> None:
    """Require F₀ᵀF₀ in the section's axes to be invariant about the second one."""
    off = np.abs(np.stack([C0[..., 0, 1], C0[..., 0, 2], C0[..., 1, 2], C0[..., 0, 0] - C0[..., 2, 2]])).max()
    if off > TOLERANCE:
        raise SolveError(
            f"the stress-free deformation is not invariant about the axis of revolution (F₀ᵀF₀ is off by {off:.2g}): it may stretch the "
            "axis by one number and all directions across it by another"
        )
