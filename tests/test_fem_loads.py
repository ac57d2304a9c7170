"""The path of the loads: from their present values to the full ones, in every solve."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from fem_cases import COMM, HEX, TURN, block, cubic, pulled, pulled_problem

from constitutive.fem import Problem, UserMaterial


class Pulled:
    """A linear block under a dead load; tops of the displacement per step, in units of that at a load of 100."""

    def __init__(self, factor: float = 1.0, **options: object) -> None:
        V = block(2, HEX, 1, COMM)
        self.u, v = fem.Function(V), ufl.TestFunction(V)
        law = UserMaterial(self.u, cubic(), strain="small")
        self.pull = fem.Constant(V.mesh, np.array([0.0, 0.0, 100.0]))
        body = fem.Constant(V.mesh, options.pop("body", 0.0))
        self.law, self.held = law, pulled(V)[:1]
        load = ufl.inner(self.pull, v) * ufl.ds + body * v[1] * ufl.dx
        self.problem = Problem(factor * (law.residual(v) - load), law, bcs=self.held, **options)
        self.unit = 1.0

    def tops(self, steps: int = 4, **how: object) -> list[float]:
        found: list[float] = []
        self.problem.solve(steps=steps, on_step=lambda record: found.append(float(np.abs(self.u.x.array).max())), **how).require()
        return [top / self.unit for top in found]


def test_loads_grow_unload_and_turn_from_their_present_values() -> None:
    bar = Pulled()
    bar.unit = bar.tops()[-1]
    for load, expected in ((400.0, [1.75, 2.5, 3.25, 4]), (100.0, [3.25, 2.5, 1.75, 1]), (0.0, [0.75, 0.5, 0.25, 0])):
        bar.pull.value[2] = load
        np.testing.assert_allclose(bar.tops(), expected, rtol=1e-6, atol=1e-8)
    assert bar.tops() == pytest.approx([0, 0, 0, 0], abs=1e-8)


def test_a_state_set_back_by_hand_is_loaded_from_there() -> None:
    bar = Pulled()
    bar.unit = bar.tops()[-1]
    bar.u.x.array[:] = 0
    np.testing.assert_allclose(bar.tops(), [0.25, 0.5, 0.75, 1], rtol=1e-6)


def test_a_factor_in_front_of_all_leaves_loads_what_they_are() -> None:
    plain, scaled = Pulled(), Pulled(factor=0.1)
    np.testing.assert_allclose(scaled.tops(), plain.tops(), rtol=1e-9)


def test_a_load_inside_a_product_is_a_dead_load() -> None:
    V = block(1, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    stiffness = lambda u: ufl.inner(ufl.sym(ufl.grad(u)), ufl.sym(ufl.grad(v)))  # noqa: E731 - one expression
    form = 0.5 * (stiffness(u) - v[2]) / 2 * ufl.dx
    tops: list[float] = []
    Problem(form, u=u, bcs=pulled(V)[:1]).solve(steps=2, on_step=lambda record: tops.append(np.abs(u.x.array).max()))
    assert tops[0] == pytest.approx(0.5 * tops[1])


def test_a_ramp_then_loads_in_proportion() -> None:
    bar = Pulled()

    def ramp(load: float) -> None:
        bar.pull.value[2] = 100 * load

    bar.unit = bar.tops(ramp=ramp)[-1]
    bar.pull.value[2] = 200.0
    np.testing.assert_allclose(bar.tops(), [1.25, 1.5, 1.75, 2], rtol=1e-6)


def test_reactions_balance_the_loads_on_the_way_of_a_second_solve() -> None:
    bar = Pulled(body=30.0)
    bar.tops()
    bar.pull.value[2] = 200.0
    forces: list[np.ndarray] = []
    bar.problem.solve(steps=4, on_step=lambda record: forces.append(bar.problem.reaction(bar.held[0])))
    np.testing.assert_allclose(np.array(forces)[:, 2], [-6 * pull for pull in (125, 150, 175, 200)], rtol=1e-8)
    np.testing.assert_allclose(np.array(forces)[:, 1], -30, rtol=1e-8)


def test_a_factor_of_the_users_own_is_taken_to_one_and_later_changes_in_proportion() -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law, factor, pull = UserMaterial(u, cubic(), strain="small"), fem.Constant(V.mesh, 1.0), fem.Constant(V.mesh, 100.0)
    problem = Problem(law.residual(v) - factor * pull * v[2] * ufl.ds, law, bcs=pulled(V)[:1], load_factor=factor)
    tops: list[float] = []
    for pull.value in (100.0, 200.0):
        problem.solve(steps=2, on_step=lambda record: tops.append(np.abs(u.x.array).max())).require()
    np.testing.assert_allclose(np.array(tops) / tops[1], [0.5, 1, 1.5, 2], rtol=1e-8)


def test_a_stress_free_deformation_that_changed_is_taken_on_in_proportion() -> None:
    V = block(1, HEX, 1, COMM)
    u, v, stretch = fem.Function(V), ufl.TestFunction(V), fem.Constant(V.mesh, 1.0)
    law = UserMaterial(u, cubic(), orientation=TURN, strain="small", stress_free_deformation=stretch)
    problem = Problem(law.residual(v), law, bcs=pulled(V)[:1])
    problem.solve().require()
    stretch.value = 1.01
    tops: list[float] = []
    problem.solve(steps=2, on_step=lambda record: tops.append(np.abs(u.x.array).max())).require()
    assert tops[0] == pytest.approx(0.5 * tops[1])


def test_a_restart_goes_on_from_the_loads_of_its_state(tmp_path) -> None:
    whole = pulled_problem()
    whole.solve(steps=4).require()
    part = pulled_problem()

    class StopError(Exception):
        pass

    def stop(record: object) -> None:
        if part.load >= 0.5:
            raise StopError

    with pytest.raises(StopError):
        part.solve(steps=4, checkpoint=tmp_path, on_step=stop)
    rest = pulled_problem()
    assert rest.restart(tmp_path) == 0.5
    result = rest.solve(steps=4).require()
    assert [step.load for step in result.steps] == [0.75, 1.0]
    np.testing.assert_allclose(rest.u.x.array, whole.u.x.array, atol=1e-10)
