r"""The element matrix of a law, compiled for its element, in place of the one that FFCx makes of the law's form.

FFCx writes the form of a Jacobian out component by component: 81 products of derivatives for each pair of nodes and each point, one number
at a time. The element matrix here first makes the first elasticity tensor A = ∂P/∂F of each point,

.. math::
    A_{iJkL} = F_{iI}\,C_{IJKL}\,F_{kK} + \delta_{ik}\,S_{JL}, \qquad
    K_{(ai)(bk)} = \int \partial_J\varphi_a\,A_{iJkL}\,\partial_L\varphi_b ,

and then six blocks of K, the other three being their transposes, over all nodes at once. A whole assembly takes a quarter to two thirds of
the time (``benchmarks/fem.py``). It is taken where a law of the whole displacement is the only term of a form in space that depends on
the unknown. Everything else, and machines without a C compiler, go by FFCx.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import basix
import numpy as np
import ufl
from dolfinx import default_scalar_type, fem
from jaxtyping import Float
from mpi4py import MPI
from ufl.core.expr import Expr

from constitutive import code_cache
from constitutive.fem.coverage import with_shared_tags
from constitutive.fem.user_material import UserMaterial

_ARGUMENTS = "double *, const double *, const double *, const double *, const int *, const unsigned char *, void *"
DECLARATION = f"void cell_matrix({_ARGUMENTS});"


def compile_jacobian(jacobian: ufl.Form, form: ufl.Form, laws: Sequence[UserMaterial], u: fem.Function) -> fem.Form:
    """Compile the Jacobian of a form with laws in it, by the law's own element matrix where it is the whole of it.

    Parameters
    ----------
    jacobian : ufl.Form
        The Jacobian in full (see ``constitutive.fem.derivative``).
    form : ufl.Form
        Its residual.
    laws : sequence of UserMaterial
        Every law in the form.
    u : Function
        The unknown.

    Returns
    -------
    fem.Form
    """
    if len(laws) == 1 and has_element_matrix(laws[0]) and laws[0].u is u and _is_alone(form, laws[0], u):
        own = element_matrix_form(laws[0])
        if own is not None:
            return own
    return fem.form(with_shared_tags(jacobian))


def has_element_matrix(law: UserMaterial) -> bool:
    """Whether there is an element matrix for the kinematics and the element of a law: a whole displacement in space, nodal elements.

    Parameters
    ----------
    law : UserMaterial

    Returns
    -------
    bool
    """
    kinematics, u = law.kinematics, law.u
    if type(law) is not UserMaterial or not isinstance(u, fem.Function) or default_scalar_type is not np.float64:
        return False
    if kinematics.dimension != 3 or kinematics.plane is not None or kinematics.dilatation is not None:
        return False
    space = u.function_space
    return bool(space.dofmap.bs == 3 and u.ufl_shape == (3,) and not space.element.needs_dof_transformations)


def _is_alone(form: ufl.Form, law: UserMaterial, u: fem.Function) -> bool:
    """Whether the law's residual, as it is, is the only term of a form that depends on the unknown."""
    (own,) = law.residual(form.arguments()[0]).integrals()
    others = [integral for integral in form.integrals() if integral != own]
    found = [coefficient for integral in others for coefficient in ufl.algorithms.extract_coefficients(integral.integrand())]
    return len(form.integrals()) == len(others) + 1 and u not in found and law.stress not in found


def element_matrix_form(law: UserMaterial) -> fem.Form | None:
    """The law's Jacobian, ``law.jacobian(du, v)``, as a compiled form with the law's own element matrix; collective.

    DOLFINx is given a form with the same arguments and coefficients, whose kernel is then the law's own.

    Parameters
    ----------
    law : UserMaterial
        That has one: see ``has_element_matrix``.

    Returns
    -------
    fem.Form or None
        None on all ranks where one of them cannot compile it: no C compiler, or an unsafe cache of compiled code.
    """
    space, mesh = law.u.function_space, law.mesh
    used = [law.u, law.stress, law.tangent] if law.kinematics.finite else [law.tangent]
    du, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    alike = _sum_of_squares(used) * ufl.inner(du, v) * law.dx
    compiled = fem.compile_form(mesh.comm, alike)
    order = [alike.coefficients()[compiled.ufcx_form.original_coefficient_positions[i]] for i in range(len(used))]
    try:
        built = code_cache.load(_source(law, order), DECLARATION)
    except (code_cache.CompilerError, code_cache.UnsafeCacheError):
        built = None
    if not mesh.comm.allreduce(built is not None, op=MPI.LAND) or built is None:
        return None

    ffi, old = compiled.module.ffi, compiled.ufcx_form
    integral = ffi.new("ufcx_integral *", old.form_integrals[0][0])
    kernel = int(built.ffi.cast("uintptr_t", built.ffi.addressof(built.lib, "cell_matrix")))
    integral.tabulate_tensor_float64 = ffi.cast("ufcx_tabulate_tensor_float64 *", kernel)
    integrals = ffi.new("ufcx_integral *[]", [integral])
    new = ffi.new("ufcx_form *", old)
    new.form_integrals = integrals
    own = fem.forms.CompiledForm(alike, new[0], compiled.module, compiled.code, compiled.dtype)
    made = fem.create_form(own, [space, space], mesh, {}, {c: c for c in used}, {})
    made.kept = (new, integrals, integral, built)  # what it points to has to live as long
    return made


def _sum_of_squares(coefficients: Sequence[fem.Function]) -> Expr:
    return sum(ufl.inner(c, c) for c in coefficients)


def _source(law: UserMaterial, order: Sequence[fem.Function]) -> str:
    """C source: sizes and tables of the element and the rule, places of the coefficients, and the element matrix."""
    reference, weights = basix.make_quadrature(law.mesh.basix_cell(), law.points.degree)
    shape = _derivatives(law.u.function_space.ufl_element(), reference)
    geometry = _derivatives(law.mesh.ufl_domain().ufl_coordinate_element(), reference)
    sizes = [c.function_space.element.space_dimension for c in order]
    places = {id(c): int(np.sum(sizes[:k])) for k, c in enumerate(order)}
    lines = [
        f"#define NODES {shape.shape[2]}",
        f"#define CORNERS {geometry.shape[2]}",
        f"#define POINTS {len(weights)}",
        f"#define FINITE {int(law.kinematics.finite)}",
        *(f"#define AT_{name} {places.get(id(c), 0)}" for name, c in (("U", law.u), ("S", law.stress), ("C", law.tangent))),
        f"static const double WEIGHT[POINTS] = {_table(weights)};",
        f"static const double SHAPE[POINTS][3][NODES] = {_table(shape)};",
        f"static const double GEOMETRY[POINTS][3][CORNERS] = {_table(geometry)};",
    ]
    return "\n".join(lines) + "\n" + (files("constitutive.fem") / "jacobian.c").read_text(encoding="utf-8")


def _derivatives(element: Any, points: Float[np.ndarray, "q 3"]) -> Float[np.ndarray, "q 3 n"]:
    """Derivatives of the scalar shape functions of a vector element along the reference axes."""
    return element.sub_elements[0].tabulate(1, points)[1:4].transpose(1, 0, 2)


def _table(values: np.ndarray) -> str:
    """Numbers as an initialiser of C."""
    return json.dumps(values.tolist()).translate(str.maketrans("[]", "{}"))
