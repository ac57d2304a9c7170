r"""Jacobians of forms with laws in them.

A form R(u, S(u); v) holds the stress S as a coefficient at the quadrature points, whose dependence on u UFL lacks. By the chain rule

.. math::
    \mathrm{d}R = \frac{\partial R}{\partial u}[\mathrm{d}u] + \frac{\partial R}{\partial S}\left[C\,\mathrm{d}E\right], \qquad
    \mathrm{d}E = \frac{\partial E}{\partial u}[\mathrm{d}u]

with both derivatives of the form by UFL. So factors, signs and time weights in front of the residual, and a displacement that is an
expression of the unknown (a part of a mixed function, (1 − a) u_old + a u), have their exact tangent.
"""

from __future__ import annotations

from collections.abc import Sequence

import ufl
from dolfinx import fem
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.coverage import require_covered, with_shared_tags
from constitutive.fem.user_material import UserMaterial


def derivative(
    form: ufl.Form, law: UserMaterial | Sequence[UserMaterial], u: fem.Function | None = None, du: Expr | None = None
) -> ufl.Form:
    """Jacobian of a form with laws in it: UFL's derivative of the explicit terms, and the laws' tangents.

    Parameters
    ----------
    form : ufl.Form
        A residual with ``law.residual(v)`` in it, multiplied by anything.
    law : UserMaterial or sequence
        Every law in the form.
    u : dolfinx.fem.Function, optional
        The unknown, where it is not simply the law's displacement.
    du : ufl.Argument, optional
        Direction; a trial function of the unknown's space where not given.

    Returns
    -------
    ufl.Form
        Bilinear in the test function of the form and du. Call ``law.update()`` before it is assembled.

    Raises
    ------
    SolveError
        The unknown is needed and not given, or the form has no law on some cells and no other term there.
    """
    laws = [law] if isinstance(law, UserMaterial) else list(law)
    u = laws[0].u if u is None else u
    if not isinstance(u, fem.Function):
        raise SolveError("the law's displacement is an expression: pass u=, the Function that the form is to be solved for")
    du = ufl.TrialFunction(u.function_space) if du is None else du
    require_covered(form, u, laws)
    return with_shared_tags(add_tangents(ufl.derivative(form, u, du), form, laws, u, du))


def add_tangents(jacobian: ufl.Form, form: ufl.Form, laws: Sequence[UserMaterial], u: fem.Function, du: Expr) -> ufl.Form:
    """Add the derivative of a form through the laws' stresses to UFL's derivative of the explicit terms.

    Parameters
    ----------
    jacobian : ufl.Form
        Derivative of the form at constant stress.
    form : ufl.Form
        The residual.
    laws : sequence of UserMaterial
        Every law in the form.
    u, du
        The unknown and the direction.

    Returns
    -------
    ufl.Form
    """
    for law in laws:
        holding = [integral for integral in form.integrals() if law.stress in ufl.algorithms.extract_coefficients(integral.integrand())]
        if holding and any(u in ufl.algorithms.extract_coefficients(ufl.as_ufl(unknown)) for unknown in law.unknowns):
            jacobian = jacobian + ufl.derivative(ufl.Form(holding), law.stress, law.stress_increment(u, du))
    return jacobian
