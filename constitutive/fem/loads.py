"""Dead loads of a form: the terms that hold neither the unknown nor a law's stress."""

from __future__ import annotations

from collections.abc import Sequence

import ufl
from dolfinx import fem
from ufl.core.expr import Expr

from constitutive.fem.user_material import UserMaterial


def with_load_factor(form: ufl.Form, u: fem.Function, laws: Sequence[UserMaterial], factor: fem.Constant) -> ufl.Form:
    """Multiply the dead loads of a form: the terms that hold neither the unknown nor a law's stress.

    Sums are taken apart, also those that are multiplied or divided by something: in ``0.1 * (S·δE − b·v)`` the load is b.

    Parameters
    ----------
    form : ufl.Form
    u : Function
        The unknown.
    laws : sequence of UserMaterial
    factor : Constant
        Multiplies the dead loads.

    Returns
    -------
    ufl.Form
    """
    living = {u, *(law.stress for law in laws)}
    pieces = []
    for integral in form.integrals():
        parts = terms(integral.integrand())
        dead = [part for part in parts if not living & set(ufl.algorithms.extract_coefficients(part))]
        if dead:
            rest = [part for part in parts if not any(part is other for other in dead)]
            total = factor * sum(dead[1:], dead[0])
            integral = integral.reconstruct(integrand=sum(rest, total))
        pieces.append(integral)
    return ufl.Form(pieces)


def terms(integrand: Expr) -> list[Expr]:
    """Summands of an expression; factors and divisors of a sum go to each of its summands.

    Parameters
    ----------
    integrand : UFL expression

    Returns
    -------
    list of UFL expressions
    """
    if isinstance(integrand, ufl.algebra.Sum):
        return [term for operand in integrand.ufl_operands for term in terms(operand)]
    if isinstance(integrand, ufl.algebra.Product):
        left, right = (terms(operand) for operand in integrand.ufl_operands)
        if len(left) * len(right) > 1:
            return [a * b for a in left for b in right]
    if isinstance(integrand, ufl.algebra.Division):
        above, below = integrand.ufl_operands
        parts = terms(above)
        if len(parts) > 1:
            return [part / below for part in parts]
    return [integrand]
