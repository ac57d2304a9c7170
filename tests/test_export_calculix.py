"""CalculiX itself with exported laws: `make test-calculix` builds it and runs this; elsewhere it is not collected (conftest.py)."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from calculix_decks import block, deck, quadratic, run, user_material
from export_page import DIRECTION, STEPS, path_row, update

from constitutive import shipped
from constitutive.export import export
from constitutive.kinematics import cauchy_from_second_piola, green_lagrange_strain
from constitutive.material import Material
from constitutive.symmetry.operations import rotation

CCX = os.environ.get("CONSTITUTIVE_CCX", "")
ORDER = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
R = rotation((1.0, 2.0, 3.0), 40.0)
SPIN = rotation((3.0, 1.0, -2.0), 20.0)
PATHS = {f"{a}{b}": 0.02 * (np.eye(3)[[a]].T @ np.eye(3)[[b]]) for a, b in ORDER}


def library(material: Material, folder: Path, name: str) -> None:
    (source,) = export(material, "calculix", folder, name=name, unit="MPa")
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", folder / f"lib{name.upper()}.so", source, "-lm"], check=True)


@pytest.fixture(scope="module")
def quartz(tmp_path_factory: pytest.TempPathFactory) -> tuple[Material, Path]:
    folder = tmp_path_factory.mktemp("ccx")
    material = Material.load(shipped("quartz"))
    library(material, folder, "quartz")
    return material, folder


def stresses(rows: np.ndarray) -> np.ndarray:
    """Columns xx yy zz xy xz yz of the first point."""
    return rows[:, 2:8]


@pytest.mark.parametrize("path", PATHS)
def test_one_strain_in_eight_elements(quartz, path):
    """A patch of elements with a free node in its middle, strained by 2 % and turned by 20°: our Cauchy stress at each point."""
    material, folder = quartz
    F = SPIN @ (np.eye(3) + PATHS[path])
    nodes, elements = block((2, 2, 2), (1.0, 1.0, 1.0))
    held = {k: x @ (F - np.eye(3)).T for k, x in enumerate(nodes) if not np.allclose(x, 0.5)}
    found = run(CCX, folder, deck(nodes, elements, user_material("@QUARTZ_UMATX", R), held), f"one{path}")
    turned = material.rotated(R)
    E = green_lagrange_strain(F)
    sigma = 1e3 * cauchy_from_second_piola(F, turned.law.stress(torch.from_numpy(E)).numpy())
    expected = np.array([sigma[i] for i in ORDER])
    assert np.abs(stresses(found["stresses"]) - expected).max() <= 1e-6 * np.abs(expected).max()
    energy = 1e3 * float(turned.law.energy(torch.from_numpy(E)))
    assert np.abs(found["internal state variables"][:, 2] - energy).max() <= 1e-6 * energy
    assert (found["internal state variables"][:, 3] == 0).all()


def test_linear_step_through_the_interface_of_abaqus(quartz):
    """A geometrically linear step: S of the linear strain, through both interfaces."""
    material, folder = quartz
    e = 0.01 * np.array([[1.0, 0.3, -0.2], [0.3, -0.5, 0.4], [-0.2, 0.4, 0.2]])
    nodes, elements = block((2, 2, 2), (1.0, 1.0, 1.0))
    held = {k: x @ e for k, x in enumerate(nodes) if not np.allclose(x, 0.5)}
    S = 1e3 * material.rotated(R).law.stress(torch.from_numpy(e)).numpy()
    expected = np.array([S[i] for i in ORDER])
    for name in ("@QUARTZ_UMATX", "@ABAQUS_QUARTZ_UMATABQ"):
        found = run(CCX, folder, deck(nodes, elements, user_material(name, R), held, nonlinear=False), "linear")
        assert np.abs(stresses(found["stresses"]) - expected).max() <= 1e-6 * np.abs(expected).max(), name


def twisted(cells: int, degrees: float = 15.0, degree: int = 1):
    """A bar of 1 × 1 × 3 mm, clamped at one end and twisted at the other, of C3D8 or C3D20 elements."""
    nodes, elements = block((cells, cells, 3 * cells), (1.0, 1.0, 3.0))
    if degree == 2:
        nodes, elements = quadratic(nodes, elements)
    T = rotation((0.0, 0.0, 1.0), degrees)
    middle = np.array([0.5, 0.5, 0.0])
    held = {k: np.zeros(3) if x[2] == 0 else (T @ (x - middle) + middle) - x for k, x in enumerate(nodes) if x[2] in (0.0, 3.0)}
    return nodes, elements, held


def torque(nodes: np.ndarray, held: dict[int, np.ndarray], forces: np.ndarray) -> float:
    """Moment about the axis of the forces on the twisted end (N mm)."""
    total = 0.0
    for number, *f in forces:
        k = int(number) - 1
        if nodes[k][2] == 3.0:
            x = nodes[k] + held[k] - np.array([0.5, 0.5, 0.0])
            total += x[0] * f[1] - x[1] * f[0]
    return total


def test_st_venant_kirchhoff_is_calculix_s_own_anisotropic_elasticity(quartz):
    material, folder = quartz
    linear = Material.from_constants(material.point_group, material.stiffness_voigt(), name="stvk")
    library(linear, folder, "stvk")
    (card,) = export(linear, "abaqus-elastic", folder / "stvk.inp", unit="MPa")
    own = "\n".join(line for line in card.read_text().splitlines() if not line.startswith("**"))
    nodes, elements, held = twisted(2)
    ours = run(CCX, folder, deck(nodes, elements, user_material("@STVK_UMATX"), held, outputs="S"), "ours")
    theirs = run(CCX, folder, deck(nodes, elements, (own, "STVK"), held, outputs="S"), "theirs")
    scale = np.abs(theirs["stresses"][:, 2:8]).max()
    assert np.abs(stresses(ours["stresses"]) - stresses(theirs["stresses"])).max() <= 1e-5 * scale
    assert torque(nodes, held, ours["forces"]) == pytest.approx(torque(nodes, held, theirs["forces"]), rel=1e-6)


def torque_by_dolfinx(material: Material, cells: int, degrees: float = 15.0, degree: int = 1) -> float:
    """The same bar by our own solve with hexahedra of 8 or 27 nodes."""
    import ufl
    from dolfinx import fem, mesh
    from mpi4py import MPI

    from constitutive.fem import Problem, UserMaterial

    domain = mesh.create_box(MPI.COMM_SELF, [[0, 0, 0], [1, 1, 3]], [cells, cells, 3 * cells], mesh.CellType.hexahedron)
    V = fem.functionspace(domain, ("Lagrange", degree, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, material, orientation=R, unit="MPa")
    T, middle = rotation((0.0, 0.0, 1.0), degrees), np.array([0.5, 0.5, 0.0])
    twist = fem.Function(V)
    twist.interpolate(lambda x: (T @ (x - middle[:, None]) + middle[:, None] - x) * (x[2] / 3.0))
    ends = [mesh.locate_entities_boundary(domain, 2, lambda x, z=z: np.isclose(x[2], z)) for z in (0.0, 3.0)]
    bcs = [fem.dirichletbc(twist, fem.locate_dofs_topological(V, 2, facets)) for facets in ends]
    residual = law.residual(v)
    assert Problem(residual, law, bcs=bcs).solve().converged
    force = fem.assemble_vector(fem.form(residual)).array.reshape(-1, 3)
    X = V.tabulate_dof_coordinates()
    x = X + u.x.array.reshape(-1, 3) - middle
    top = np.isclose(X[:, 2], 3.0)
    return float((x[top, 0] * force[top, 1] - x[top, 1] * force[top, 0]).sum())


def torques(material: Material, folder: Path, cells: int, degree: int) -> tuple[float, float]:
    """CalculiX's and ours."""
    nodes, elements, held = twisted(cells, degree=degree)
    text = deck(nodes, elements, user_material("@QUARTZ_UMATX", R), held, increment=0.5, outputs="SDV")
    theirs = torque(nodes, held, run(CCX, folder, text, f"bar{degree}_{cells}")["forces"])
    return theirs, torque_by_dolfinx(material, cells, degree=degree)


def test_twisted_bar_against_dolfinx(quartz):
    """Hexahedra of eight nodes with full integration on both sides: the discretisations are the same, so are the torques."""
    material, folder = quartz
    for cells in (2, 4):
        theirs, ours = torques(material, folder, cells, 1)
        assert theirs == pytest.approx(ours, rel=1e-6)


def test_twisted_bar_of_other_elements_converges_to_one_answer(quartz):
    """C3D20 (20 nodes) against our 27: two discretisations, whose difference shrinks with the cells."""
    material, folder = quartz
    differences = []
    for cells in (2, 3, 4):
        theirs, ours = torques(material, folder, cells, 2)
        differences.append(abs(theirs / ours - 1))
    assert differences[2] < differences[1] < differences[0]
    assert differences[2] < 1.5e-3


def test_the_row_of_the_page(tmp_path):
    """The strain path of the documentation's page in one step after another: S from CalculiX's Cauchy stress."""
    material = Material.load(shipped("silicon"))
    library(material, tmp_path, "silicon")
    nodes, elements = block((1, 1, 1), (1.0, 1.0, 1.0))
    found = []
    for k, size in enumerate(STEPS):
        F = np.linalg.cholesky(np.eye(3) + 2 * size * DIRECTION).T  # FᵀF = 1 + 2 E
        held = {n: (F - np.eye(3)) @ x for n, x in enumerate(nodes)}
        rows = run(CCX, tmp_path, deck(nodes, elements, user_material("@SILICON_UMATX"), held, increment=0.5), f"step{k}")["stresses"]
        sigma = np.zeros((3, 3))
        for (i, j), value in zip(ORDER, rows[0, 2:8], strict=True):
            sigma[i, j] = sigma[j, i] = value / 1e3
        inverse = np.linalg.inv(F)
        found.append(np.linalg.det(F) * inverse @ sigma @ inverse.T)
    update([path_row("CalculiX 2.20", np.array(found), material, 1e-6)])
