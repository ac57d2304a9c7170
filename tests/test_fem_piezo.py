"""Piezoelectric solids against closed forms, native UFL, finite differences and themselves on several ranks."""

import functools

import numpy as np
import piezo_cases
import pytest
import ufl
from dielectric_elastomer import IdealElastomer, equibiaxial
from dolfinx import fem
from fem_cases import cubic
from piezo_cases import HEX, TET, TURN, Body, halves, native, quartz, quartz_tables
from test_fem import on_ranks

from constitutive.errors import DataError, SolveError
from constitutive.fem import CoupledMaterial, Electrode, Insulator, Metal, Problem, UserMaterial
from constitutive.fem.locking import LockingWarning
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.units import VACUUM_PERMITTIVITY

C, E, PERMITTIVITY = quartz_tables()
S = np.linalg.inv(C)
D = 1e3 * E @ S  # pm/V
PERMITTIVITY_T = PERMITTIVITY + E @ S @ E.T / VACUUM_PERMITTIVITY
EPS0 = 1e-9 * VACUUM_PERMITTIVITY  # F/m
INVERSION = -np.eye(3)


@functools.cache
def here(case: str) -> dict:
    """Figures of a case in this process."""
    return getattr(piezo_cases, case)()


def test_patches_of_displacement_and_potential() -> None:
    for name, error in here("patch").items():
        assert error <= 1e-14, name


@pytest.mark.parametrize(("cell", "degree"), [(HEX, 1), (TET, 2)])
def test_linear_law_equals_native_ufl(cell: object, degree: int) -> None:
    ours, theirs = (Body((2, 2, 2), cell, degree, distort=0.1) for _ in range(2))
    law = ours.law(quartz(), orientation=TURN, strain="small", potential_unit="MV")
    load = [50.0 * body.v[2] * ufl.ds for body in (ours, theirs)]
    electrodes = [Electrode(ours.on(0, 0.0), potential=0.0), Electrode(ours.on(0, 1.0), potential=3e4)]
    Problem(law.residual(ours.v, ours.q) - load[0], law, bcs=[ours.held(2)], electrodes=electrodes).solve().require()
    bcs = [theirs.held(2)]
    for place, value in ((0.0, 0.0), (1.0, 0.03)):
        V, _ = theirs.W.sub(1).collapse()
        dofs = fem.locate_dofs_geometrical((theirs.W.sub(1), V), theirs.on(0, place))[0]
        bcs.append(fem.dirichletbc(fem.Constant(theirs.mesh, value), dofs, theirs.W.sub(1)))
    Problem(native(theirs, TURN, law.points.degree) - load[1], u=theirs.w, bcs=bcs).solve().require()
    for part in (0, 1):
        dofs = ours.W.sub(part).collapse()[1]
        a, b = ours.w.x.array[dofs], theirs.w.x.array[dofs]
        assert np.abs(a - b).max() <= 1e-12 * np.abs(b).max()


def free_plate(law_options: dict[str, object], material: object, volts: float = 10.0) -> tuple[Body, Problem, Electrode]:
    """A free X plate with a voltage across it: E along +x."""
    body = Body((1, 1, 1))
    law = body.law(material, potential_unit="V", **law_options)
    left, right = Electrode(body.on(0, 0.0), potential=volts), Electrode(body.on(0, 1.0), potential=0.0)
    problem = Problem(law.residual(body.v, body.q), law, bcs=body.rigid(), electrodes=[left, right])
    problem.solve().require()
    return body, problem, left


@pytest.mark.parametrize(("hand", "sign"), [(np.eye(3), 1.0), (INVERSION, -1.0)])
def test_free_plate_gives_the_constants(hand: np.ndarray, sign: float) -> None:
    """d11, d14 and ε^T11 of both hands; the other hand is the control."""
    body, problem, left = free_plate({"strain": "small", "orientation": hand}, quartz())
    strain, field = ufl.sym(ufl.grad(body.u)), 10.0 / 1e-3
    assert body.mean(strain[0, 0]) / field == pytest.approx(sign * 1e-12 * D[0, 0], rel=1e-9)
    assert 2 * body.mean(strain[1, 2]) / field == pytest.approx(sign * 1e-12 * D[0, 3], rel=1e-9)
    assert problem.charge(left) / 1e-6 / field == pytest.approx(EPS0 * PERMITTIVITY_T[0, 0], rel=1e-9)
    assert np.round([D[0, 0], D[0, 3], PERMITTIVITY_T[0, 0]], 5).tolist() == [2.30716, -0.72562, 4.5142]


def test_a_material_brings_its_coupled_law() -> None:
    material = Material.from_coupled_law(quartz(), PointGroup.from_symbol("32"), name="quartz")
    body, _, _ = free_plate({"strain": "small"}, material)
    assert body.mean(ufl.grad(body.u)[0, 0]) / 1e4 == pytest.approx(1e-12 * D[0, 0], rel=1e-9)


@pytest.mark.parametrize(
    ("right", "modulus"),
    [({"potential": 0.0}, 78.3094), ({"charge": 0.0}, 79.1347), ({"capacitance": 0.0}, 79.1347)],
)
def test_bar_short_circuited_and_open(right: dict[str, float], modulus: float) -> None:
    body, stress = Body((2, 1, 1), size=(2.0, 1.0, 1.0)), 0.1
    law = body.law(quartz(), strain="small")
    electrodes = [Electrode(body.on(0, 0.0), potential=0.0), Electrode(body.on(0, 2.0), **right)]
    pull = 1e3 * stress * ufl.FacetNormal(body.mesh)[0] * body.v[0] * ufl.ds
    problem = Problem(law.residual(body.v, body.q) - pull, law, bcs=body.rigid(), electrodes=electrodes)
    problem.solve().require()
    assert stress / body.mean(ufl.grad(body.u)[0, 0]) == pytest.approx(modulus, abs=6e-5)
    if "potential" in right:
        assert problem.charge(electrodes[1]) == pytest.approx(-1e-12 * D[0, 0] * 1e8 * 1e-6, rel=1e-9)
    else:
        g11 = problem.potential(electrodes[1]) / 2e-3 / 1e8
        assert g11 == pytest.approx(1e-12 * D[0, 0] / (EPS0 * PERMITTIVITY_T[0, 0]), rel=1e-9)
        assert round(g11, 6) == 0.057723


def test_circuit_and_given_charge() -> None:
    """A capacitor at the end of the bar: E₁ = −d11 T/(ε^T + C L/A); its charge given instead leads to the same state."""
    body, stress, farads = Body((2, 1, 1), size=(2.0, 1.0, 1.0)), 1e8, 3e-14
    law = body.law(quartz(), strain="small")
    left, right = Electrode(body.on(0, 0.0), potential=0.0), Electrode(body.on(0, 2.0), capacitance=farads, source=5.0)
    pull = 1e-6 * stress * ufl.FacetNormal(body.mesh)[0] * body.v[0] * ufl.ds
    problem = Problem(law.residual(body.v, body.q) - pull, law, bcs=body.rigid(), electrodes=[left, right])
    problem.solve().require()
    series = farads * 2e-3 / 1e-6  # C L/A
    field = -(1e-12 * D[0, 0] * stress + series * 5.0 / 2e-3) / (EPS0 * PERMITTIVITY_T[0, 0] + series)
    assert problem.potential(right) == pytest.approx(-field * 2e-3, rel=1e-9)
    charge = problem.charge(right)
    assert charge == pytest.approx(farads * (5.0 - problem.potential(right)), rel=1e-9)
    assert problem.charge(left) == pytest.approx(-charge, rel=1e-9)
    before = problem.potential(right)
    given = Electrode(body.on(0, 2.0), charge=charge)
    again = Problem(law.residual(body.v, body.q) - pull, law, bcs=body.rigid(), electrodes=[left, given])
    again.solve().require()
    assert again.potential(given) == pytest.approx(before, rel=1e-9)
    given.charge = 2 * charge
    again.solve().require()
    assert again.charge(given) == pytest.approx(2 * charge, rel=1e-9)


def test_a_large_field_at_finite_strain() -> None:
    """1 GV/m in at most four iterations, and the unit of the potential changes nothing but its numbers."""
    found = []
    for unit, value in (("V", 1e6), ("MV", 1.0)):
        body = Body((2, 2, 2))
        law = body.law(quartz(), potential_unit=unit)
        left, right = Electrode(body.on(0, 0.0), potential=1e6), Electrode(body.on(0, 1.0), potential=0.0)
        problem = Problem(law.residual(body.v, body.q), law, bcs=body.rigid(), electrodes=[left, right])
        result = problem.solve().require()
        assert result.iterations <= 4
        found.append([body.mean(body.u[k]) for k in range(3)] + [body.mean(body.phi) / value, problem.charge(left)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
    assert found[0][0] != 0


@pytest.mark.parametrize("strain", ["small", "finite"])
def test_jacobian_is_the_derivative_and_symmetric(strain: str) -> None:
    rng, body = np.random.default_rng(0), Body((2, 1, 1), TET)
    law = body.law(quartz(), orientation=TURN, strain=strain, potential_unit="MV")
    residual = fem.form(law.residual(body.v, body.q))
    jacobian = fem.form(law.jacobian(list(ufl.split(ufl.TrialFunction(body.W))), [body.v, body.q]))
    size = body.w.x.array.size
    base, direction = 0.02 * rng.standard_normal(size), rng.standard_normal(size)

    def at(values: np.ndarray) -> np.ndarray:
        body.w.x.array[:] = values
        assert not law.update()
        return fem.assemble_vector(residual).array.copy()

    difference = (at(base + 1e-6 * direction) - at(base - 1e-6 * direction)) / 2e-6
    at(base)
    matrix = fem.assemble_matrix(jacobian).to_scipy().toarray()
    assert np.linalg.norm(difference - matrix @ direction) < 1e-8 * np.linalg.norm(difference)
    assert np.abs(matrix - matrix.T).max() < 1e-14 * np.abs(matrix).max()
    signs = np.linalg.eigvalsh(matrix) > 0
    assert 0 < signs.sum() < len(signs)  # indefinite
    if strain == "finite":  # control: without the geometric part it is no derivative
        less = fem.assemble_matrix(fem.form(law.material_jacobian(list(ufl.split(ufl.TrialFunction(body.W))), [body.v, body.q])))
        assert np.linalg.norm(difference - less.to_scipy() @ direction) > 1e-3 * np.linalg.norm(difference)


def test_factors_of_the_symmetric_matrix() -> None:
    """MUMPS's LDLᵀ of half of the matrix gives what its LU gives."""
    found = []
    for options in ({}, {"pc_type": "cholesky"}):
        body = Body((2, 2, 2))
        law = body.law(quartz(), orientation=TURN)
        electrodes = [Electrode(body.on(2, 0.0), potential=0.0), Electrode(body.on(2, 1.0), charge=1e-9)]
        problem = Problem(law.residual(body.v, body.q), law, bcs=[body.held(2)], electrodes=electrodes, petsc_options=options)
        problem.solve().require()
        found.append(body.moments())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-15)


def test_pull_in_of_an_ideal_elastomer() -> None:
    """Equal-biaxial: the largest field is 0.687 √(μ/ε) at a stretch of 1.260; a given charge passes it, a given voltage does not."""
    shear, relative = 1e-4, 4.0
    permittivity = relative * VACUUM_PERMITTIVITY
    body = Body((1, 1, 1))
    with pytest.warns(LockingWarning):  # uniform strains do not lock
        law = body.law(IdealElastomer(shear, 1e4 * shear, relative), unit="kPa")
    bottom, top = Electrode(body.on(2, 0.0), potential=0.0), Electrode(body.on(2, 1.0), charge=0.0)
    problem = Problem(law.residual(body.v, body.q), law, bcs=body.rollers(), electrodes=[bottom, top])
    stretches, fields = np.array([1.20, 1.24, 1.26, 1.28, 1.32]), []
    for stretch in stretches:
        field, displacement = equibiaxial(stretch, shear, permittivity)
        top.charge = displacement * 1e-6
        problem.solve(steps=2).require()
        fields.append(problem.potential(top) / 1e-3 / 1e9)
        assert fields[-1] == pytest.approx(field, rel=1e-5)
        assert 1 + body.mean(ufl.grad(body.u)[0, 0]) == pytest.approx(stretch, rel=1e-5)
    curve = np.polyfit(stretches, np.array(fields) / np.sqrt(shear / permittivity), 3)
    best = next(x for x in np.roots(np.polyder(curve)) if 1.2 < x < 1.32)
    assert best == pytest.approx(1.260, abs=5e-4)
    assert np.polyval(curve, best) == pytest.approx(0.687, abs=5e-4)
    held = Electrode(body.on(2, 1.0), potential=0.70 * np.sqrt(shear / permittivity) * 1e6)
    body.w.x.array[:] = 0
    beyond = Problem(law.residual(body.v, body.q), law, bcs=body.rollers(), electrodes=[bottom, held])
    assert not beyond.solve(steps=4, smallest_step=0.05).converged


def test_pvdf_bimorph() -> None:
    """Two layers of opposite polarity bend: 3 d31 V L²/(2 h²) = 3.45e-7 m at the tip of 100 × 1 mm under 1 V."""
    e = np.zeros((3, 6))
    e[2, 0] = 0.046
    stiffness = cubic_voigt(2.0, 0.29)
    law31 = LinearCoupledLaw.from_constants(
        PointGroup.from_symbol("mm2"), stiffness=stiffness, piezoelectric_e=e, permittivity=12 * np.eye(3)
    )
    body = Body((10, 1, 2), HEX, 2, size=(100.0, 5.0, 1.0))
    layers, turned = halves(body.mesh, 2, 0.5), np.diag([1.0, -1.0, -1.0])
    for material, tip in (({1: (law31, np.eye(3)), 2: (law31, turned)}, 3.45e-7), ({1: law31, 2: law31}, 0.0)):
        law = body.law(material, cell_tags=layers, strain="small", potential_unit="V")
        electrodes = [Electrode(body.on(2, 0.0), potential=0.0), Electrode(body.on(2, 1.0), potential=1.0)]
        body.w.x.array[:] = 0
        Problem(law.residual(body.v, body.q), law, bcs=[*body.rollers()[:2], body.rigid()[2]], electrodes=electrodes).solve().require()
        V, dofs = body.W.sub(0).sub(2).collapse()
        end = np.isclose(V.tabulate_dof_coordinates()[:, 0], 100.0)
        deflection = 1e-3 * np.abs(body.w.x.array[np.array(dofs)[end]]).max()
        assert deflection == pytest.approx(tip, rel=3e-3, abs=1e-9)  # a quarter of a percent: the coupling stiffens each layer


def cubic_voigt(young: float, poisson: float) -> np.ndarray:
    """Voigt matrix of an isotropic body."""
    return np.linalg.inv(
        np.block(
            [
                [np.full((3, 3), -poisson) + (1 + poisson) * np.eye(3), np.zeros((3, 3))],
                [np.zeros((3, 3)), 2 * (1 + poisson) * np.eye(3)],
            ]
        )
        / young
    )


def test_layers_of_insulator_and_metal() -> None:
    """Clamped layers in series: quartz and glass share the voltage by their permittivities; a metal keeps one potential."""
    for second, share in ((Insulator(cubic(), 8.0), 8.0 / (8.0 + PERMITTIVITY[2, 2])), (Metal(cubic()), 1.0)):
        body = Body((1, 1, 4))
        tags = halves(body.mesh, 2, 0.5)
        law = body.law({1: quartz(), 2: second}, cell_tags=tags, strain="small", potential_unit="V")
        V, dofs = body.W.sub(0).collapse()
        clamped = fem.dirichletbc(fem.Function(V), [np.array(dofs, dtype=np.int32), np.arange(len(dofs), dtype=np.int32)], body.W.sub(0))
        bottom, middle = Electrode(body.on(2, 0.0), potential=6.0), Electrode(body.on(2, 1.0), potential=0.0)
        metal = isinstance(second, Metal)
        if metal:
            middle = Electrode(tags, 2, potential=0.0)
        problem = Problem(law.residual(body.v, body.q), law, bcs=[clamped], electrodes=[bottom, middle])
        problem.solve().require()
        charge = problem.charge(bottom)
        assert charge == pytest.approx(EPS0 * PERMITTIVITY[2, 2] * share * 6.0 / 0.5e-3 * 1e-6, rel=1e-9)
        if metal:
            field = law.field("electric_field").x.array.reshape(-1, 3)
            assert np.abs(field[tags.values[: len(field)] == 2]).max() < 1e-9
            with pytest.raises(SolveError, match="a metal body has one potential"):
                Problem(law.residual(body.v, body.q), law, bcs=[clamped], electrodes=[bottom, Electrode(body.on(2, 1.0), charge=0.0)])


def test_results() -> None:
    """Field, displacement, polarisation and stress of a free plate."""
    _, problem, _ = free_plate({"strain": "finite"}, quartz(), volts=1000.0)
    law = problem.laws[0]
    assert isinstance(law, CoupledMaterial)
    mean = lambda name: law.field(name).x.array.reshape(law.points.cells, -1)[0]  # noqa: E731 - one expression
    assert mean("electric_field") == pytest.approx([1e6, 0, 0], rel=1e-5, abs=1.0)
    assert mean("electric_displacement")[0] == pytest.approx(EPS0 * PERMITTIVITY_T[0, 0] * 1e6, rel=1e-4)
    vacuum = mean("electric_displacement") - EPS0 * mean("electric_field")
    assert mean("polarization") == pytest.approx(vacuum, rel=1e-9, abs=1e-15)
    assert np.abs(mean("cauchy_stress")).max() < 1e-3  # MPa: free
    with pytest.raises(SolveError, match="no field named 'colour'"):
        law.field("colour")


def test_ranks_agree() -> None:
    one, two = on_ranks(1, "plate", script="piezo_cases.py"), on_ranks(2, "plate", script="piezo_cases.py")
    np.testing.assert_allclose(two["numbers"], one["numbers"], rtol=1e-9, atol=1e-15)
    assert two["iterations"] == one["iterations"]
    assert one["charges"][0] == pytest.approx(-one["charges"][1], rel=1e-9)
    assert 1e-6 * one["charges"][1] == pytest.approx(1e-13 * (2e5 - one["potential"]), rel=1e-9)


def test_what_cannot_be_meant() -> None:
    body = Body((1, 1, 1))
    for options, message in (
        ({"length_unit": None}, "pass length_unit="),
        ({"length_unit": "inch"}, "length_unit='inch'"),
        ({"potential_unit": "volt"}, "potential_unit='volt'"),
        ({"phi": body.u}, "phi has shape"),
        ({"orientation": 2 * np.eye(3)}, "not orthogonal"),
        ({"tangent_precision": "single"}, "tangent_precision"),
    ):
        with pytest.raises((SolveError, DataError), match=message):
            UserMaterial(body.u, quartz(), **({"phi": body.phi, "length_unit": "mm"} | options))
    with pytest.raises(SolveError, match="a strain energy only"):
        body.law(cubic())
    with pytest.raises(SolveError, match="a strain energy only"):
        body.law(Material(cubic(), PointGroup.from_symbol("m-3m"), name="test"))
    with pytest.raises(SolveError, match="T is given"):
        body.law(quartz(), T=fem.Constant(body.mesh, 1.0))
    with pytest.raises(SolveError, match=r"relative_permittivity=0\.5"):
        body.law(Insulator(cubic(), 0.5))
    with pytest.raises(SolveError, match="belong to a law with a potential"):
        UserMaterial(body.u, cubic(), length_unit="mm")
    with pytest.raises(SolveError, match="test functions of all"):
        body.law(quartz()).residual(body.v)


def test_electrodes_that_cannot_be_meant() -> None:
    body = Body((1, 1, 1))
    law = body.law(quartz())
    form = law.residual(body.v, body.q)
    for options, message in (
        ({}, "one of potential, charge and capacitance"),
        ({"potential": 1.0, "charge": 0.0}, "potential and charge"),
        ({"potential": np.nan}, "finite"),
        ({"capacitance": -1.0}, "capacitance ≥ 0"),
    ):
        with pytest.raises(SolveError, match=message):
            Electrode(body.on(0, 0.0), **options)
    with pytest.raises(SolveError, match="a tag goes with MeshTags"):
        Electrode(body.on(0, 0.0), 3, charge=0.0)
    with pytest.raises(SolveError, match="no node lies on electrode"):
        Problem(form, law, electrodes=[Electrode(body.on(0, 7.0), charge=0.0)])
    with pytest.raises(SolveError, match="overlap"):
        Problem(form, law, electrodes=[Electrode(body.on(0, 0.0), charge=0.0), Electrode(body.on(1, 0.0), charge=0.0)])
    with pytest.raises(SolveError, match="either a potential or a charge"):
        Problem(form, law, electrodes=[Electrode(body.on(0, 0.0), charge=0.0), Electrode(body.on(1, 0.0), potential=0.0)])
    problem = Problem(form, law, electrodes=[Electrode(body.on(0, 0.0), charge=0.0)])
    with pytest.raises(SolveError, match="none of this problem's"):
        problem.charge(Electrode(body.on(0, 0.0), charge=0.0))
