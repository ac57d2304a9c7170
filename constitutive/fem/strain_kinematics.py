r"""Kinematics in UFL: the strain of a displacement at which a law is evaluated, and the variations conjugate to its stress.

With :math:`H = \partial u/\partial X` padded to 3×3, :math:`F = I + H` and in Mandel components

.. math::
    E = \tfrac12 (H + H^T + H^T H), \quad
    \delta E = \mathrm{sym}(F^T \delta H), \quad
    \Delta\delta E = \mathrm{sym}(\Delta H^T \delta H)
    \qquad (\text{small strain: } \varepsilon = \mathrm{sym}\,H)

the residual is :math:`\int S\cdot\delta E` and its derivative :math:`\int \Delta E\cdot C\,\delta E +
S\cdot\Delta\delta E`, which equals :math:`\int P:\delta F` with :math:`P = F S` (Bonet & Wood, Nonlinear Continuum
Mechanics, 2nd ed., eqs 8.15, 8.42). Written with H, E loses no digits at small strain.

With a dilatation d of its own (mixed elements, see ``mixed_volume``) the law is evaluated at

.. math::
    \bar F = k F,\quad k^2 = \left(\frac{1 + d}{J}\right)^{2/n}, \quad \bar E = k^2 E + \tfrac12 (k^2 - 1) I_n \qquad
    (\text{small strain: } \bar\varepsilon = \varepsilon + \tfrac1n (d - \mathrm{tr}\,\varepsilon) I_n)

with n = 3, and n = 2 in the plane, whose third direction keeps its length.

In a body of revolution the mesh's axes are r and z, the third one is n = r × z, which points round the axis. For components of u along them

.. math:: H_{nn} = u_r / r, \quad H_{rn} = -u_n / r, \quad \int \dots\, 2\pi r\, \mathrm{d}r\, \mathrm{d}z

(Bonet & Wood, sec. 4.9, without twist): components of the gradient of a vector field in cylindrical coordinates, exact at finite strain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem
from dolfinx.mesh import Mesh
from mpi4py import MPI
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.tensors.packing import ROOT2, VOIGT_PAIRS


@dataclass(frozen=True)
class StrainKinematics:
    """The strain at which a law is evaluated, on a mesh of two or three dimensions.

    Attributes
    ----------
    finite : bool
        Green–Lagrange strain and second Piola–Kirchhoff stress; otherwise the infinitesimal strain and the stress.
    plane : str or None
        The assumption on a plane mesh, None in 3D.
    components : int
        Components of the displacement.
    dimension : int
        Dimension of the mesh.
    axial : UFL scalar
        The stretch H_zz of generalised plane strain, 0 elsewhere.
    dilatation : UFL scalar or None
        The change of volume, J − 1, at which the law is evaluated, where it is an unknown of its own.
    """

    finite: bool
    plane: str | None
    components: int
    dimension: int
    axial: Expr | float = 0.0
    dilatation: Expr | None = None

    @property
    def active(self) -> tuple[int, ...]:
        """Components that a variation of the unknown changes."""
        return self.strains

    @property
    def revolved(self) -> bool:
        """Whether the mesh is the section of a body of revolution."""
        return self.plane == "axisymmetric"

    @property
    def bulk_dimension(self) -> int:
        """Directions in which a change of volume is free: 2 in plane strain, otherwise 3."""
        return 3 if self.revolved else self.dimension

    @property
    def strains(self) -> tuple[int, ...]:
        """Mandel components that a variation of the displacement changes."""
        if self.dimension == 3 or (self.revolved and self.components == 3):
            return (0, 1, 2, 3, 4, 5)
        if self.revolved:
            return (0, 1, 2, 5)
        return (0, 1, 3, 4, 5) if self.components == 3 else (0, 1, 5)

    @property
    def passive(self) -> tuple[int, ...]:
        """Mandel components that the law chooses so that their stress vanishes (plane stress)."""
        return (2, 3, 4) if self.plane == "stress" else ()

    def displacement_gradient(self, u: Expr) -> Expr:
        """H = ∂u/∂X padded to 3×3, with the axial stretch.

        Parameters
        ----------
        u : UFL expression

        Returns
        -------
        UFL expression (3, 3)
        """
        return self._padded(u, self.axial)

    def variation_gradient(self, v: Expr) -> Expr:
        """δH = ∂v/∂X padded to 3×3.

        Parameters
        ----------
        v : UFL expression

        Returns
        -------
        UFL expression (3, 3)
        """
        return self._padded(v, 0.0)

    def _padded(self, u: Expr, axial: Expr | float) -> Expr:
        gradient = ufl.grad(u)
        outside = {(2, 2): ufl.as_ufl(axial)}
        if self.revolved:
            r = _radius(u)
            outside[2, 2] = u[0] / r
            if self.components == 3:
                outside[0, 2] = -u[2] / r

        def entry(i: int, j: int) -> Expr:
            inside = i < self.components and j < self.dimension
            return gradient[i, j] if inside else outside.get((i, j), ufl.as_ufl(0.0))

        return ufl.as_matrix([[entry(i, j) for j in range(3)] for i in range(3)])

    def per_volume(self, integrand: Expr) -> Expr:
        """An integrand per volume as one on the mesh: times 2πr in a body of revolution.

        Parameters
        ----------
        integrand : UFL expression

        Returns
        -------
        UFL expression
        """
        return 2 * np.pi * _radius(integrand) * integrand if self.revolved else integrand

    def deformation_gradient(self, u: Expr) -> Expr:
        """F = I + H; in plane stress its third column is the reference normal (the thickness stretch is the law's).

        Parameters
        ----------
        u : UFL expression

        Returns
        -------
        UFL expression (3, 3)
        """
        return ufl.Identity(3) + self.displacement_gradient(u)

    def strain(self, u: Expr) -> Expr:
        """Active Mandel components of E (finite) or ε (small).

        Parameters
        ----------
        u : UFL expression

        Returns
        -------
        UFL expression (active components,)
        """
        H = self.displacement_gradient(u)
        E = ufl.sym(H) + ufl.dot(H.T, H) / 2 if self.finite else ufl.sym(H)
        if self.dilatation is not None:
            k2, identity = self._volume_factor(u), self._identity
            E = k2 * E + (k2 - 1) / 2 * identity if self.finite else E + (self.dilatation - ufl.tr(H)) / self.bulk_dimension * identity
        return mandel_components(E, self.strains)

    @property
    def _identity(self) -> Expr:
        return ufl.as_matrix([[1.0 if i == j < self.bulk_dimension else 0.0 for j in range(3)] for i in range(3)])

    def _volume_factor(self, u: Expr) -> Expr:
        dilatation: Expr = self.dilatation
        return ((1 + dilatation) / self.volume_ratio(u)) ** (2 / self.bulk_dimension)

    def gradient_of_law(self, u: Expr) -> Expr:
        """Displacement gradient that belongs to the strain of the law: H, or k F − 1 with a dilatation of its own.

        Parameters
        ----------
        u : UFL expression

        Returns
        -------
        UFL expression (3, 3)
        """
        H = self.displacement_gradient(u)
        if self.dilatation is None:
            return H
        if not self.finite:
            return H + (self.dilatation - ufl.tr(H)) / self.bulk_dimension * self._identity
        k = ufl.sqrt(self._volume_factor(u))
        return k * H + (k - 1) * self._identity

    def variation(self, u: Expr, v: Expr) -> Expr:
        """Active Mandel components of δE.

        Parameters
        ----------
        u : UFL expression
        v : UFL expression
            Direction.

        Returns
        -------
        UFL expression (active components,)
        """
        if self.dilatation is not None:
            raise SolveError("with a dilatation of its own, a variation is one of the whole unknown: use law.residual and derivative")
        dH = self.variation_gradient(v)
        return mandel_components(ufl.sym(ufl.dot(self.deformation_gradient(u).T, dH)) if self.finite else ufl.sym(dH), self.strains)

    def second_variation(self, du: Expr, v: Expr) -> Expr:
        """Active Mandel components of ΔδE; zero at small strain.

        Parameters
        ----------
        du, v : UFL expression
            Directions.

        Returns
        -------
        UFL expression (active components,)
        """
        product = ufl.dot(self.variation_gradient(du).T, self.variation_gradient(v))
        return mandel_components(ufl.sym(product), self.strains)

    def volume_ratio(self, u: Expr) -> Expr:
        """J = det F of the gradient on the mesh (in plane stress the area ratio); 1 at small strain.

        Parameters
        ----------
        u : UFL expression

        Returns
        -------
        UFL expression
            Scalar.
        """
        if not self.finite:
            return ufl.as_ufl(1.0)
        F = self.deformation_gradient(u)
        return ufl.det(F) if self.bulk_dimension == 3 else (F[0, 0] * F[1, 1] - F[0, 1] * F[1, 0]) * F[2, 2]


def _radius(expression: Expr) -> Expr:
    """Distance from the axis of revolution."""
    return ufl.SpatialCoordinate(ufl.domain.extract_unique_domain(ufl.as_ufl(expression)))[0]


def mandel_components(T: Expr, which: Sequence[int]) -> Expr:
    """Chosen Mandel components of a symmetric UFL tensor.

    Parameters
    ----------
    T : UFL expression (3, 3)
    which : sequence of int
        Mandel positions.

    Returns
    -------
    UFL expression (components,)
    """
    pairs = [VOIGT_PAIRS[k] for k in which]
    return ufl.as_vector([T[i, j] if i == j else ROOT2 * T[i, j] for i, j in pairs])


def make_kinematics(
    u: Expr, mesh: Mesh, strain: str, plane: str | None, axial: fem.Constant | float | None, dilatation: Expr | None = None
) -> StrainKinematics:
    """Check a displacement against its mesh and choose the strain.

    Parameters
    ----------
    u : UFL expression
        The displacement.
    mesh : Mesh
    strain : {"finite", "small"}
    plane : {None, "strain", "stress", "generalised_strain", "axisymmetric"}
    axial : Constant or float, optional
        Axial stretch of generalised plane strain, less one.
    dilatation : UFL scalar, optional
        Change of volume at which the law is evaluated.

    Returns
    -------
    StrainKinematics

    Raises
    ------
    SolveError
        The displacement, the mesh and the assumption on the plane don't fit; the message says what would.
    """
    dimension, rank = mesh.geometry.dim, mesh.topology.dim
    components = u.ufl_shape[0] if len(u.ufl_shape) == 1 else 0
    if rank != dimension or dimension not in (2, 3):
        raise SolveError(f"the mesh has cells of dimension {rank} in a space of {dimension}; solids need 2 in 2 or 3 in 3")
    if strain not in ("finite", "small"):
        raise SolveError(f"strain={strain!r}: it is 'finite' or 'small'")
    _check_plane(dimension, components, plane)
    if axial is not None and plane != "generalised_strain":
        raise SolveError("axial_strain belongs to plane='generalised_strain' only")
    if dilatation is not None:
        _check_dilatation(u, plane, dilatation)
    if plane == "axisymmetric":
        _require_half_plane(mesh)
    stretch = 0.0 if axial is None else _constant(mesh, axial)
    return StrainKinematics(strain == "finite", plane, components, dimension, stretch, dilatation)


def _check_dilatation(u: Expr, plane: str | None, dilatation: Expr) -> None:
    if plane not in (None, "strain", "axisymmetric"):
        raise SolveError(
            f"dilatation= with plane={plane!r}: a volume of its own is for 3D, plane strain and bodies of revolution: others do not lock"
        )
    unknowns = [set(ufl.algorithms.extract_coefficients(ufl.as_ufl(part))) for part in (u, dilatation)]
    if ufl.as_ufl(dilatation).ufl_shape != () or isinstance(u, fem.Function) or unknowns[0] != unknowns[1] or len(unknowns[0]) != 1:
        raise SolveError("dilatation= is a scalar part of the mixed Function of which u is the vector part: u, p, d = ufl.split(w)")


def _require_half_plane(mesh: Mesh) -> None:
    """Require r ≥ 0 at all nodes; collective."""
    x = mesh.geometry.x
    least = mesh.comm.allreduce(float(x[:, 0].min(initial=np.inf)), op=MPI.MIN)
    size = mesh.comm.allreduce(float(np.abs(x).max(initial=0.0)), op=MPI.MAX)
    if least < -1e-9 * size:
        raise SolveError(f"plane='axisymmetric' takes x as the distance from the axis, and the mesh has x = {least:.4g}: it lies in x ≥ 0")


def _constant(mesh: Mesh, axial: fem.Constant | float) -> fem.Constant:
    """The axial stretch as a Constant, which is where the evaluation of the laws finds it."""
    if isinstance(axial, fem.Constant) and axial.ufl_shape == ():
        return axial
    if not isinstance(axial, int | float | np.floating | np.integer):
        raise SolveError(f"axial_strain is {type(axial).__name__}: give a number or a scalar dolfinx.fem.Constant")
    return fem.Constant(mesh, default_scalar_type(axial))


def _check_plane(dimension: int, components: int, plane: str | None) -> None:
    allowed = {
        None: (3, (3,)),
        "strain": (2, (2,)),
        "stress": (2, (2,)),
        "generalised_strain": (2, (2, 3)),
        "axisymmetric": (2, (2, 3)),
    }
    if plane not in allowed:
        raise SolveError(f"plane={plane!r}: it is None (3D), 'strain', 'generalised_strain', 'stress' or 'axisymmetric'")
    needed, counts = allowed[plane]
    if dimension != needed:
        hint = "give plane='strain', 'generalised_strain', 'stress' or 'axisymmetric'" if dimension == 2 else "leave plane out"
        raise SolveError(f"a mesh in {dimension} dimensions with plane={plane!r}: {hint}")
    if components not in counts:
        raise SolveError(
            f"the displacement has {components} components, plane={plane!r} needs {' or '.join(map(str, counts))}: a vector field"
        )
