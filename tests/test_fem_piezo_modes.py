"""Thickness modes of quartz plates against closed forms."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from piezo_cases import HEX, X_CUT, Body, Strip, about_x, quartz, quartz_elastic
from test_fem import on_ranks

from constitutive.errors import SolveError
from constitutive.fem import Dynamics, Electrode, Insulator, Problem, UserMaterial, buckling, modes
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.symmetry import PointGroup


@pytest.mark.parametrize(
    ("cut", "shorted", "expected"),
    [
        ("X", False, 2873.600),
        ("X", True, 2863.638),
        ("AT", False, 1661.177),
        ("AT", True, 1655.951),
        ("wrong sign", False, 2065.0),
    ],
)
def test_frequency_constants_of_plates(cut: str, shorted: bool, expected: float) -> None:
    """Open, D·n = 0, and short-circuited; the AT cut is (YXl) −35.25° in the signs of IEEE 1978, +35.25° is another plate."""
    R = {"X": X_CUT, "AT": about_x(35.25), "wrong sign": about_x(-35.25)}[cut]
    found = Strip(quartz(), R, shorted=shorted).frequencies()
    mode = np.abs(found - expected).argmin()
    assert found[mode] == pytest.approx(expected, abs=0.005 if cut != "wrong sign" else 0.05)
    assert mode == (2 if cut == "X" else 0)  # the slowest of the AT cut; the extensional one of the X cut


def test_coupling_factor_of_the_at_cut() -> None:
    """tan X = X/k² at the short-circuited resonance, X = π/2 · f_short/f_open (Tiersten 1969): k = 0.0880."""
    parallel, series = (Strip(quartz(), about_x(35.25), shorted=shorted).frequencies()[0] for shorted in (True, False))
    X = np.pi / 2 * parallel / series
    assert np.sqrt(X / np.tan(X)) == pytest.approx(0.0880, abs=5e-5)


@pytest.mark.parametrize("circuit", ["open", "short", {"resistance": 1e13}, {"resistance": 1e-3}])
def test_an_x_plate_rings_in_time(circuit: str | dict[str, float]) -> None:
    """Let go in the shape of its extensional mode it follows the cosine of Newmark's rule at that frequency, and keeps its energy.

    A large resistor between the faces is an open circuit, a small one a short.
    """
    shorted = circuit == "short" or (isinstance(circuit, dict) and circuit["resistance"] < 1)
    bare = Strip(quartz(), X_CUT, shorted=shorted, cells=3)
    found = modes(bare.problem, 6, density=2648.65, length_unit="mm")
    frequency, shape = found.frequencies[5], found.shapes[5].x.array
    assert frequency == pytest.approx(2863.6e3 if shorted else 2873.6e3, rel=2e-5)
    plate = bare if isinstance(circuit, str) else Strip(quartz(), X_CUT, shorted=False, cells=3, circuit=circuit)
    w = plate.problem.u
    u = np.concatenate([np.asarray(plate.W.sub(0).sub(k).collapse()[1]) for k in range(3)])
    w.x.array[:] = 0.0
    start = 1e-6 * shape[u] / np.abs(shape[u]).max()
    w.x.array[u] = start
    moving = Dynamics(plate.problem, density=2648.65, scheme="newmark", length_unit="mm")
    step = 1 / (12 * frequency)
    motion = moving.run(30 * step, step).require()
    turn = 2 * np.arctan(np.pi * frequency * step)
    assert start @ w.x.array[u] / (start @ start) == pytest.approx(np.cos(30 * turn), abs=1e-5)
    if isinstance(circuit, str):
        balance = np.array([record.balance for record in motion.records])
        kinetic = np.array([record.kinetic for record in motion.records])
        assert np.ptp(balance) < 1e-7 * kinetic.max()
    with pytest.raises(SolveError, match="mass at every degree of freedom"):
        Dynamics(plate.problem, density=2648.65, scheme="explicit").run(step)


def test_a_column_of_an_insulator_buckles_as_an_elastic_one() -> None:
    loads = []
    for coupled in (True, False):
        if coupled:
            body = Body((8, 1, 1), HEX, 2, size=(10.0, 1.0, 1.0))
            law, v = body.law(Insulator(quartz_elastic(), 4.0)), body.v
            form, bcs, x = law.residual(v, body.q), [body.held(0)], body
            electrodes = [Electrode(body.on(2, z), potential=0.0) for z in (0.0, 1.0)]
        else:
            V = fem.functionspace(x.mesh, ("Lagrange", 2, (3,)))
            u, v = fem.Function(V), ufl.TestFunction(V)
            law, electrodes = UserMaterial(u, quartz_elastic()), []
            form, bcs = law.residual(v), [fem.dirichletbc(np.zeros(3), fem.locate_dofs_geometrical(V, x.on(0, 0.0)), V)]
        facets = mesh.locate_entities_boundary(x.mesh, 2, x.on(0, 10.0))
        end = ufl.Measure("ds", x.mesh, subdomain_data=mesh.meshtags(x.mesh, 2, np.sort(facets), np.ones(len(facets), dtype=np.int32)))(1)
        loads.append(buckling(Problem(form + 1.0 * v[0] * end, law, bcs=bcs, electrodes=electrodes), 2).load_factors)
    assert loads[0] == pytest.approx(loads[1], rel=1e-7)


def test_a_beam_between_walls_buckles_under_a_voltage() -> None:
    """Its ends held, a field across presses it with σ = e E/s: Euler's 4π²EI/L² with the flexibility in shear."""
    young, poisson, e31, length = 2.0, 0.0, 0.046, 20.0  # no contraction: clamped ends hold none
    e = np.zeros((3, 6))
    e[2, 0] = e31
    stiffness = np.linalg.inv(
        np.block([[(1 + poisson) * np.eye(3) - poisson, np.zeros((3, 3))], [np.zeros((3, 3)), 2 * (1 + poisson) * np.eye(3)]]) / young
    )
    film = LinearCoupledLaw.from_constants(
        PointGroup.from_symbol("mm2"), stiffness=stiffness, piezoelectric_e=e, permittivity=12 * np.eye(3)
    )
    d31 = (e @ np.linalg.inv(stiffness))[2, 0]
    euler = np.pi**2 / 3 * young / length**2  # GPa
    critical = euler / (1 + euler / (5 / 6 * young / (2 * (1 + poisson))))
    volts = critical / (young * d31) * 1e6  # of 1 mm, V
    for sign in (-1.0, 1.0):
        body = Body((10, 1, 1), HEX, 2, size=(length, 2.0, 1.0))
        law = body.law(film)
        electrodes = [Electrode(body.on(2, 0.0), potential=sign * volts), Electrode(body.on(2, 1.0), potential=0.0)]
        problem = Problem(law.residual(body.v, body.q), law, bcs=[body.held(0), body.held(0, length)], electrodes=electrodes)
        if sign > 0:
            assert buckling(problem).load_factors[0] == pytest.approx(1.0, rel=0.02)
            continue
        with pytest.raises(SolveError, match="no load in this direction"):  # control: the other field pulls
            buckling(problem)


def test_ties_and_metals_on_two_ranks() -> None:
    one, two = (on_ranks(ranks, "strip", script="piezo_cases.py") for ranks in (1, 2))
    np.testing.assert_allclose(two["frequencies"], one["frequencies"], rtol=1e-8)
    np.testing.assert_allclose(two["numbers"], one["numbers"], rtol=1e-8, atol=1e-15)
    assert one["numbers"][2] == pytest.approx(1.0, rel=1e-9)  # pC, as given
    assert np.abs(one["reaction"]).max() < 1e-12  # no load: the support carries nothing in all
