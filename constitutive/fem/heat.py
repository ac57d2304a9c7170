r"""Conduction of heat in coupled solids.

Entropy is balanced in the reference configuration, :math:`T\,\dot\eta = \nabla\cdot(k\,\nabla\theta) + r` with :math:`T = T_0 +
\theta`. By backward Euler, weakly, over one step, times −Δt/T₀:

.. math::
    -\int \frac{T}{T_0}\,(\eta - \eta_n)\, s \;-\; \frac{\Delta t}{T_0} \int \left(k\nabla\theta\cdot\nabla s - r\,s\right) = 0

η is the law's −∂Ω/∂θ: thermo-elastic cooling, pyro- and electrocaloric effects are part of it. The sign and the factor make the
Jacobian of displacement, potential and temperature symmetric for θ ≪ T₀ (Simo & Miehe, Comput. Methods Appl. Mech. Engrg 98 (1992) 41).
"""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.coupled_material import GIGA, CoupledMaterial
from constitutive.units import STRESS_UNITS


class HeatConduction:
    """The balance of entropy of a coupled law over one time step, as a form.

    Monolithic: add ``residual`` to the law's own, with the temperature a part of the unknown. Staggered: solve it alone for the temperature
    at given displacement and potential, in turns with the law's own problem, in which the temperature is given.

    Parameters
    ----------
    law : CoupledMaterial
        With ``T=``.
    s : UFL expression
        Test function of the temperature.
    conductivity : float, array (3, 3), Constant or UFL expression
        k in W/(m K), in lab axes of the reference configuration; a matrix has the mesh's dimension.
    reference_temperature : float
        T₀ in K, at which θ is 0.
    time_step : float
        Δt in s.
    source : UFL expression, optional
        r in W/m³.

    Attributes
    ----------
    time_step : dolfinx.fem.Constant
        In s; may be changed.
    residual : ufl.Form
        In the law's unit times the mesh's length cubed, over K.

    Raises
    ------
    SolveError
        The law has no temperature, or no unit of length, or a number is not positive.
    """

    def __init__(
        self,
        law: CoupledMaterial,
        s: Expr,
        *,
        conductivity: Expr | float | np.ndarray,
        reference_temperature: float,
        time_step: float,
        source: Expr | None = None,
    ) -> None:
        if law.T is None or not np.isfinite(law.length):
            raise SolveError("conduction of heat needs a law with T= and length_unit= (of the mesh)")
        for name, value in (("reference_temperature", reference_temperature), ("time_step", time_step)):
            if not (np.isfinite(value) and value > 0):
                raise SolveError(f"{name}={value!r}: a positive number is needed")
        self.law = law
        self.time_step = fem.Constant(law.mesh, default_scalar_type(time_step))
        self.before = law.points.function(1, "entropy_before")
        pascals = GIGA / STRESS_UNITS[law.unit]
        theta, T0 = law.T, reference_temperature
        gradient = _matrix(conductivity, law.mesh.geometry.dim) * ufl.grad(theta)
        flow = ufl.dot(gradient, ufl.grad(s)) / (pascals * law.length**2)
        if source is not None:
            flow = flow - source / pascals * s
        stored = (1 + theta / T0) * (law.entropy - self.before.function) * s
        self.residual: ufl.Form = -(stored + self.time_step / T0 * flow) * law.dx

    def advance(self) -> None:
        """Take the present entropy as that of the last step: call it once before the first step, at the initial state, and after each.

        Raises
        ------
        SolveError
            The law fails at the present state.
        """
        if self.law.update(tangent=False):
            raise SolveError(f"the entropy is not known where the law fails: {self.law.faults.worst}")
        place = len(self.law.kinematics.active) - 1
        stress = self.law.point_values()
        self.before.write(slice(None), -stress[:, place : place + 1])


def _matrix(conductivity: Expr | float | np.ndarray, dimension: int) -> Expr:
    if isinstance(conductivity, np.ndarray | list):
        matrix = np.asarray(conductivity, dtype=float)
        if matrix.shape != (dimension, dimension) or not np.isfinite(matrix).all() or not (np.linalg.eigvalsh(matrix) > 0).all():
            raise SolveError(f"conductivity of shape {matrix.shape}: a positive definite matrix ({dimension}, {dimension}) is needed")
        return ufl.as_matrix(matrix.tolist())
    if isinstance(conductivity, int | float) and not (np.isfinite(conductivity) and conductivity > 0):
        raise SolveError(f"conductivity={conductivity!r}: a positive number is needed, in W/(m K)")
    k = ufl.as_ufl(conductivity)
    return k if k.ufl_shape else k * ufl.Identity(dimension)
