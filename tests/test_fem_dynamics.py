"""Motion in time: order, numerical damping, energy, momentum, steps, and restarts from checkpoints."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fem_dynamics_cases
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, TURN, block, cubic, mapped, on_boundary, pulled_problem
from fem_dynamics_cases import RHO, STEEL, angular_momentum, beam, free_block
from test_fem import HERE, on_ranks

from constitutive.errors import SolveError
from constitutive.fem import Dynamics, Outcome, Problem, TimeScheme, UserMaterial, modes, rotation_from_bunge
from constitutive.fem.time_schemes import generalised_alpha, hht, midpoint, newmark

SCHEMES = {
    "generalised_alpha": generalised_alpha(),
    "strongly damped": generalised_alpha(0.0),
    "hht": hht(),
    "newmark": newmark(),
    "midpoint": midpoint(),
}
A = np.array([[0.15, 0.04, -0.02], [0.02, -0.1, 0.04], [0.0, 0.03, 0.08]])


def manufactured_error(scheme: object, steps: int, *, force: float = 1.0) -> float:
    """Largest error of a block with u = sin(ωt) A X at finite strain, which linear elements hold exactly: that of time alone."""
    V = block(3, HEX, 1, COMM)
    mapped(V.mesh, lambda x: x + 0.05 * np.prod(np.sin(np.pi * x), axis=1)[:, None] * np.array([1.0, -0.7, 0.5]))
    u, v, ends = fem.Function(V), ufl.TestFunction(V), fem.Function(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    omega, sine = 1.2e7, fem.Constant(V.mesh, 0.0)
    inertia = -force * RHO * omega**2 * sine * ufl.inner(ufl.dot(ufl.as_matrix(A), ufl.SpatialCoordinate(V.mesh)), v) * ufl.dx
    problem = Problem(law.residual(v) - inertia, law, bcs=[fem.dirichletbc(ends, on_boundary(V))])
    dynamics = Dynamics(problem, density=STEEL, scheme=scheme)

    def loads(time: float) -> None:
        sine.value = np.sin(omega * time)
        ends.interpolate(lambda x: np.sin(omega * time) * (A @ x))

    dynamics.velocity.interpolate(lambda x: omega * (A @ x))
    until = 2.0 / omega
    dynamics.run(until, None if scheme == "explicit" else until / steps, loads=loads, record_every=10**6).require()
    exact = fem.Function(V)
    exact.interpolate(lambda x: np.sin(2.0) * (A @ x))
    return float(np.abs(u.x.array - exact.x.array).max())


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_are_of_second_order_at_finite_strain(name: str) -> None:
    errors = [manufactured_error(SCHEMES[name], steps) for steps in (20, 40)]
    assert np.log2(errors[0] / errors[1]) > 1.7
    assert errors[1] < 4e-4


def test_explicit_steps_are_of_second_order_at_finite_strain() -> None:
    """Against the finest of three runs; lumping, which errs by the square of the mesh size, is the same in all."""
    ends = []
    for part in (0.8, 0.4, 0.2):
        dynamics, _, frequency = beam("explicit", amplitude=1.0, strain="finite")
        dynamics.run(0.1 / frequency, part * dynamics.stable_step(), record_every=10**6).require()
        ends.append(dynamics.problem.u.x.array.copy())
    assert np.log2(np.abs(ends[0] - ends[2]).max() / np.abs(ends[1] - ends[2]).max()) == pytest.approx(np.log2(15 / 3), abs=0.3)
    implicit, _, _ = beam("newmark", amplitude=1.0, strain="finite")
    implicit.run(0.1 / frequency, 0.002 / frequency, record_every=10**6).require()
    np.testing.assert_allclose(implicit.problem.u.x.array, ends[2], atol=0.03 * np.abs(ends[2]).max())
    assert np.abs(ends[2]).max() > 0.5


def test_control_another_inertia_is_seen() -> None:
    assert manufactured_error(newmark(), 40, force=1.1) > 100 * manufactured_error(newmark(), 40)


@pytest.mark.parametrize("radius", [0.0, 0.5, 0.8, 1.0])
def test_spectral_radius_at_high_frequency_is_the_one_chosen(radius: float) -> None:
    assert generalised_alpha(radius).spectral_radius == pytest.approx(radius, abs=1e-5)  # a double root
    if radius >= 0.5:
        assert hht(radius).spectral_radius == pytest.approx(radius)
    assert newmark().spectral_radius == midpoint().spectral_radius == pytest.approx(1.0)


def recurrence(scheme: TimeScheme, omega: float, step: float, steps: int) -> float:
    """Displacement of an oscillator with unit initial velocity over ω, by the scheme's equations as they are published."""
    m, f, b, g = scheme.alpha_m, scheme.alpha_f, scheme.beta, scheme.gamma
    u, v, a = 0.0, omega, 0.0
    for _ in range(steps):
        known_u, known_v = u + step * v + step**2 * (0.5 - b) * a, v + step * (1 - g) * a
        a_new = -(m * a + omega**2 * ((1 - f) * known_u + f * u)) / (1 - m + omega**2 * (1 - f) * step**2 * b)
        u, v, a = known_u + step**2 * b * a_new, known_v + step * g * a_new, a_new
    return u


@pytest.mark.parametrize("name", SCHEMES)
def test_a_mode_moves_as_the_published_scheme_says(name: str) -> None:
    """In steps of a third of the period and of three periods: damping and change of period are as designed."""
    for part in (0.3, 3.0):
        dynamics, shape, frequency = beam(SCHEMES[name])
        step = part / frequency
        dynamics.run(8 * step, step, record_every=100).require()
        expected = 0.01 * recurrence(SCHEMES[name], 2 * np.pi * frequency, step, 8)
        np.testing.assert_allclose(dynamics.problem.u.x.array, expected * shape, atol=1e-9)


def test_rayleigh_damping_of_a_mode() -> None:
    """ξ = (c_M/ω + c_K ω)/2: after two periods the amplitude is exp(−ξωt), and what is lost is counted."""
    omega = 2 * np.pi * beam("newmark")[2]
    for rayleigh in ((0.04 * omega, 0.0), (0.0, 0.04 / omega), (0.02 * omega, 0.02 / omega)):
        dynamics, shape, frequency = beam("newmark", rayleigh=rayleigh)
        result = dynamics.run(2.25 / frequency, 1 / frequency / 100).require()
        damped = omega * np.sqrt(1 - 0.02**2)
        time = 2.25 / frequency
        expected = 0.01 * omega / damped * np.exp(-0.02 * omega * time) * np.sin(damped * time)
        assert dynamics.problem.u.x.array @ shape / (shape @ shape) == pytest.approx(expected, rel=2e-3)
        assert result.records[-1].damped > 0.4 * result.records[0].kinetic
        balance = [record.balance for record in result.records]
        np.testing.assert_allclose(balance, balance[0], rtol=1e-4)


def energy_error(scheme: str, steps: int, **options: object) -> float:
    """Relative change of the energy balance of a cantilever that swings far, moved at its support and under a dead load."""
    dynamics, _, frequency = beam(scheme, amplitude=2.0, strain="finite", **options)
    balance = [record.balance for record in dynamics.run(0.5 / frequency, 0.5 / frequency / steps).require().records]
    return float(np.ptp(balance) / balance[0])


def test_energy_balance_at_finite_strain() -> None:
    errors = [energy_error("newmark", steps) for steps in (20, 40)]
    assert errors[1] < 0.002
    assert errors[0] / errors[1] > 3
    assert energy_error("generalised_alpha", 20, spectral_radius=0.0) > 10 * errors[0]  # control: numerical dissipation


def test_work_of_loads_and_supports_is_counted() -> None:
    """A body that a dead load accelerates and whose support is shaken: energy and work agree to the order of the step."""
    for scheme in ("newmark", "explicit"):
        V = block(2, HEX, 1, COMM)
        u, v = fem.Function(V), ufl.TestFunction(V)
        law, shaken = UserMaterial(u, cubic(), orientation=TURN), fem.Function(V)
        left = fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0))
        form = law.residual(v) - ufl.inner(ufl.as_vector([3e3, 0.0, 1e3]), v) * ufl.dx
        dynamics = Dynamics(Problem(form, law, bcs=[fem.dirichletbc(shaken, left)]), density=STEEL, scheme=scheme)

        def loads(time: float, shaken: fem.Function = shaken) -> None:
            shaken.x.array[0::3] = 0.02 * (1 - np.cos(3e6 * time))

        result = dynamics.run(2e-6, 5e-9, loads=loads, record_every=20).require()
        last = result.records[-1]
        assert abs(last.work) > 3
        assert last.balance == pytest.approx(0.0, abs=2e-3 * abs(last.work))


def test_midpoint_rule_keeps_angular_momentum() -> None:
    changes = {}
    for scheme in ("midpoint", "newmark"):
        dynamics = free_block(scheme, COMM)
        before = angular_momentum(dynamics)
        dynamics.run(8e-6, 2e-7, record_every=100).require()
        changes[scheme] = np.linalg.norm(angular_momentum(dynamics) - before) / np.linalg.norm(before)
    assert np.abs(dynamics.problem.u.x.array).max() > 0.5
    assert changes["midpoint"] < 1e-8
    assert changes["newmark"] > 1e-5  # control


# ---- waves -------------------------------------------------------------------------------------------------------------


def wave_speed(R: np.ndarray, polarisation: int, n: int) -> float:
    """Speed of a plane wave along x by the half period of a standing wave between fixed ends, for x, y and z along twofold axes (mm/s)."""
    length = 4.0
    m = mesh.create_box(COMM, [[0, 0, 0], [length, 1, 1]], [n, 1, 1], HEX)
    V = fem.functionspace(m, ("Lagrange", 1, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    bcs = []
    for component in range(3):
        sub, _ = V.sub(component).collapse()
        where = (lambda x: np.abs(x[0] - length / 2) > length / 2 - 1e-9) if component == polarisation else (lambda x: np.isfinite(x[0]))
        bcs.append(fem.dirichletbc(fem.Function(sub), fem.locate_dofs_geometrical((V.sub(component), sub), where), V.sub(component)))
    law = UserMaterial(u, cubic(), orientation=R, strain="small")
    dynamics = Dynamics(Problem(law.residual(v), law, bcs=bcs), density=STEEL, scheme="newmark")
    dynamics.velocity.x.array[polarisation::3] = np.sin(np.pi * V.tabulate_dof_coordinates()[:, 0] / length)
    middle = polarisation + 3 * int(np.argmin(np.abs(V.tabulate_dof_coordinates()[:, 0] - length / 2)))
    seen = [(0.0, 0.0)]
    guess = length / (np.sqrt(1.5e5 / RHO) if polarisation == 0 else np.sqrt(6e4 / RHO))
    dynamics.run(1.6 * guess, guess / 50, on_step=lambda record: seen.append((record.time, u.x.array[middle])))
    k = next(k for k in range(1, len(seen)) if seen[k][1] < 0)
    (before, above), (after, below) = seen[k - 1], seen[k]
    return length / (before + (after - before) * above / (above - below))


def test_wave_speeds_of_a_cubic_crystal_along_110() -> None:
    """Christoffel's: ρc² = (C11 + C12 + 2 C44)/2, (C11 − C12)/2 and C44; the error falls with the square of the mesh size."""
    R = rotation_from_bunge(np.array([-45.0, 0.0, 0.0]))
    exact = np.sqrt(1e3 * np.array([(153.4 + 56.9 + 2 * 74.3) / 2, (153.4 - 56.9) / 2, 74.3]) / RHO)
    for polarisation in range(3):
        errors = [wave_speed(R, polarisation, n) / exact[polarisation] - 1 for n in (5, 10)]
        assert 0 < errors[1] < (np.pi / 10) ** 2 / 24 * 1.1
        assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.15)
    assert abs(wave_speed(np.eye(3), 1, 5) / exact[1] - 1) > 0.1  # control: another orientation


# ---- steps -------------------------------------------------------------------------------------------------------------


def test_the_stable_step_is_that_of_central_differences() -> None:
    """Just below it a motion in the highest mode stays bounded; above it it grows."""
    dynamics, _, _ = beam("explicit")
    stable = dynamics.stable_step()
    largest = {}
    for part in (0.99, 1.02):
        dynamics, _, _ = beam("explicit", amplitude=0.0)
        rng = np.random.default_rng(1)
        free = np.setdiff1d(np.arange(dynamics.velocity.x.array.size), dynamics.problem.newton.constrained)
        dynamics.velocity.x.array[free] = rng.standard_normal(len(free))
        dynamics._stepper.begin(dynamics._state)
        for _ in range(400):
            dynamics._stepper.step(dynamics._state, 0.0, part * stable, lambda time: None)
        largest[part] = np.abs(dynamics.velocity.x.array).max()
    assert largest[0.99] < 1e2
    assert largest[1.02] > 1e6
    with pytest.raises(SolveError, match="above the stable step"):
        dynamics.run(1.0, 1.02 * stable)
    slower = beam("explicit", rayleigh=(1e7, 0.0))[0].stable_step()
    assert slower < stable


def test_lumped_masses_are_positive_and_whole() -> None:
    dynamics, _, _ = beam("explicit")  # elements of degree 2, whose sums of rows are not positive
    mass = dynamics._stepper.mass
    assert mass.min() > 0
    np.testing.assert_allclose(mass.reshape(-1, 3).sum(axis=0), RHO * 12.0, rtol=1e-12)


def test_steps_are_cut_and_grow_by_their_error() -> None:
    """A load that comes quickly after two periods: few long steps before it, short ones after it, and the tolerance rules the error."""
    errors, counts = [], []
    for tolerance in (1e-3, 1e-4, None):
        V = block(1, HEX, 1, COMM)
        u, v, push = fem.Function(V), ufl.TestFunction(V), fem.Constant(V.mesh, np.zeros(3))
        law = UserMaterial(u, cubic(), strain="small")
        left = fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0))
        problem = Problem(law.residual(v) - ufl.inner(push, v) * ufl.dx, law, bcs=[fem.dirichletbc(np.zeros(3), left, V)])
        frequency = modes(problem, 1, density=STEEL).frequencies[0]

        def loads(time: float, push: fem.Constant = push, frequency: float = frequency) -> None:
            push.value[:] = 10.0 * np.array([1.0, 1.0, 0.0]) * (0.5005 + 0.4995 * np.tanh(15 * (time * frequency - 2.0)))

        dynamics = Dynamics(problem, density=STEEL, scheme="newmark")
        result = dynamics.run(2.6 / frequency, (0.1 if tolerance else 1e-2) / frequency, loads=loads, tolerance=tolerance).require()
        errors.append(u.x.array.copy())
        counts.append(result.steps)
        if tolerance:
            assert result.cutbacks > 0
            before = [record.step for record in result.records if record.time * frequency < 1.7]
            after = [record.step for record in result.records if record.time * frequency > 2.0]
            assert max(before) > 2 * min(after)
    off = [np.abs(error - errors[2]).max() / np.abs(errors[2]).max() for error in errors[:2]]
    assert off[1] < 0.4 * off[0] < 0.02
    assert counts[0] < counts[1]


def test_a_step_that_fails_is_tried_with_half_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    dynamics, _, frequency = beam("newmark")
    solve, sizes = dynamics._stepper.step, []

    def moody(state: object, time: float, size: float, loads: Callable[[float], None]) -> object:
        sizes.append(size * frequency)
        from constitutive.fem.faults import Trouble

        if size * frequency > 0.06:
            state.u[:] = np.nan
            return Trouble(Outcome.DIVERGED, "made to fail")
        return solve(state, time, size, loads)

    monkeypatch.setattr(dynamics._stepper, "step", moody)
    result = dynamics.run(0.2 / frequency, 0.1 / frequency).require()
    np.testing.assert_allclose(sizes, [0.1, 0.05, 0.05, 0.05, 0.05], rtol=1e-6)
    assert (result.steps, result.cutbacks) == (4, 1)


def test_killed_on_two_ranks_and_restarted_on_three_and_one(tmp_path: Path) -> None:
    whole = fem_dynamics_cases.struck(str(tmp_path / "whole"), "whole", COMM)
    command = ["mpirun", "-n", "2", sys.executable, str(HERE / "fem_dynamics_cases.py"), "struck", str(tmp_path / "cut"), "kill"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=300).returncode != 0
    saved = json.loads((tmp_path / "cut" / "latest.json").read_text())
    assert saved["numbers"]["time"] == pytest.approx(3e-7)
    subprocess.run(["cp", "-r", str(tmp_path / "cut"), str(tmp_path / "copy")], check=True)
    for figures in (
        on_ranks(3, "struck", str(tmp_path / "cut"), "restart", script="fem_dynamics_cases.py"),
        fem_dynamics_cases.struck(str(tmp_path / "copy"), "restart", COMM),
    ):
        assert figures["start"] == pytest.approx(3e-7)
        np.testing.assert_allclose(figures["numbers"], whole["numbers"], rtol=1e-8, atol=1e-9 * np.abs(whole["numbers"]).max())


def test_checkpoints_without_velocities_are_refused(tmp_path: Path) -> None:
    problem = pulled_problem()
    problem.solve(checkpoint=tmp_path).require()
    with pytest.raises(SolveError, match="not one of a run in time"):
        Dynamics(problem, density=STEEL).restart(tmp_path)


def test_what_cannot_be_meant_is_refused() -> None:
    problem = pulled_problem()
    for wrong, said in (
        ({"scheme": "euler"}, "scheme='euler'"),
        ({"spectral_radius": 1.2}, "spectral_radius=1.2"),
        ({"spectral_radius": np.nan}, "spectral_radius=nan"),
        ({"scheme": "hht", "spectral_radius": 0.2}, "0.5 and 1 for HHT"),
        ({"rayleigh": (-1.0, 0.0)}, "rayleigh"),
        ({"scheme": "explicit", "rayleigh": (0.0, 1e-9)}, "not explicit"),
    ):
        with pytest.raises(SolveError, match=said):
            Dynamics(problem, density=STEEL, **wrong)
    with pytest.raises(SolveError, match="beta"):
        newmark(0.1, 0.5)
    with pytest.raises(SolveError, match="gamma"):
        newmark(0.25, 0.4)
    dynamics = Dynamics(problem, density=STEEL)
    for arguments, said in (
        ((0.0, 1e-7), "until"),
        ((np.inf, 1e-7), "until"),
        ((1e-6, -1e-7), "step"),
        ((1e-6, np.nan), "step"),
        ((1e-6, None), "needs step="),
    ):
        with pytest.raises(SolveError, match=said):
            dynamics.run(*arguments)
    with pytest.raises(SolveError, match="tolerance"):
        dynamics.run(1e-6, 1e-7, tolerance=0.0)
    with pytest.raises(SolveError, match="record_every"):
        dynamics.run(1e-6, 1e-7, record_every=0)
    with pytest.raises(SolveError, match="only the explicit scheme"):
        dynamics.stable_step()
