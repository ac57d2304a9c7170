"""Temperature in coupled solids: adiabatic and isothermal limits, conduction, monolithic against staggered."""

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem import Electrode, HeatConduction, Problem, UserMaterial
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.symmetry import PointGroup

T0 = 300.0
C11, C12, C13, C33, C44 = 209.7, 121.1, 105.1, 210.9, 42.5  # GPa, zinc oxide
STIFFNESS = np.array(
    [
        [C11, C12, C13, 0, 0, 0],
        [C12, C11, C13, 0, 0, 0],
        [C13, C13, C33, 0, 0, 0],
        [0, 0, 0, C44, 0, 0],
        [0, 0, 0, 0, C44, 0],
        [0, 0, 0, 0, 0, (C11 - C12) / 2],
    ]
)
ALPHA, PYRO, HEAT = np.diag([4.3e-6, 4.3e-6, 2.5e-6]), np.array([0, 0, -9.4e-6]), 2.8e6
BETA = STIFFNESS @ np.concatenate([np.diag(ALPHA), np.zeros(3)])  # GPa/K, Voigt


def zinc_oxide() -> LinearCoupledLaw:
    """Linear law of ZnO with its thermal constants."""
    e = np.zeros((3, 6))
    e[2, :3], e[1, 3], e[0, 4] = (-0.57, -0.57, 1.32), -0.48, -0.48
    return LinearCoupledLaw.from_constants(
        PointGroup.from_symbol("6mm"),
        stiffness=STIFFNESS,
        piezoelectric_e=e,
        permittivity=np.diag([8.55, 8.55, 10.2]),
        thermal_expansion=ALPHA,
        pyroelectric=PYRO,
        heat_capacity=HEAT,
        reference_temperature=T0,
    )


class Heated:
    """A unit cube (mm) of (u, φ, θ) elements, all of them in one unknown."""

    def __init__(self, n: tuple[int, int, int] = (1, 1, 1), size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        self.mesh = mesh.create_box(MPI.COMM_SELF, [[0.0] * 3, list(size)], list(n), mesh.CellType.hexahedron)
        P = basix.ufl.element("Lagrange", "hexahedron", 1)
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element([basix.ufl.element("Lagrange", "hexahedron", 1, shape=(3,)), P, P]))
        self.w = fem.Function(self.W)
        self.u, self.phi, self.theta = ufl.split(self.w)
        self.v, self.q, self.s = ufl.TestFunctions(self.W)
        self.law = UserMaterial(
            self.u, zinc_oxide(), phi=self.phi, T=self.theta, length_unit="mm", strain="small", unit="MPa", potential_unit="V"
        )

    def heat(self, time_step: float, conductivity: object = 50.0) -> HeatConduction:
        """The balance of entropy."""
        return HeatConduction(self.law, self.s, conductivity=conductivity, reference_temperature=T0, time_step=time_step)

    def all_of(self, part: int, values: object) -> fem.DirichletBC:
        """Values of a part at all nodes."""
        V, dofs = self.W.sub(part).collapse()
        function = fem.Function(V)
        if values is not None:
            function.interpolate(values)
        numbers = np.arange(len(dofs), dtype=np.int32)
        return fem.dirichletbc(function, [np.array(dofs, dtype=np.int32), numbers], self.W.sub(part))

    def values(self, part: int) -> np.ndarray:
        """Nodal values of a part."""
        return self.w.x.array[np.array(self.W.sub(part).collapse()[1])]


def test_adiabatic_strain_cools_and_a_field_heats() -> None:
    """θ = −T₀ (β:ε + p·E)/c where no heat flows; a step so long that all heat leaves is the control."""
    strain, field = 1e-3, 1e-2  # GV/m along z
    expected = -T0 * (BETA[2] * strain + PYRO[2] * field) / (1e-9 * HEAT)
    for seconds, temperature in ((1e-9, expected), (1e6, 0.0)):
        cube = Heated()
        heat = cube.heat(seconds)
        heat.advance()
        bcs = [
            cube.all_of(0, lambda x: np.stack([0 * x[0], 0 * x[0], strain * x[2]])),
            cube.all_of(1, lambda x: -1e6 * field * x[2]),
        ]
        if temperature == 0.0:
            sub = cube.W.sub(2)
            face = fem.locate_dofs_geometrical((sub, sub.collapse()[0]), lambda x: np.isclose(x[2], 0))[0]
            bcs.append(fem.dirichletbc(fem.Constant(cube.mesh, 0.0), face, sub))
        Problem(cube.law.residual(cube.v, cube.q) + heat.residual, cube.law, bcs=bcs).solve().require()
        found = cube.values(2)
        scale = abs(expected)
        assert np.abs(found - temperature).max() < (0.01 * scale if temperature else 1e-5 * scale)


def test_entropy_of_the_adiabatic_state_stays() -> None:
    cube = Heated()
    heat = cube.heat(1e-9)
    heat.advance()
    bcs = [cube.all_of(0, lambda x: np.stack([1e-3 * x[0], 0 * x[0], 0 * x[0]])), cube.all_of(1, None)]
    Problem(cube.law.residual(cube.v, cube.q) + heat.residual, cube.law, bcs=bcs).solve().require()
    assert np.abs(cube.law.field("entropy").x.array).max() < 1e-6 * HEAT / T0
    assert cube.law.field("temperature").x.array[0] == pytest.approx(-T0 * BETA[0] * 1e-3 / (1e-9 * HEAT), rel=1e-6)


def test_conduction_decays_by_the_step_of_backward_euler() -> None:
    """cos πx/L decays by 1/(1 + κ π²/L² Δt) in a step, with the element's own wave number; anisotropic k along x counts."""
    bar = Heated((24, 1, 1), size=(2.0, 1.0, 1.0))
    k, seconds = np.diag([50.0, 5.0, 5.0]), 1e-3
    heat = bar.heat(seconds, k)
    V, dofs = bar.W.sub(2).collapse()
    start = fem.Function(V)
    start.interpolate(lambda x: 1e-3 * np.cos(np.pi * x[0] / 2))
    bar.w.x.array[np.array(dofs)] = start.x.array
    heat.advance()
    clamped = [bar.all_of(0, None), bar.all_of(1, None)]
    Problem(bar.law.residual(bar.v, bar.q) + heat.residual, bar.law, bcs=clamped).solve().require()
    h, wave = 2.0 / 24, np.pi / 2
    discrete = 6 / h**2 * (1 - np.cos(wave * h)) / (2 + np.cos(wave * h))  # of linear elements, 1/mm²
    expected = 1 / (1 + 50.0 / HEAT * 1e6 * discrete * seconds)
    ratio = bar.values(2)[np.argmax(start.x.array)] / start.x.array.max()
    assert ratio == pytest.approx(expected, rel=1e-5)
    assert 0.1 < expected < 0.99


def test_staggered_steps_approach_the_monolithic_one() -> None:
    """A bar heated at one end: temperature and displacement solved together, and in turns."""
    together = Heated((6, 1, 1), size=(2.0, 1.0, 1.0))
    heat = together.heat(0.05)
    heat.advance()
    ends = [
        fem.locate_dofs_geometrical((together.W.sub(k), together.W.sub(k).collapse()[0]), lambda x: np.isclose(x[0], 0)) for k in (0, 2)
    ]
    V0 = together.W.sub(0).collapse()[0]
    bcs = [
        fem.dirichletbc(fem.Function(V0), ends[0], together.W.sub(0)),
        fem.dirichletbc(fem.Constant(together.mesh, 40.0), ends[1][0], together.W.sub(2)),
        together.all_of(1, None),
    ]
    Problem(together.law.residual(together.v, together.q) + heat.residual, together.law, bcs=bcs).solve().require()

    Vu = fem.functionspace(together.mesh, ("Lagrange", 1, (3,)))
    Vt = fem.functionspace(together.mesh, ("Lagrange", 1))
    u, theta = fem.Function(Vu), fem.Function(Vt)
    law = UserMaterial(u, zinc_oxide(), T=theta, length_unit="mm", strain="small")
    apart = HeatConduction(law, ufl.TestFunction(Vt), conductivity=50.0, reference_temperature=T0, time_step=0.05)
    apart.advance()
    hot = fem.dirichletbc(fem.Constant(together.mesh, 40.0), fem.locate_dofs_geometrical(Vt, lambda x: np.isclose(x[0], 0)), Vt)
    held = fem.dirichletbc(np.zeros(3), fem.locate_dofs_geometrical(Vu, lambda x: np.isclose(x[0], 0)), Vu)
    thermal = Problem(apart.residual, law, u=theta, bcs=[hot])
    mechanical = Problem(law.residual(ufl.TestFunction(Vu)), law, u=u, bcs=[held])
    errors = []
    order = np.argsort(together.values(2))
    for _ in range(6):
        thermal.solve().require()
        mechanical.solve().require()
        errors.append(float(np.abs(np.sort(theta.x.array) - together.values(2)[order]).max()))
    assert errors[0] > 1e-3  # control: one turn is not enough
    assert errors[-1] < 1e-6
    assert np.sort(u.x.array) == pytest.approx(np.sort(together.values(0)), abs=1e-9)


def test_electrodes_and_temperature_together() -> None:
    """A free, short-circuited plate heated uniformly: its charge is p^σ θ A with p^σ = p + e:α (secondary pyroelectricity)."""
    cube = Heated()
    bottom, top = (Electrode(lambda x, z=z: np.isclose(x[2], z), potential=0.0) for z in (0.0, 1.0))
    heated = cube.all_of(2, lambda x: 10.0 + 0 * x[0])
    rollers = []
    for k in range(3):
        space = cube.W.sub(0).sub(k)
        V, _ = space.collapse()
        face = fem.locate_dofs_geometrical((space, V), lambda x, k=k: np.isclose(x[k], 0))
        rollers.append(fem.dirichletbc(fem.Function(V), face, space))
    problem = Problem(cube.law.residual(cube.v, cube.q), cube.law, bcs=[heated, *rollers], electrodes=[bottom, top])
    problem.solve().require()
    total = PYRO[2] + 2 * -0.57 * ALPHA[0, 0] + 1.32 * ALPHA[2, 2]
    assert problem.charge(top) == pytest.approx(-total * 10.0 * 1e-6, rel=1e-9)
    assert total != pytest.approx(PYRO[2], rel=1e-2)


def test_what_cannot_be_meant() -> None:
    cube = Heated()
    for options, message in (
        ({"conductivity": -1.0}, "conductivity=-1"),
        ({"conductivity": np.diag([1.0, 1.0])}, "positive definite matrix"),
        ({"time_step": 0.0}, "time_step"),
        ({"reference_temperature": -20.0}, "reference_temperature"),
    ):
        with pytest.raises(SolveError, match=message):
            HeatConduction(cube.law, cube.s, **({"conductivity": 1.0, "reference_temperature": T0, "time_step": 1.0} | options))
    law = UserMaterial(cube.u, zinc_oxide(), phi=cube.phi, length_unit="mm")
    with pytest.raises(SolveError, match="needs a law with T="):
        HeatConduction(law, cube.s, conductivity=1.0, reference_temperature=T0, time_step=1.0)
    with pytest.raises(SolveError, match="needs a temperature"):
        _ = law.entropy
