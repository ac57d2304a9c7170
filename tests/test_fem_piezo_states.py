"""Coupled laws on plane meshes, with stress-free deformations, in grains of both hands, under rigid rotations, and in files."""

from pathlib import Path

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import cubic
from piezo_cases import COMM, TURN, Body, halves, quartz, quartz_tables
from scipy.spatial.transform import Rotation

from constitutive.errors import SolveError
from constitutive.fem import Electrode, Insulator, Outcome, Problem, UserMaterial, external_operator, write_fields
from constitutive.fem.own_solver import FEMExternalOperator
from constitutive.fem.regions import HeldVariablesWarning
from constitutive.laws import Domain
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.units import VACUUM_PERMITTIVITY

C, E, PERMITTIVITY = quartz_tables()
D = 1e3 * E @ np.linalg.inv(C)  # pm/V


class Sheet:
    """A square (mm) of (u, φ) elements in the plane."""

    def __init__(self, components: int = 2) -> None:
        self.mesh = mesh.create_unit_square(COMM, 2, 2)
        parts = [basix.ufl.element("Lagrange", "triangle", 1, shape=(components,)), basix.ufl.element("Lagrange", "triangle", 1)]
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element(parts))
        self.w = fem.Function(self.W)
        self.u, self.phi = ufl.split(self.w)
        self.v, self.q = ufl.TestFunctions(self.W)


@pytest.mark.parametrize(
    ("plane", "components", "strain"),
    [("strain", 2, "finite"), ("stress", 2, "finite"), ("generalised_strain", 3, "finite"), ("stress", 2, "small")],
)
def test_jacobian_in_the_plane(plane: str, components: int, strain: str) -> None:
    sheet, rng = Sheet(components), np.random.default_rng(0)
    options = {"orientation": TURN, "plane": plane, "strain": strain, "length_unit": "mm", "potential_unit": "MV"}
    law = UserMaterial(sheet.u, quartz(), phi=sheet.phi, **options)
    residual = fem.form(law.residual(sheet.v, sheet.q))
    jacobian = fem.form(law.jacobian(list(ufl.split(ufl.TrialFunction(sheet.W))), [sheet.v, sheet.q]))
    base, direction = (scale * rng.standard_normal(sheet.w.x.array.size) for scale in (0.01, 1.0))

    def at(values: np.ndarray) -> np.ndarray:
        sheet.w.x.array[:] = values
        assert not law.update()
        return fem.assemble_vector(residual).array.copy()

    difference = (at(base + 1e-6 * direction) - at(base - 1e-6 * direction)) / 2e-6
    at(base)
    exact = fem.assemble_matrix(jacobian).to_scipy() @ direction
    assert np.linalg.norm(difference - exact) < 1e-7 * np.linalg.norm(difference)


def test_plane_stress_of_a_free_sheet() -> None:
    """A field along X of a free sheet gives d11 and −d11 in the plane; held out of the plane it gives less."""
    found = {}
    for plane in ("stress", "strain"):
        sheet = Sheet()
        law = UserMaterial(sheet.u, quartz(), phi=sheet.phi, plane=plane, strain="small", length_unit="mm")
        electrodes = [Electrode(lambda x, p=place: np.isclose(x[0], p), potential=volts) for place, volts in ((0.0, 10.0), (1.0, 0.0))]
        bcs = []
        for component, axis in ((0, 0), (1, 1)):
            space = sheet.W.sub(0).sub(component)
            V, _ = space.collapse()
            face = fem.locate_dofs_geometrical((space, V), lambda x, k=axis: np.isclose(x[k], 0))
            bcs.append(fem.dirichletbc(fem.Function(V), face, space))
        Problem(law.residual(sheet.v, sheet.q), law, bcs=bcs, electrodes=electrodes).solve().require()
        strain = law.field("strain").x.array.reshape(-1, 3, 3)[0] / 1e4 * 1e12
        found[plane] = strain[0, 0]
        if plane == "stress":
            assert [strain[0, 0], strain[1, 1], 2 * strain[1, 2]] == pytest.approx([D[0, 0], -D[0, 0], D[0, 3]], rel=1e-9)
    assert abs(found["strain"] - D[0, 0]) > 1e-3


def test_a_stress_free_deformation_takes_the_dielectric_with_it() -> None:
    """Clamped at the stress-free state F₀: no stress without field, and the capacity of the deformed plate."""
    law0 = LinearCoupledLaw.from_constants(PointGroup.from_symbol("-43m"), stiffness=stiff(), permittivity=5 * np.eye(3))
    body, F0 = Body((1, 1, 1)), np.diag([1.02, 0.97, 1.05])
    law = body.law(law0, stress_free_deformation=F0, potential_unit="V")
    V, dofs = body.W.sub(0).collapse()
    moved = fem.Function(V)
    moved.interpolate(lambda x: (F0 - np.eye(3)) @ x)
    held = fem.dirichletbc(moved, [np.array(dofs, dtype=np.int32), np.arange(len(dofs), dtype=np.int32)], body.W.sub(0))
    bottom, top = Electrode(body.on(2, 0.0), potential=100.0), Electrode(body.on(2, 1.0), potential=0.0)
    problem = Problem(law.residual(body.v, body.q), law, bcs=[held], electrodes=[bottom, top])
    problem.solve().require()
    area, height = 1.02 * 0.97 * 1e-6, 1.05e-3
    assert problem.charge(bottom) == pytest.approx(5 * 1e-9 * VACUUM_PERMITTIVITY * area / height * 100.0, rel=1e-9)
    body.w.x.array[np.array(body.W.sub(1).collapse()[1])] = 0
    assert np.abs(law.field("cauchy_stress").x.array).max() < 1e-9


def stiff() -> np.ndarray:
    """Cubic constants (GPa, Voigt)."""
    matrix = np.diag([150.0] * 3 + [70.0] * 3)
    matrix[:3, :3] += 60.0 * (1 - np.eye(3))
    return matrix


def test_a_rigid_rotation_turns_stress_and_displacement() -> None:
    """Objectivity: rotated by 40 degrees with its field, the solid has the turned Cauchy stress, field and electric displacement."""
    A = np.array([[0.03, 0.01, 0.0], [-0.01, 0.02, 0.02], [0.01, 0.0, -0.02]])
    g, Q = np.array([0.3, -0.2, 0.4]), Rotation.from_rotvec(np.radians(40) * np.array([0.6, 0.0, 0.8])).as_matrix()
    states = []
    for turn in (np.eye(3), Q):
        body = Body((1, 1, 1))
        law = body.law(quartz(), orientation=TURN, potential_unit="MV")
        body.w.sub(0).interpolate(lambda x, F=turn @ (np.eye(3) + A): (F - np.eye(3)) @ x)
        body.w.sub(1).interpolate(lambda x: g @ x)
        names = ("cauchy_stress", "electric_field", "electric_displacement", "polarization", "strain_energy_density")
        states.append([law.field(name).x.array[: (9 if name == "cauchy_stress" else 3)] for name in names])
    sigma, field, displacement, polarization, energy = states[0]
    assert states[1][0].reshape(3, 3) == pytest.approx(Q @ sigma.reshape(3, 3) @ Q.T, rel=1e-9, abs=1e-9)
    for found, expected in zip(states[1][1:4], (field, displacement, polarization), strict=True):
        assert found == pytest.approx(Q @ expected, rel=1e-9)
    assert states[1][4][0] == pytest.approx(energy[0], rel=1e-9)
    assert np.abs(sigma.reshape(3, 3) - Q @ sigma.reshape(3, 3) @ Q.T).max() > 1.0  # control: it does turn


def test_grains_of_both_hands() -> None:
    """Two layers across X, one of each hand: inversion about the middle maps the stack on itself and the field on its opposite, so that
    the mean strain vanishes."""
    for hands, expected in (((1.0, -1.0), 0.0), ((1.0, 1.0), 1.0)):
        body = Body((2, 1, 1))
        tags = halves(body.mesh, 0, 0.5)
        law = body.law(
            {k + 1: (quartz(), hand * np.eye(3)) for k, hand in enumerate(hands)}, cell_tags=tags, strain="small", potential_unit="V"
        )
        electrodes = [Electrode(body.on(0, place), potential=volts) for place, volts in ((0.0, 10.0), (1.0, 0.0))]
        Problem(law.residual(body.v, body.q), law, bcs=body.rigid(), electrodes=electrodes).solve().require()
        assert body.mean(ufl.grad(body.u)[0, 0]) / 1e4 * 1e12 == pytest.approx(expected * D[0, 0], abs=1e-6)


def test_a_coupled_crystal_without_its_potential_is_said_to_be_at_zero_field() -> None:
    crystal = Material.from_coupled_law(quartz(), "32", name="quartz")
    u = fem.Function(fem.functionspace(mesh.create_unit_cube(COMM, 1, 1, 1), ("Lagrange", 1, (3,))))
    with pytest.warns(HeldVariablesWarning, match="quartz is a coupled law, of which the stress at zero electric field is used"):
        UserMaterial(u, crystal)


@pytest.mark.parametrize("kernel", ["c", "torch"])
def test_a_law_is_continued_outside_its_domain_with_its_own_jacobian(kernel: str) -> None:
    crystal = Material.from_coupled_law(quartz(), "32", name="quartz", domain=Domain(np.eye(6), 0.01))
    body, rng = Body((1, 1, 2)), np.random.default_rng(0)
    law = body.law(crystal, outside="extend", orientation=TURN, potential_unit="MV", kernel=kernel)
    plain = body.law(crystal, orientation=TURN, potential_unit="MV", kernel=kernel)
    residual = fem.form(law.residual(body.v, body.q))
    jacobian = fem.form(law.jacobian(list(ufl.split(ufl.TrialFunction(body.W))), [body.v, body.q]))
    base, direction = (scale * rng.standard_normal(body.w.x.array.size) for scale in (0.01, 1.0))

    def at(values: np.ndarray) -> np.ndarray:
        body.w.x.array[:] = values
        assert not law.update()
        return fem.assemble_vector(residual).array.copy()

    difference = (at(base + 1e-6 * direction) - at(base - 1e-6 * direction)) / 2e-6
    at(base)
    exact = fem.assemble_matrix(jacobian).to_scipy() @ direction
    assert np.linalg.norm(difference - exact) < 1e-7 * np.linalg.norm(difference)
    plain.update()
    assert law.count_outside() > 0
    assert np.abs(law.point_values() - plain.point_values()).max() > 1.0  # MPa: control, it is another stress


def test_results_as_files_and_what_is_not_there(tmp_path: Path) -> None:
    body = Body((1, 1, 1))
    law = body.law(Insulator(cubic(), 4.0))
    assert write_fields(tmp_path / "results.pvd", law, ("cauchy_stress", "electric_field")).exists()
    text = "".join(path.read_text() for path in tmp_path.glob("*.vtu"))
    for name in ("displacement", "electric_potential", "electric_field"):
        assert f'Name="{name}"' in text
    if FEMExternalOperator is not None:
        with pytest.raises(SolveError, match="strain alone"):
            external_operator(law)


def test_reactions_and_checkpoints_of_a_mixed_unknown(tmp_path: Path) -> None:
    """A held plate under a voltage pushes on its support with the force that the load takes, and goes on from a file."""
    body = Body((2, 2, 2))
    law = body.law(quartz(), orientation=TURN, potential_unit="V")
    electrodes = [Electrode(body.on(0, 0.0), potential=1e5), Electrode(body.on(0, 1.0), charge=0.0)]
    held = body.held(2)
    load = ufl.inner(ufl.as_vector([3.0, -5.0, 7.0]), body.v) * ufl.dx
    problem = Problem(law.residual(body.v, body.q) - load, law, bcs=[held], electrodes=electrodes)
    problem.solve(steps=2, checkpoint=tmp_path).require()
    for where in (held, body.on(2, 0.0)):
        assert problem.reaction(where) == pytest.approx([-3.0, 5.0, -7.0], rel=1e-6)
    solution = body.w.x.array.copy()
    body.w.x.array[:] = 0
    assert problem.restart(tmp_path) == 1.0
    assert np.array_equal(body.w.x.array, solution)


def test_a_step_beyond_the_domain_fails_and_says_where() -> None:
    material = Material.from_coupled_law(quartz(), PointGroup.from_symbol("32"), name="quartz", domain=Domain(np.eye(6), 1e-3))
    for outside, outcome in (("raise", Outcome.OUTSIDE_DOMAIN), ("warn", Outcome.CONVERGED)):
        body = Body((1, 1, 1))
        law = body.law(material, outside=outside, potential_unit="V")
        electrodes = [Electrode(body.on(0, 0.0), potential=1e6), Electrode(body.on(0, 1.0), potential=0.0)]
        result = Problem(law.residual(body.v, body.q), law, bcs=body.rigid(), electrodes=electrodes).solve(smallest_step=0.3)
        assert result.outcome is outcome
        if outside == "raise":
            assert "electric field (GV/m)" in result.reason
            body.w.x.array[:] = 0
        else:
            assert law.count_outside() == law.points.count
