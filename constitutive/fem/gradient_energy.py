r"""The energy of a polarisation that varies in space, :math:`\tfrac12\, P_{i,j}\, G_{ijkl}\, P_{k,l}` with G invariant under the group.

Of the strain-like part of ∇P the coefficients are named as stiffnesses are: with :math:`p = \mathrm{sym}\,\nabla P` in Voigt's order
(off-diagonal entries twice), the energy is :math:`\tfrac12 G_{pq}\, p_p\, p_q`, in a cubic crystal

.. math::
    \tfrac12 G_{11} (P_{1,1}^2 + \ldots) + G_{12} (P_{1,1} P_{2,2} + \ldots) + \tfrac12 G_{44} \left((P_{1,2} + P_{2,1})^2 + \ldots\right)

(Hlinka & Márton, Phys. Rev. B 74 (2006) 104104, eq. 4). A whole tensor may also have a part of the rotation of P. A wall in which P
changes along n has the width :math:`\sqrt{G/|\psi_{PP}|}` with the least of the eigenvalues of :math:`G_{ijkl} n_j n_l`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import torch
import ufl
from dolfinx import fem
from jaxtyping import Float
from mpi4py import MPI
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.quadrature import QuadraturePoints, function_degree
from constitutive.laws.coupled import ExtendedCoupledLaw
from constitutive.material.constants import law_from_constants
from constitutive.tensors.packing import from_mandel

if TYPE_CHECKING:
    from constitutive.fem.coupled_regions import CoupledRegion

GradientInput: TypeAlias = float | Mapping[str, float] | np.ndarray | Mapping[int, "float | Mapping[str, float] | np.ndarray"]
INVARIANT = 1e-6  # of a tensor under the group, relative
CELLS_PER_WIDTH = 3.0
DIRECTIONS = 200


class PinnedWallsWarning(UserWarning):
    """The mesh is too coarse for the walls between domains: they stay between its nodes, where the continuous body would move them."""


def gradient_tensor(coefficients: object, operations: Float[np.ndarray, "g 3 3"] | None) -> Float[np.ndarray, "3 3 3 3"]:
    """The tensor G of given coefficients, invariant under a group.

    Parameters
    ----------
    coefficients : float, mapping or array (3, 3, 3, 3)
        One number g for ½ g |∇P|²; names as those of stiffnesses, ``{"G11": …, "G12": …, "G44": …}``, all that the group leaves free; or
        the tensor. In J m³/C², in the frame of the material.
    operations : array (g, 3, 3), optional
        Of the point group in that frame; None where the law states none.

    Returns
    -------
    array (3, 3, 3, 3)
        G[i, j, k, l] of P_i,j and P_k,l.

    Raises
    ------
    SolveError
        The tensor is not symmetric, not invariant, or has negative eigenvalues.
    MaterialError
        The names are not those that the group leaves free.
    """
    if isinstance(coefficients, Mapping):
        if operations is None:
            raise SolveError("the law states no group, and the names of gradient coefficients need one: give a tensor (3, 3, 3, 3)")
        G = _named(cast("Mapping[str, object]", coefficients), operations)
    else:
        array = np.asarray(coefficients, dtype=float)
        if array.shape not in ((), (3, 3, 3, 3)) or not np.isfinite(array).all():
            raise SolveError(f"gradient= of shape {array.shape}: a number, names such as G11, G12, G44, or a tensor (3, 3, 3, 3) is needed")
        G = array if array.ndim else array * np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3))
    size = float(np.abs(G).max())
    if not size > 0 or np.abs(G - G.transpose(2, 3, 0, 1)).max() > INVARIANT * size:
        raise SolveError("gradient=: a tensor G[i, j, k, l] = G[k, l, i, j] that is not zero is needed")
    if operations is not None:
        turned = np.einsum("gia,gjb,gkc,gld,abcd->gijkl", *(operations,) * 4, G, optimize=True)
        off = float(np.abs(turned - G).max()) / size
        if off > INVARIANT:
            raise SolveError(f"gradient=: the tensor is not invariant under the group of the law, it changes by {off:.2g} of its size")
    least = float(np.linalg.eigvalsh(G.reshape(9, 9))[0])
    if least < -INVARIANT * size or wall_stiffness(G) <= INVARIANT * size:
        raise SolveError("gradient=: the energy of a gradient has to be positive along every direction, and this tensor's is not")
    return G


def wall_stiffness(G: Float[np.ndarray, "3 3 3 3"]) -> float:
    """Least eigenvalue of G_ijkl n_j n_l over directions n: the coefficient of the thinnest wall.

    Parameters
    ----------
    G : array (3, 3, 3, 3)

    Returns
    -------
    float
        In the unit of G.
    """
    n = np.random.default_rng(0).normal(size=(DIRECTIONS, 3))
    corners = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if i or j or k], dtype=float)
    n = np.concatenate([n, corners])
    n /= np.linalg.norm(n, axis=1)[:, None]
    return float(np.linalg.eigvalsh(np.einsum("ijkl,nj,nl->nik", G, n, n))[:, 0].min())


def _named(table: Mapping[str, object], operations: np.ndarray) -> np.ndarray:
    rotations = operations * np.sign(np.linalg.det(operations))[:, None, None]
    unlike = [name for name in table if not str(name).startswith("G")]
    if unlike:
        raise SolveError(f"gradient= names {', '.join(map(str, unlike))}: G11, G12, G44 and so on are needed, in J m³/C²")
    values = np.array(list(table.values()), dtype=np.float64)
    scale = float(np.abs(values).max(initial=0.0))
    if not (np.isfinite(values).all() and scale > 0):
        raise SolveError(f"gradient= holds {dict(table)}: finite numbers that are not all zero are needed, in J m³/C²")
    constants = {f"C{name[1:]}": float(value) / scale for name, value in zip(table, values, strict=True)}
    law = law_from_constants(rotations, constants, unit="GPa")
    C = law.tangent_mandel(torch.zeros(1, 6, dtype=torch.float64))[0].numpy()
    unit = np.stack([np.asarray(from_mandel(row)) for row in np.eye(6)])
    return scale * np.einsum("pij,pq,qkl->ijkl", unit, C, unit)


class GradientEnergy:
    """The energy of the gradient of a polarisation on a mesh.

    Parameters
    ----------
    P : UFL expression
        The polarisation, of two or three components.
    coefficients : float, mapping, array, or {tag: one of these}
        See ``gradient_tensor``.
    regions : sequence of CoupledRegion
        The materials, whose groups and orientations the tensors follow.
    points : QuadraturePoints
    tags : array of int, optional
        Of the cells.
    factor : float
        From J m³/C² to the law's unit times the mesh's length squared over (C/m²)².

    Raises
    ------
    SolveError
        A tensor is wrong, a tag is missing, or an orientation changes within a cell.
    """

    def __init__(
        self,
        P: Expr,
        coefficients: object,
        regions: Sequence[CoupledRegion],
        points: QuadraturePoints,
        tags: np.ndarray | None,
        factor: float,
    ) -> None:
        self.P, self.points, self.factor, self._regions = P, points, factor, regions
        by_tag = isinstance(coefficients, Mapping) and all(isinstance(key, int | np.integer) for key in coefficients)
        if by_tag and tags is None:
            raise SolveError("gradient= is given by tag: pass cell_tags too")
        self.tensors = [self._tensor_of(region, coefficients, tags if by_tag else None) for region in regions]
        self.G = self._coefficient()
        self._energy = fem.form(self.density * points.dx)

    def _tensor_of(self, region: CoupledRegion, coefficients: object, tags: np.ndarray | None) -> np.ndarray:
        law = region.energy.law if isinstance(region.energy, ExtendedCoupledLaw) else region.energy
        if not region.polar:
            return np.zeros((3, 3, 3, 3))
        operations = getattr(law, "operations", None)
        group = None if operations is None else np.asarray(operations)
        if tags is None:
            return gradient_tensor(coefficients, group)
        table = cast("Mapping[int, object]", coefficients)
        found = {int(tag) for tag in tags[region.cells]}
        missing = sorted(found - {int(key) for key in table})
        if missing:
            raise SolveError(f"gradient= has no entry for the cell tags {missing[:8]}")
        return gradient_tensor(table[min(found)] if found else next(iter(table.values())), group)

    def _coefficient(self) -> Expr:
        """G over pairs (i, j) in lab axes: one matrix, or one for each cell."""
        if len(self._regions) == 1 and self._regions[0].orientation.constant is not None:
            return ufl.as_matrix((self.factor * _turned(self.tensors[0], self._regions[0].orientation.constant)).tolist())
        mesh = self.points.mesh
        function = fem.Function(fem.functionspace(mesh, ("DG", 0, (9, 9))), name="gradient_tensor")
        values = function.x.array.reshape(-1, 81)
        dofs = function.function_space.dofmap.list[:, 0]
        for region, tensor in zip(self._regions, self.tensors, strict=True):
            R = np.asarray(region.orientation.at(region.cells))
            if R.ndim == 3:
                by_cell = R.reshape(len(region.cells), -1, 3, 3)
                if len(by_cell) and np.abs(by_cell - by_cell[:, :1]).max() > 0:
                    raise SolveError("gradient= with an orientation that changes within a cell: give one orientation for each cell")
                R = by_cell[:, 0]
            values[dofs[region.cells]] = self.factor * _turned(tensor, R).reshape(-1, 81)
        function.x.scatter_forward()
        return function

    def _slope(self, P: Expr) -> Expr:
        slope, count, dimension = ufl.grad(P), P.ufl_shape[0], self.points.mesh.geometry.dim
        zero = ufl.as_ufl(0.0)
        return ufl.as_vector([slope[i, j] if i < count and j < dimension else zero for i in range(3) for j in range(3)])

    @property
    def density(self) -> Expr:
        """½ ∇P·G·∇P, in the law's unit."""
        slope = self._slope(self.P)
        return ufl.dot(slope, self.G * slope) / 2

    def variation(self, p: Expr) -> Expr:
        """∇P·G·∇p, the change of the energy density in the direction p.

        Parameters
        ----------
        p : UFL expression

        Returns
        -------
        UFL expression
        """
        return ufl.dot(self.G * self._slope(self.P), self._slope(p))

    def second_variation(self, dP: Expr, p: Expr) -> Expr:
        """∇ΔP·G·∇p.

        Parameters
        ----------
        dP, p : UFL expression

        Returns
        -------
        UFL expression
        """
        return ufl.dot(self.G * self._slope(dP), self._slope(p))

    def total(self) -> float:
        """Integral of the energy over the mesh, over all ranks; collective.

        Returns
        -------
        float
            In the law's unit times the mesh's length cubed (squared in the plane).
        """
        return float(self.points.mesh.comm.allreduce(fem.assemble_scalar(self._energy), op=MPI.SUM))

    def warn_of_pinning(self) -> None:
        """Warn where cells are larger than a third of a wall's width; collective.

        Warns
        -----
        PinnedWallsWarning
        """
        worst = (0.0, 0.0, 0.0)
        for region, tensor in zip(self._regions, self.tensors, strict=True):
            if not region.polar:
                continue
            width, size = self._width(region, tensor), self._largest_cell(region.cells) / function_degree(self.P)
            if CELLS_PER_WIDTH * size > width * (1 + 1e-9):
                worst = max(worst, (size / width if width else np.inf, size, width))
        ratio, size, width = self.points.mesh.comm.allreduce(worst, op=MPI.MAX)
        if ratio > 0:
            warnings.warn(
                f"walls between domains are {width:.3g} wide (√(G/|ψ_PP|), in the mesh's unit) and cells up to {size:.3g}: the mesh pins "
                f"them. At least {CELLS_PER_WIDTH:g} cells for each width are needed: cells of at most {width / CELLS_PER_WIDTH:.3g}, or a "
                "larger gradient coefficient with a wider wall",
                PinnedWallsWarning,
                stacklevel=4,
            )

    def _width(self, region: CoupledRegion, tensor: np.ndarray) -> float:
        """√(G/|ψ_PP|) at the symmetric state; infinite where that is stable and there are no walls."""
        size = sum(v.size for v in region.energy.variables)
        start = sum(v.size for v in region.energy.variables[: [v.name for v in region.energy.variables].index("polarization")])
        H = region.energy.hessian(torch.zeros(1, size, dtype=torch.float64))[0].numpy()[start : start + 3, start : start + 3]
        curvature = float(np.linalg.eigvalsh(H)[0]) * region.unit
        return float(np.sqrt(self.factor * wall_stiffness(tensor) / -curvature)) if curvature < 0 else np.inf

    def _largest_cell(self, cells: np.ndarray) -> float:
        """Longest edge of some cells of this rank."""
        mesh = self.points.mesh
        mesh.topology.create_connectivity(mesh.topology.dim, 1)
        mesh.topology.create_connectivity(1, mesh.topology.dim)
        if not len(cells):
            return 0.0
        links = mesh.topology.connectivity(mesh.topology.dim, 1)
        edges = np.unique(np.concatenate([links.links(int(cell)) for cell in cells]))
        return float(mesh.h(1, edges.astype(np.int32)).max())


def _turned(G: np.ndarray, R: np.ndarray) -> np.ndarray:
    """(…, 9, 9) over pairs in lab axes, of G in crystal axes and R (…, 3, 3) from crystal to lab."""
    turned = np.einsum("...ia,...jb,...kc,...ld,abcd->...ijkl", R, R, R, R, G, optimize=True)
    return turned.reshape(*turned.shape[:-4], 9, 9)
