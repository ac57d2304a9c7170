r"""Electrodes in circuits with a resistor and an inductor, in time.

A resistor R, an inductor L and a capacitor C in series lead from an electrode of the potential V to a source :math:`V_s`. The charge Q that
has come to the electrode obeys :math:`L \ddot Q + R \dot Q + Q/C = V_s - V`. By the trapezoidal rule over a step Δt, for the current
:math:`I = \dot Q` and, with an inductor, for its slope :math:`\dot I`, the charge at the end is linear in the potential there,

.. math:: Q_{n+1} = k - c\, V_{n+1},

so that a step is solved like one with a capacitor c and a given charge k. The rule is of second order and keeps the energy of a circuit
without a resistor (Hughes, The Finite Element Method, 1987, sec. 9.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from constitutive.errors import SolveError
from constitutive.fem.collective import agreed
from constitutive.fem.coupled_newton import CoupledNewton
from constitutive.fem.electrodes import ElectrodeOnMesh
from constitutive.fem.problem import Problem


class SeriesCircuit:
    """Charge and current of one electrode, from step to step.

    Parameters
    ----------
    found : ElectrodeOnMesh
        Of an electrode with a resistance or an inductance.
    charge, potential : float
        At the beginning, in coulombs and volts; an inductor then carries no current.
    """

    def __init__(self, found: ElectrodeOnMesh, charge: float, potential: float) -> None:
        self.found, self.charge, self.potential = found, charge, potential
        electrode = found.electrode
        self.R, self.L, self.C = electrode.resistance or 0.0, electrode.inductance or 0.0, electrode.capacitance
        voltage = electrode.source - potential - self._of_capacitor(charge)
        self.current = 0.0 if self.L else voltage / self.R
        self.slope = voltage / self.L if self.L else 0.0
        self._size = 0.0
        found.law = (charge, 0.0)

    def _of_capacitor(self, charge: float) -> float:
        return charge / self.C if self.C else 0.0

    def prepare(self, size: float, alpha: float = 0.0) -> None:
        """Set the charge of the coming step as a linear function of the potential.

        Parameters
        ----------
        size : float
            Δt in seconds.
        alpha : float
            Part of the old state in the one that is solved for: αf of a time scheme.
        """
        h, inverse = size / 2, 1 / self.C if self.C else 0.0
        source = self.found.electrode.source
        if self.L:
            before = self.charge + size * self.current + h * h * self.slope
            whole = self.L + self.R * h + h * h * inverse
            c = h * h / whole
            k = before + c * (source - self.R * (self.current + h * self.slope) - before * inverse)
        else:
            c = h / (self.R + h * inverse)
            k = self.R / (self.R + h * inverse) * (self.charge + h * self.current) + c * source
        self._size, self._end = size, (k, c)
        self.found.law = ((1 - alpha) * k + alpha * (self.charge + c * self.potential), c)

    def accept(self, potential: float) -> None:
        """Take the potential at the end of the step, and with it charge and current.

        Parameters
        ----------
        potential : float
            In volts.
        """
        h, (k, c) = self._size / 2, self._end
        charge = k - c * potential
        voltage = self.found.electrode.source - potential - self._of_capacitor(charge)
        if self.L:
            current = (charge - self.charge) / h - self.current
            self.slope = (voltage - self.R * current) / self.L
        else:
            current = voltage / self.R
        self.charge, self.current, self.potential = charge, current, potential
        self.found.law = (charge, 0.0)  # until the next step: no time passes in a solve


class Circuits:
    """All circuits of a problem that need time.

    Parameters
    ----------
    newton : Newton
        Of the problem, at a state of which the charges are those at the beginning.
    """

    def __init__(self, newton: object) -> None:
        self.newton, self.circuits = newton, list[SeriesCircuit]()
        if not isinstance(newton, CoupledNewton):
            return
        for found in newton.electrodes:
            if found.electrode.timed:
                self.circuits.append(SeriesCircuit(found, newton.charge(found.electrode), newton.potential(found.electrode)))

    def prepare(self, size: float, alpha: float = 0.0) -> None:
        """As of each circuit.

        Parameters
        ----------
        size, alpha : float
        """
        for circuit in self.circuits:
            circuit.prepare(size, alpha)

    def accept(self) -> None:
        """Take the present state as the end of the step; collective."""
        for circuit in self.circuits:
            circuit.accept(self.newton.potential(circuit.found.electrode))  # type: ignore[attr-defined]  # a CoupledNewton has circuits


@final
@dataclass(frozen=True)
class CircuitHistory:
    """What a body did in its circuits.

    Attributes
    ----------
    times : array (n,)
        Seconds.
    potentials, charges, currents : array (n, k)
        Of the electrodes with a resistance or an inductance, in their order: V, C, A (per metre of thickness in the plane).
    """

    times: np.ndarray
    potentials: np.ndarray
    charges: np.ndarray
    currents: np.ndarray


def run_circuits(
    problem: Problem, duration: float, step: float, *, loads: Callable[[float], None] | None = None
) -> CircuitHistory:
    """Go on in time with a body in equilibrium at each instant, whose electrodes are in circuits; collective.

    The present state is that at time zero: solve it with ``potential=`` or ``charge=`` first, and share its unknown with a problem of
    electrodes with ``resistance=`` or ``inductance=``. ``Dynamics`` has the body's inertia too.

    Parameters
    ----------
    problem : Problem
        With such electrodes.
    duration, step : float
        Seconds.
    loads : callable, optional
        Called with the time in seconds, to set sources of electrodes, potentials and the user's own Constants.

    Returns
    -------
    CircuitHistory

    Raises
    ------
    SolveError
        A number is not positive, no electrode has a circuit that needs time, or a step is not solved.
    """
    if not all(np.isfinite(value) and value > 0 for value in (duration, step)):
        raise SolveError(f"duration={duration!r}, step={step!r}: positive numbers are needed, in seconds")
    newton, comm = problem.newton, problem.mesh.comm
    problem.load_factor.value, newton.held_back = 1.0, None
    circuits = Circuits(newton)
    if not circuits.circuits:
        raise SolveError("no electrode has a resistance or an inductance: solve() finds the state, which does not depend on time")
    rows, count = [], max(1, round(duration / step))
    for n in range(count + 1):
        if loads is not None:
            agreed(comm, partial(loads, n * duration / count))
        if n:
            circuits.prepare(duration / count)
            trouble, _, _ = newton.solve(newton.boundary_values(), 1.0)
            if trouble is not None:
                raise SolveError(f"the step at {n * duration / count:.4g} s was not solved: {trouble.message}")
            circuits.accept()
        else:
            circuits = Circuits(newton)  # with the sources of time zero
        rows.append([(c.potential, c.charge, c.current) for c in circuits.circuits])
    found = np.array(rows)
    return CircuitHistory(np.linspace(0, duration, count + 1), found[:, :, 0], found[:, :, 1], found[:, :, 2])
