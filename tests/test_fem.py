"""The finite-element hook against native UFL, closed forms, finite differences and itself on several ranks."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import basix.ufl
import dolfinx
import fem_cases
import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from fem_cases import HEX, TET, TURN, block, cubic, jacobian_error, native_residual, pulled, stiffness_tensor
from mpi4py import MPI

from constitutive.errors import DependencyError
from constitutive.fem import Problem, UserMaterial

HERE = Path(__file__).resolve().parent
ELEMENTS = [(HEX, 1), (TET, 1), (HEX, 2), (TET, 2)]
NAMES = [f"{cell.name}{degree}" for cell, degree in ELEMENTS]
OTHERS = {"prism1": 8, "pyramid1": 27, "pyramid2": 64, "tetrahedron3": 14, "hexahedron3": 64}  # points per cell
if int(dolfinx.__version__.split(".")[1]) >= 10:  # 0.9 itself ends in a segmentation fault where it numbers prisms of degree 2
    OTHERS["prism2"] = 27


# Open MPI binds each rank to a core and polls: on a busy machine each message then waits for a time slice of that core
UNBOUND = {"PRTE_MCA_hwloc_default_binding_policy": "none", "OMPI_MCA_mpi_yield_when_idle": "1"}


def on_ranks(ranks: int, case: str, *arguments: str, timeout: float = 300, script: str = "fem_cases.py") -> dict:
    """Figures of a case on several ranks."""
    command = [
        "mpirun",
        "-n",
        str(ranks),
        sys.executable,
        "-W",
        "error",
        "-W",
        "ignore::ImportWarning",
        str(HERE / script),
        case,
        *arguments,
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env={**UNBOUND, **os.environ})
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)


@functools.cache
def here(case: str) -> dict:
    """Figures of a case in this process."""
    return fem_cases.CASES[case](MPI.COMM_SELF)


@pytest.mark.parametrize("name", NAMES)
def test_turned_cubic_crystal_equals_native_ufl(name: str) -> None:
    figures = here("hook")[name]
    assert figures["difference"] < 1e-12
    assert figures["iterations"] == figures["native_iterations"]


def test_another_orientation_is_seen() -> None:
    """Control: native UFL of the unturned crystal does not agree."""
    V = block(2, HEX, 1)
    v, ours, theirs = ufl.TestFunction(V), fem.Function(V), fem.Function(V)
    law = UserMaterial(ours, cubic(), orientation=TURN)
    Problem(law.residual(v), law, bcs=pulled(V)).solve().require()
    Problem(native_residual(theirs, v, stiffness_tensor(cubic(), np.eye(3)), 2), u=theirs, bcs=pulled(V)).solve().require()
    assert np.abs(ours.x.array - theirs.x.array).max() > 1e-4


def pyramids() -> mesh.Mesh:
    """Two unit cubes halved along x, each of six pyramids about a point off its centre."""
    x = np.array([[i / 2, j, k] for i in range(3) for j in range(2) for k in range(2)] + [[0.22, 0.55, 0.5], [0.77, 0.45, 0.5]])
    faces = [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 4, 5], [2, 3, 6, 7], [0, 2, 4, 6], [1, 3, 5, 7]]
    cells = np.array([[*(corner + 4 * cube for corner in face), 12 + cube] for cube in range(2) for face in faces])
    return mesh.create_mesh(MPI.COMM_SELF, cells=cells, x=x, e=basix.ufl.element("Lagrange", "pyramid", 1, shape=(3,)))


@functools.cache
def other_space(name: str) -> fem.FunctionSpace:
    """Elements that the cases on several ranks leave out, on a few cells."""
    cell, degree = name[:-1], int(name[-1])
    if cell != "pyramid":
        return block(2 if cell == "prism" else 1, mesh.CellType[cell], degree, MPI.COMM_SELF)
    return fem.functionspace(pyramids(), ("Lagrange", degree, (3,)))


@pytest.mark.parametrize("name", OTHERS)
def test_other_cells_and_degrees_equal_native_ufl(name: str) -> None:
    V = other_space(name)
    v, ours, theirs = ufl.TestFunction(V), fem.Function(V), fem.Function(V)
    law = UserMaterial(ours, cubic(), orientation=TURN)
    assert law.points.per_cell == OTHERS[name]
    result = Problem(law.residual(v), law, bcs=pulled(V)).solve().require()
    form = native_residual(theirs, v, stiffness_tensor(cubic(), TURN), law.points.degree)
    native = Problem(form, u=theirs, bcs=pulled(V)).solve().require()
    assert np.abs(ours.x.array - theirs.x.array).max() < 1e-12 * np.abs(theirs.x.array).max()
    assert result.iterations == native.iterations > 1


@pytest.mark.parametrize("name", OTHERS)
def test_patch_of_other_cells_and_degrees(name: str) -> None:
    """An affine displacement of the boundary is that of the inside, and the energy that of a uniform body."""
    V, A = other_space(name), np.array([[0.04, 0.02, -0.01], [0.01, -0.03, 0.02], [0.0, 0.015, 0.02]])
    u, v, exact = fem.Function(V), ufl.TestFunction(V), fem.Function(V)
    exact.interpolate(lambda x: A @ x)
    law = UserMaterial(u, cubic(), orientation=TURN)
    boundary = fem.locate_dofs_geometrical(V, lambda x: np.isclose(np.abs(x - 0.5).max(axis=0), 0.5))
    assert len(boundary) < V.dofmap.index_map.size_local
    Problem(law.residual(v), law, bcs=[fem.dirichletbc(exact, boundary)]).solve().require()
    assert np.abs(u.x.array - exact.x.array).max() < 1e-12 * 0.04
    E = TURN.T @ (A + A.T + A.T @ A) @ TURN / 2
    assert law.total_energy() == pytest.approx(1e3 * float(cubic().energy(torch.from_numpy(E))), rel=1e-12)


def numbers(figures: dict) -> dict[str, list[float]]:
    """The lists called numbers, wherever they stand."""
    found = {"": figures["numbers"]} if "numbers" in figures else {}
    for name, part in figures.items():
        if isinstance(part, dict):
            found |= {f"{name}/{below}": values for below, values in numbers(part).items()}
    return found


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_agree(ranks: int) -> None:
    several = on_ranks(ranks, "all")
    for case in fem_cases.FIGURES:
        one, many = numbers(here(case)), numbers(several[case])
        assert one.keys() == many.keys()
        for name in one:
            np.testing.assert_allclose(many[name], one[name], rtol=1e-10, atol=1e-10 * np.abs(one[name]).max(), err_msg=name)
    for name in NAMES:
        assert several["hook"][name]["iterations"] == here("hook")[name]["iterations"]
        assert several["hook"][name]["difference"] < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_patch(name: str) -> None:
    assert here("patch")[name]["difference"] < 1e-12
    assert here("patch")[name]["stress"] < 1e-12


@pytest.mark.parametrize(("element", "order"), [("P1", 2), ("P2", 3)])
def test_manufactured_solution_converges_in_order(element: str, order: int) -> None:
    assert here("manufactured")[element]["order"] == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(("case", "stress"), [("le1", 92.7), ("le10", -5.38)])
def test_nafems(case: str, stress: float) -> None:
    """National Agency for Finite Element Methods and Standards, The Standard NAFEMS Benchmarks (1990)."""
    assert here(case)["stress"] == pytest.approx(stress, rel=0.02)


def test_hole_in_a_cubic_plate() -> None:
    """K = 1 + n, n² = 2(1 − ν) + E/G in the loading frame: 2.75 along [100] and 3.28 along [110] of silicon."""
    assert here("hole")["K"] == pytest.approx([2.75, 3.28], rel=0.02)


def derivative_error(law: UserMaterial, J: object) -> float:
    """Relative difference between the Jacobian along a direction and central differences of the law's residual."""
    v = ufl.TestFunction(law.u.function_space)
    return jacobian_error(fem.form(law.residual(v)), fem.form(J), law, law.u)


@pytest.mark.parametrize("strain", ["finite", "small"])
@pytest.mark.parametrize(("cell", "degree"), ELEMENTS[:3])
def test_jacobian_is_the_derivative_of_the_residual(cell: object, degree: int, strain: str) -> None:
    V = block(1, cell, degree)
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN, strain=strain)
    assert derivative_error(law, law.jacobian(du, v)) < 1e-8


def test_jacobian_without_its_geometric_part_is_seen() -> None:
    """Control: the material part alone is not the derivative."""
    V = block(1, HEX, 1)
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    assert derivative_error(law, law.material_jacobian(du, v)) > 1e-3


def test_newtons_last_steps_are_quadratic() -> None:
    """Each of the last norms is at most a constant times the square of the one before, where round-off does not hide it."""
    for name in NAMES:
        norms = np.array(here("hook")[name]["norms"])
        before, after = norms[-3:-1] / norms[0], norms[-2:] / norms[0]
        assert after[-1] < max(10 * before[-1] ** 2, 1e-10)
        assert after[0] < 0.1 * before[0]


def test_without_dolfinx_the_error_explains_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import constitutive.fem

    monkeypatch.setitem(sys.modules, "dolfinx", None)
    with pytest.raises(DependencyError, match="conda create"):
        constitutive.fem._require_dolfinx()
