r"""Mixed elements against volumetric locking: displacement, mean stress and change of volume as unknowns (Hu–Washizu).

With the law's energy at the deformation :math:`\bar F` of the volume 1 + d (see ``strain_kinematics``), the stationary point of

.. math:: \int \psi(\bar E(u, d)) + p\,(J - 1 - d)

has p, the mean stress, as the multiplier of J = 1 + d (Simo, Taylor & Pister, Comput. Methods Appl. Mech. Eng. 51 (1985) 177).
With p and d constant in each quadrilateral or hexahedron this is the method of mean dilatation, a close relative of F-bar; the tangent
is exact and symmetric, for any crystal.
"""

from __future__ import annotations

import basix.ufl
import ufl
from dolfinx import fem
from dolfinx.mesh import Mesh
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem import compat
from constitutive.fem.user_material import UserMaterial


def mixed_volume_space(mesh: Mesh, degree: int | None = None) -> fem.FunctionSpace:
    """Space of displacement, mean stress and dilatation for nearly incompressible bodies.

    Parameters
    ----------
    mesh : Mesh
    degree : int, optional
        Of the displacement. Quadrilaterals and hexahedra: 1 (the default), the others constant in each cell (Q1/P0), or 2, the others
        linear in each cell (Q2/P1). Triangles and tetrahedra: 2, the others continuous of degree 1 (Taylor–Hood).

    Returns
    -------
    FunctionSpace
        Its parts: ``u, p, d = ufl.split(w)``; boundary values are those of ``space.sub(0)``.

    Raises
    ------
    SolveError
        There is no stable pair of this degree for the cells.
    """
    cell, shape = compat.cell_name(mesh), (mesh.geometry.dim,)
    simplex = cell in ("triangle", "tetrahedron")
    scalars = {(False, 1): ("DG", 0), (False, 2): ("DPC", 1), (True, 2): ("Lagrange", 1)}
    degree = (2 if simplex else 1) if degree is None else degree
    if (simplex, degree) not in scalars or not (simplex or cell in ("quadrilateral", "hexahedron")):
        raise SolveError(
            f"no mixed element of degree {degree} for cells of the kind {cell}: there are 1 and 2 for quadrilaterals and hexahedra, 2 for "
            "triangles and tetrahedra"
        )
    vector = basix.ufl.element("Lagrange", cell, degree, shape=shape)
    scalar = basix.ufl.element(scalars[simplex, degree][0], cell, scalars[simplex, degree][1])
    return fem.functionspace(mesh, basix.ufl.mixed_element([vector, scalar, scalar]))


def volume_constraint(law: UserMaterial, p: Expr, v: Expr) -> ufl.Form:
    """Variation of the constraint p (J − 1 − d), to be added to ``law.residual(v)``.

    Parameters
    ----------
    law : UserMaterial
        With ``dilatation=``.
    p : UFL scalar
        Mean stress, a part of the same mixed Function.
    v : UFL expression
        Test function of the mixed space.

    Returns
    -------
    ufl.Form

    Raises
    ------
    SolveError
        The law has no dilatation of its own.
    """
    kinematics = law.kinematics
    if kinematics.dilatation is None:
        raise SolveError("the law has no dilatation of its own: make it with UserMaterial(u, …, dilatation=d), u, p, d = ufl.split(w)")
    (unknown,) = ufl.algorithms.extract_coefficients(law.u)
    change = kinematics.volume_ratio(law.u) - 1 if kinematics.finite else ufl.tr(kinematics.displacement_gradient(law.u))
    return ufl.derivative(kinematics.per_volume(p * (change - kinematics.dilatation)) * law.dx, unknown, v)
