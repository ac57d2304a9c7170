"""Generalised plane strain: the axial force of a section, and the stretch at which it has a value."""

from __future__ import annotations

from dolfinx import fem

from constitutive.errors import SolveError
from constitutive.fem.fields import evaluate_points, integral
from constitutive.fem.problem import Problem
from constitutive.fem.user_material import UserMaterial


def axial_force(law: UserMaterial) -> float:
    """Force along z on the section of a plane model: the integral of P_zz (σ_zz at small strain), over all ranks; collective.

    Parameters
    ----------
    law : UserMaterial
        Of a plane model.

    Returns
    -------
    float
        In the law's unit times the mesh's length squared, the same on all ranks.
    """
    return integral(law.evaluation, evaluate_points(law.evaluation, lambda state: state.first_piola()[:, 2, 2], 1, law.point_state))


def release_axial(problem: Problem, law: UserMaterial, *, force: float = 0.0, steps: int = 1, tolerance: float = 1e-8) -> float:
    """Solve generalised plane strain for the axial stretch at which the axial force has a value: by the secant method over whole solves.

    Parameters
    ----------
    problem, law : Problem, UserMaterial
        The law has plane="generalised_strain" and an ``axial_strain`` Constant, which is changed.
    force : float
        Force along z, in the law's unit times length squared.
    steps : int
        Load steps of the first solve.
    tolerance : float
        Accepted error of the force, relative to the axial stiffness times 1e-3 of stretch.

    Returns
    -------
    float
        The axial stretch H_zz, which the Constant holds.

    Raises
    ------
    SolveError
        The law has no axial stretch to release, or the secant method did not settle in 20 solves.
    """
    stretch = law.kinematics.axial
    if not isinstance(stretch, fem.Constant):
        raise SolveError("only plane='generalised_strain' with axial_strain=a Constant has an axial stretch to release")

    def miss(value: float) -> float:
        stretch.value = value
        problem.solve(steps=steps).require()
        return axial_force(law) - force

    old, new = float(stretch.value), float(stretch.value) + 1e-4
    at_old, at_new = miss(old), miss(new)
    scale = 1e-3 * abs(at_new - at_old) / 1e-4
    for _ in range(20):
        if abs(at_new) <= tolerance * scale:
            return new
        old, new, at_old = new, new - at_new * (new - old) / (at_new - at_old), at_new
        at_new = miss(new)
    raise SolveError(f"the axial force is still off by {at_new:.3g} after 20 solves; load in smaller parts")
