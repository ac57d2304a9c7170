"""Fields, integrals, reactions, files and pictures."""

from pathlib import Path
from types import SimpleNamespace

import fem_cases
import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem
from fem_cases import (
    COMM,
    HEX,
    TET,
    TURN,
    affine,
    block,
    bounded,
    cubic,
    pulled,
    pulled_problem,
)
from test_fem import on_ranks

from constitutive.errors import MaterialError, SolveError
from constitutive.fem import (
    Problem,
    UserMaterial,
    write_fields,
    write_visited,
)
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel


def test_reactions_balance_the_loads() -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    pull = fem.Constant(V.mesh, np.array([300.0, -100.0, 50.0]))
    held = pulled(V)[:1]
    problem = Problem(law.residual(v) - ufl.inner(pull, v) * ufl.dx, law, bcs=held)
    problem.solve(steps=2).require()
    tags = fem_cases.facets_where(V.mesh, {7: lambda x: np.isclose(x[0], 0)})
    for where in ((held[0],), (tags, 7), (tags.find(7),), (lambda x: np.isclose(x[0], 0),)):
        np.testing.assert_allclose(problem.reaction(*where), [-300, 100, -50], rtol=1e-8)


def test_energy_is_the_work_of_a_linear_body() -> None:
    problem = pulled_problem(strain="small")
    problem.solve().require()
    work = 0.5 * problem.reaction(problem.bcs[1]) @ [0.1, 0.05, 0.02]
    assert problem.laws[0].total_energy() == pytest.approx(work, rel=1e-10)


def test_mass_comes_from_the_structure() -> None:
    from pymatgen.core import Lattice, Structure

    silicon = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0, 0, 0]])
    material = Material(cubic(), PointGroup.from_symbol("m-3m"), silicon, "Si")
    law = UserMaterial(fem.Function(block(1, HEX, 1, COMM)), material)
    assert law.mass("cm") == pytest.approx(2.329e-3, rel=1e-3)
    with pytest.raises(SolveError, match="length_unit"):
        law.mass("inch")
    with pytest.raises(MaterialError, match="no structure"):
        UserMaterial(fem.Function(block(1, HEX, 1, COMM)), cubic()).mass()


@pytest.mark.parametrize("space", ["cells", "points", "nodes", ("DG", 1)])
def test_fields_of_a_uniform_state(space: object) -> None:
    V = block(2, TET, 2, COMM)
    u = fem.Function(V)
    A = np.array([[0.04, 0.02, -0.01], [0.01, -0.03, 0.02], [0.0, 0.015, 0.02]])
    affine(u, A)
    law = UserMaterial(u, bounded(0.01), orientation=TURN, unit="GPa")
    F = np.eye(3) + A
    P, _ = cubic().rotated(TURN)(F)
    sigma, E = P @ F.T / np.linalg.det(F), (F.T @ F - np.eye(3)) / 2
    deviator = sigma - np.trace(sigma) / 3 * np.eye(3)
    expected = {
        "cauchy_stress": sigma, "first_piola_kirchhoff": P, "second_piola_kirchhoff": np.linalg.solve(F, P), "strain": E,
        "mises_stress": np.sqrt(1.5 * (deviator**2).sum()), "crystal_strain": TURN.T @ E @ TURN, "deformation_gradient": F,
        "outside_domain": 1.0, "strain_norm": np.linalg.norm(E), "domain_distance": np.linalg.norm(E) / 0.01,
    }  # fmt: skip
    for name, value in expected.items():
        rows = law.field(name, space).x.array.reshape(-1, np.size(value))
        np.testing.assert_allclose(rows, np.tile(np.ravel(value), (len(rows), 1)), rtol=1e-8, atol=1e-10, err_msg=name)
    x = torch.from_numpy(to_mandel(TURN.T @ E @ TURN))[None]
    assert law.field("strain_energy_density").x.array[0] == pytest.approx(float(cubic().energy_mandel(x)), rel=1e-12)
    with pytest.raises(SolveError, match="no field named"):
        law.field("temperature")
    with pytest.raises(MaterialError, match="no uncertainty"):
        law.field("uncertainty")


def test_uncertainty_is_the_materials() -> None:
    V = block(1, HEX, 1, COMM)
    law = UserMaterial(fem.Function(V), cubic(), unit="MPa", kernel="torch")
    width = 0.5 * torch.diag_embed(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
    estimate = SimpleNamespace(half_width=lambda E: width + 0 * E)
    law.regions[0].crystal = SimpleNamespace(uncertainty=estimate)
    assert law.field("uncertainty").x.array[0] == pytest.approx(500.0)


@pytest.mark.parametrize("name", ["out.pvd", "out.bp"])
def test_files_for_paraview(name: str, tmp_path: Path) -> None:
    problem = pulled_problem()
    problem.solve().require()
    path = write_fields(tmp_path / "results" / name, problem.laws[0], ["cauchy_stress", "mises_stress", "strain_energy_density"])
    assert path.exists()
    with pytest.raises(SolveError, match="written to"):
        write_fields(tmp_path / "out.txt", problem.laws[0])


def test_a_picture_drawn_on_two_ranks_shows_the_whole_mesh(tmp_path: Path) -> None:
    figures = on_ranks(2, "picture", str(tmp_path / "block.png"))
    assert (figures["cells"], figures["points"]) == (64, 125)  # nodes between the ranks are one: no edges are drawn there
    assert (tmp_path / "block.png").stat().st_size > 10_000


def test_visited_strains_are_those_of_the_crystal_with_the_volume_of_the_body(tmp_path) -> None:
    from constitutive.planning import read_visited

    V = block(2, HEX, 1, COMM)
    u = fem.Function(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    F = np.eye(3) + np.array([[0.03, 0.01, 0.0], [0.0, -0.02, 0.005], [0.0, 0.0, 0.01]])
    u.interpolate(lambda x: (F - np.eye(3)) @ x)
    found = read_visited(write_visited(tmp_path / "strains.npz", law))
    E = TURN.T @ (F.T @ F - np.eye(3)) / 2 @ TURN
    np.testing.assert_allclose(found.x, np.tile(np.asarray(to_mandel(E)), (len(found.x), 1)), atol=1e-12)
    volume = float(fem.assemble_scalar(fem.form(fem.Constant(V.mesh, 1.0) * ufl.dx(V.mesh))))
    assert found.weights.sum() == pytest.approx(volume)
    assert np.abs(np.asarray(to_mandel((F.T @ F - np.eye(3)) / 2)) - found.x[0]).max() > 1e-3  # control: in the lab they are others
    u.interpolate(lambda x: np.stack([0.02 * x[0] ** 2, 0 * x[1], 0.01 * x[2] * x[1]]))
    law.update()
    keys = np.round(np.load(write_visited(tmp_path / "sorted.npz", law))["E"].reshape(-1, 9), 9)
    assert len(np.unique(keys[:, 0])) > 3
    assert (np.lexsort(keys.T[::-1]) == np.arange(len(keys))).all()  # by strain: in one order on any number of ranks
    with pytest.raises(MaterialError, match=r"needed \.npz"):
        write_visited(tmp_path / "strains.txt", law)
