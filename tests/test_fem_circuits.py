"""Plates in circuits with resistors, coils and capacitors against the differential equations of the circuit, and quartz that moves."""

import numpy as np
import pytest
from dolfinx import fem
from piezo_cases import Body, quartz, quartz_tables

from constitutive.errors import SolveError
from constitutive.fem import Electrode, Problem, run_circuits
from constitutive.units import VACUUM_PERMITTIVITY

CAPACITY = 1e-9 * VACUUM_PERMITTIVITY * quartz_tables()[2][2, 2] * 1e-3  # F, of a clamped Z plate, 1 mm thick, of 1 mm²


def clamped_plate(volts: float, **circuit: float) -> tuple[Problem, Electrode]:
    """A Z plate of quartz without strain, charged to a voltage; its upper face is then in a circuit."""
    body = Body((1, 1, 2))
    law = body.law(quartz(), strain="small", potential_unit="V")
    V, dofs = body.W.sub(0).collapse()
    held = fem.dirichletbc(fem.Function(V), [np.array(dofs, dtype=np.int32), np.arange(len(dofs), dtype=np.int32)], body.W.sub(0))
    bottom = Electrode(body.on(2, 0.0), potential=0.0)
    form = law.residual(body.v, body.q)
    Problem(form, law, bcs=[held], electrodes=[bottom, Electrode(body.on(2, 1.0), potential=volts)]).solve().require()
    top = Electrode(body.on(2, 1.0), **circuit)
    return Problem(form, law, bcs=[held], electrodes=[bottom, top]), top


def test_a_plate_discharges_through_a_resistor() -> None:
    """V = V₀ exp(−t/RC), of second order in the step; a solve takes no time and changes nothing."""
    R, errors = 1e9, []
    for steps in (10, 20, 40):
        problem, top = clamped_plate(5.0, resistance=R)
        history = run_circuits(problem, R * CAPACITY, R * CAPACITY / steps)
        assert history.potentials[0, 0] == pytest.approx(5.0, rel=1e-12)
        exact = 5.0 * np.exp(-history.times / (R * CAPACITY))
        errors.append(np.abs(history.potentials[:, 0] - exact).max())
        assert history.charges[:, 0] == pytest.approx(CAPACITY * history.potentials[:, 0], rel=1e-9)
        assert history.currents[:, 0] == pytest.approx(-history.potentials[:, 0] / R, rel=1e-9)
        assert problem.charge(top) == pytest.approx(history.charges[-1, 0], rel=1e-9)
    assert errors[0] < 5e-3
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.05)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.05)
    problem.solve().require()
    assert problem.potential(top) == pytest.approx(history.potentials[-1, 0], rel=1e-9)


def test_a_plate_is_charged_by_a_source_through_a_capacitor_and_a_resistor() -> None:
    """At the end the capacitor and the plate share the voltage: V = V_s C_s/(C_s + C); the time constant is that of both in series."""
    R, series = 1e9, 3 * CAPACITY
    both = series * CAPACITY / (series + CAPACITY)
    problem, _ = clamped_plate(0.0, resistance=R, capacitance=series, source=8.0)
    history = run_circuits(problem, 8 * R * both, 0.1 * R * both)
    exact = 8.0 * series / (series + CAPACITY) * (1 - np.exp(-history.times / (R * both)))
    assert history.potentials[:, 0] == pytest.approx(exact, abs=0.005)


def test_a_plate_rings_in_a_coil() -> None:
    """V = V₀ cos(t/√LC), of the trapezoidal rule: its energy stays, and its angle per step is 2 atan(ωΔt/2). Damped with a resistor."""
    L = 1e-2
    omega = 1 / np.sqrt(L * CAPACITY)
    problem, _ = clamped_plate(2.0, inductance=L)
    history = run_circuits(problem, 6.0 / omega, 0.2 / omega)
    n = np.arange(len(history.times))
    assert history.potentials[:, 0] == pytest.approx(2.0 * np.cos(2 * n * np.arctan(0.1)), abs=1e-8)
    energy = CAPACITY * history.potentials[:, 0] ** 2 / 2 + L * history.currents[:, 0] ** 2 / 2
    assert energy == pytest.approx(2 * CAPACITY, rel=1e-9)
    R = 0.4 * np.sqrt(L / CAPACITY)
    problem, _ = clamped_plate(2.0, inductance=L, resistance=R)
    history = run_circuits(problem, 6.0 / omega, 0.05 / omega)
    rate = R / 2 / L
    damped = np.sqrt(omega**2 - rate**2)
    t = history.times
    exact = 2.0 * np.exp(-rate * t) * (np.cos(damped * t) + rate / damped * np.sin(damped * t))
    assert history.potentials[:, 0] == pytest.approx(exact, abs=2e-3)


def test_circuits_that_cannot_be_meant() -> None:
    where = lambda x: x[2] < 0  # noqa: E731 - one expression
    for options, words in (
        ({"resistance": 0.0}, "above zero"),
        ({"resistance": -1.0}, "capacitance ≥ 0"),
        ({"inductance": np.nan}, "finite numbers"),
        ({"resistance": 1.0, "potential": 0.0}, "potential and resistance given"),
        ({"resistance": 1.0, "capacitance": 0.0}, "no capacitance of zero"),
    ):
        with pytest.raises(SolveError, match=words):
            Electrode(where, **options)
    problem, _ = clamped_plate(1.0, charge=0.0)
    with pytest.raises(SolveError, match="no electrode has a resistance"):
        run_circuits(problem, 1.0, 0.1)
    problem, _ = clamped_plate(1.0, resistance=1.0)
    with pytest.raises(SolveError, match="positive numbers are needed, in seconds"):
        run_circuits(problem, 1.0, 0.0)
