"""Maps of EBSD, grids of DAMASK and meshes of Neper as meshes of grains; their colours in an inverse pole figure."""

from pathlib import Path

import gmsh
import numpy as np
import pytest
import pyvista as pv
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI
from scipy.spatial.transform import Rotation
from vtkmodules.vtkIOXML import vtkXMLImageDataWriter  # before any test starts LAMMPS, which may load another VTK

from constitutive import Material
from constitutive.errors import ConstitutiveError, DataError
from constitutive.fem import (
    GrainGrid,
    Problem,
    UserMaterial,
    disorientation,
    read_damask_grid,
    read_grain_map,
    read_neper_mesh,
    read_orientations,
)
from constitutive.plots import inverse_pole_figure_colours, plot_grain_map
from constitutive.symmetry import PointGroup

COPPER = Material.from_constants("m-3m", {"C11": 168.4, "C12": 121.4, "C44": 75.4})
MAGNESIUM = Material.from_constants("6/mmm", {"C11": 59.3, "C12": 25.7, "C13": 21.4, "C33": 61.5, "C44": 16.4})
CUBIC = COPPER.point_group.laue_rotations
NX, NY, STEP = 30, 20, 0.5


def quarters(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Three grains: left, upper right and lower right, the boundaries between points."""
    return np.where(x < 7.25, 0, np.where(y < 4.75, 1, 2))


def points(*, hexagonal: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows of points; every second one shifted by half of a step in a hexagonal grid."""
    y, x = np.meshgrid(np.arange(NY) * STEP, np.arange(NX) * STEP, indexing="ij")
    if hexagonal:
        x = x + 0.5 * STEP * (np.arange(NY)[:, None] % 2)
        y = y * np.sqrt(0.75)
    return x.ravel(), y.ravel()


def turned(which: np.ndarray, seed: int = 0) -> tuple[Rotation, Rotation]:
    """Orientations of the grains, and those of the points: with noise of 0.2°, each by some equivalent of the crystal."""
    grains = Rotation.random(3, random_state=3)
    rng = np.random.default_rng(seed)
    noise = Rotation.from_rotvec(rng.normal(0, np.radians(0.2 / np.sqrt(3)), (len(which), 3)))
    return grains, noise * grains[which] * Rotation.from_matrix(CUBIC)[rng.integers(0, len(CUBIC), len(which))]


def ang(tmp_path: Path, *, hexagonal: bool = False, lost: tuple[int, ...] = ()) -> tuple[Path, Rotation]:
    x, y = points(hexagonal=hexagonal)
    grains, turns = turned(quarters(x, y))
    angles = turns.as_euler("ZXZ") % (2 * np.pi)
    angles[list(lost)] = 4 * np.pi
    table = np.column_stack([angles, x, y])
    lines = [" ".join(f"{value:11.5f}" for value in row) + " 120.0  0.900  0  140  1.250" for row in table]
    head = "# TEM_PIXperUM  1.000000\n# Phase 1\n# MaterialName  Copper\n# Symmetry  43\n"
    head += "# LatticeConstants  3.610 3.610 3.610  90.000  90.000  90.000\n"
    path = tmp_path / "map.ang"
    path.write_text(head + f"# GRID: {'Hex' if hexagonal else 'Sqr'}Grid\n# XSTEP: {STEP}\n" + "\n".join(lines) + "\n")
    return path, grains


def far(found: dict[int, np.ndarray], expected: np.ndarray, rotations: np.ndarray = CUBIC) -> float:
    """Largest disorientation in degrees from the expected orientations, in the order of the tags."""
    return float(disorientation(np.stack([found[k] for k in sorted(found)]), expected, rotations).max())


# ---- maps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hexagonal", [False, True])
def test_a_map_becomes_its_grains(hexagonal: bool, tmp_path: Path) -> None:
    path, grains = ang(tmp_path, hexagonal=hexagonal, lost=(3, 4, 200))
    found = read_grain_map(path, COPPER, frame="same")
    assert sorted(found.orientations) == [1, 2, 3]
    assert found.grid.tags.shape[1] == NY
    assert far(found.orientations, grains.as_matrix()) < 0.05
    assert max(found.spread().values()) < 0.5
    assert int((~found.indexed).sum()) == 3
    x = found.grid.origin[0] + found.grid.spacing[0] * (np.arange(found.grid.tags.shape[0]) + 0.5)
    y = found.grid.origin[1] + found.grid.spacing[1] * (np.arange(NY) + 0.5)
    differ = found.grid.tags != quarters(x[:, None], y) + 1
    assert differ.mean() < (0.05 if hexagonal else 1e-12)


def test_the_frame_of_the_angles_is_asked_for(tmp_path: Path) -> None:
    path, grains = ang(tmp_path)
    with pytest.raises(TypeError, match="frame"):
        read_grain_map(path, COPPER)
    with pytest.raises(DataError, match="frame='down': needed one of same, edax1"):
        read_grain_map(path, COPPER, frame="down")
    half_turns = {"edax1": [1, 1, 0], "edax2": [1, -1, 0], "edax3": [1, 0, 0], "edax4": [0, 1, 0], "oxford": [1, 0, 0]}
    for name, axis in half_turns.items():
        turn = Rotation.from_rotvec(np.pi * np.array(axis) / np.linalg.norm(axis))
        found = read_grain_map(path, COPPER, frame=name).orientations
        assert far(found, (turn * grains).as_matrix()) < 0.05
        assert far(found, grains.as_matrix()) > 5  # control
    quarter = Rotation.from_euler("z", 90, degrees=True)
    assert far(read_grain_map(path, COPPER, frame=quarter.as_matrix()).orientations, (quarter * grains).as_matrix()) < 0.05
    with pytest.raises(DataError, match="left-handed"):
        read_grain_map(path, COPPER, frame=-np.eye(3))


def test_thresholds_join_and_small_grains_go(tmp_path: Path) -> None:
    path, _ = ang(tmp_path)
    assert len(read_grain_map(path, COPPER, frame="same", threshold=179.0).orientations) == 1
    assert len(read_grain_map(path, COPPER, frame="same", smallest=200).orientations) == 1
    with pytest.raises(DataError, match="no grain has 10000 points"):
        read_grain_map(path, COPPER, frame="same", smallest=10000)
    for options in ({"threshold": 0.0}, {"threshold": np.nan}, {"smallest": 0}):
        with pytest.raises(DataError, match="needed are degrees"):
            read_grain_map(path, COPPER, frame="same", **options)
    with pytest.raises(DataError, match="no map at"):
        read_grain_map(tmp_path / "none.ang", COPPER, frame="same")
    (tmp_path / "map.osc").write_text(path.read_text())
    with pytest.raises(DataError, match=r"ends in \.ang"):
        read_grain_map(tmp_path / "map.osc", COPPER, frame="same")


def test_phases_of_a_map_have_their_own_crystals(tmp_path: Path) -> None:
    """Copper on the left, magnesium on the right, whose axes have to be named."""
    x, y = points()
    grains, turns = turned(quarters(x, y))
    angles = turns.as_euler("ZXZ", degrees=True) % 360
    right = quarters(x, y) > 0
    angles[right] = (grains[quarters(x, y)].as_euler("ZXZ", degrees=True) % 360)[right]
    head = "Channel Text File\nPrj map\nJobMode\tGrid\nXCells\t30\nYCells\t20\nPhases\t2\n3.61;3.61;3.61\t90;90;90\tCopper\t11\t225\n"
    head += "3.21;3.21;5.21\t90;90;120\tMagnesium\t9\t194\nPhase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS\n"
    table = np.column_stack([1 + right, x, y, 7 + 0 * x, 0 * x, angles])
    body = ["\t".join(f"{value:.4f}" for value in row) + "\t0.5\t100\t0" for row in table]
    path = tmp_path / "map.ctf"
    path.write_text(head + "\n".join(body) + "\n")
    both = {"1": COPPER, "2": MAGNESIUM}
    with pytest.raises(DataError, match="pass a dict"):
        read_grain_map(path, COPPER, frame="same")
    with pytest.raises(DataError, match="no material for the phase 2"):
        read_grain_map(path, {"1": COPPER}, frame="same")
    with pytest.raises(DataError, match="oblique"):
        read_grain_map(path, both, frame="same")
    found = read_grain_map(path, both, frame="same", crystal_axes="x||a")
    assert found.phases == {1: "1", 2: "2", 3: "2"}
    assert found.materials[3][0] is MAGNESIUM
    assert far({2: found.orientations[2]}, grains[1].as_matrix()[None], MAGNESIUM.point_group.laue_rotations) < 0.05
    oxford = read_grain_map(path, both, frame="same", crystal_axes="x||a*").orientations[2]
    assert disorientation(oxford[None], grains[1].as_matrix()[None], MAGNESIUM.point_group.laue_rotations)[0] == pytest.approx(30, abs=0.1)


def test_a_map_is_solved_on_its_mesh(tmp_path: Path) -> None:
    path, _ = ang(tmp_path)
    found = read_grain_map(path, COPPER, frame="same")
    m, tags = found.grid.mesh(MPI.COMM_WORLD, thickness=1.0, layers=1, scale=1e-3)
    assert m.topology.index_map(3).size_local == NX * NY
    middle = mesh.compute_midpoints(m, 3, tags.indices)[:, :2] * 1e3
    np.testing.assert_array_equal(tags.values, quarters(*middle.T) + 1)
    V = fem.functionspace(m, ("Lagrange", 1, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, found.materials, cell_tags=tags, unit="MPa", kernel="torch")
    ends = fem.Function(V)
    ends.interpolate(lambda x: np.stack([1e-3 * x[0], 0 * x[0], 0 * x[0]]))
    low, high = m.geometry.x[:, 0].min(), m.geometry.x[:, 0].max()
    dofs = fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], low) | np.isclose(x[0], high))
    Problem(law.residual(v), law, bcs=[fem.dirichletbc(ends, dofs)]).solve().require()
    stress = law.field("cauchy_stress").x.array.reshape(-1, 9)[:, 0]
    means = [stress[tags.values == k].mean() for k in (1, 2, 3)]
    assert min(means) > 50
    assert max(means) > 1.02 * min(means)  # grains are of different stiffness
    plane, _ = found.grid.mesh(MPI.COMM_WORLD, refine=2)
    assert plane.topology.index_map(2).size_local == 4 * NX * NY
    for options in ({"layers": 0}, {"refine": 0}, {"scale": -1.0}, {"thickness": 0.0}):
        with pytest.raises(DataError, match="each has to be positive"):
            found.grid.mesh(MPI.COMM_WORLD, **options)


# ---- DAMASK and Neper --------------------------------------------------------------------------------------------------


def image(path: Path, material: np.ndarray, *, ascii: bool = False, compressor: bool = True, name: str = "material") -> Path:  # noqa: A002
    """A grid as VTK's own writer puts it, in the modes that DAMASK's export uses."""
    grid = pv.ImageData(dimensions=np.array(material.shape) + 1, spacing=(0.5, 0.25, 1.0), origin=(1.0, 0, 0))
    grid.cell_data[name] = material.ravel(order="F")
    writer = vtkXMLImageDataWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(grid)
    writer.SetDataModeToAscii() if ascii else writer.SetDataModeToBinary()
    if not compressor:
        writer.SetCompressorTypeToNone()
    writer.Write()
    return path


@pytest.mark.parametrize("options", [{}, {"ascii": True}, {"compressor": False}])
def test_a_grid_of_damask(options: dict, tmp_path: Path) -> None:
    material = np.random.default_rng(0).integers(0, 7, (4, 3, 2))
    grid = read_damask_grid(image(tmp_path / "grid.vti", material, **options))
    np.testing.assert_array_equal(grid.tags, material)
    np.testing.assert_allclose(grid.spacing, [0.5, 0.25, 1.0])
    np.testing.assert_allclose(grid.origin, [1.0, 0, 0])
    m, tags = grid.mesh(MPI.COMM_WORLD)
    at = np.floor((mesh.compute_midpoints(m, 3, tags.indices) - grid.origin) / grid.spacing).astype(int)
    np.testing.assert_array_equal(tags.values, material[tuple(at.T)])
    with pytest.raises(DataError, match="leave it out"):
        grid.mesh(MPI.COMM_WORLD, thickness=1.0)


def test_a_large_grid_of_damask_in_blocks(tmp_path: Path) -> None:
    """VTK compresses in blocks of 32 KiB."""
    material = np.random.default_rng(0).integers(0, 400, (40, 30, 20))
    np.testing.assert_array_equal(read_damask_grid(image(tmp_path / "grid.vti", material)).tags, material)


def test_other_grids_are_refused(tmp_path: Path) -> None:
    material = np.arange(8).reshape(2, 2, 2)
    path = image(tmp_path / "grid.vti", material, ascii=True)
    text = path.read_text()
    for old, new, message in (
        ('Name="material"', 'Name="grain"', "no array 'material', but 'grain'"),
        ('WholeExtent="0 2', 'WholeExtent="0 3', "8 values for 3 × 2 × 2 cells"),
        ('Spacing="0.5', 'Spacing="-0.5', "three positive"),
        ('Direction="1 0 0', 'Direction="0 1 0', "axes are turned"),
        ('type="ImageData"', 'type="StructuredGrid"', "a grid of DAMASK is ImageData"),
        ("</VTKFile>", "", "no grid of VTK"),
        ("        0 4", "        -1 4", "from -1"),
        ("        0 4", "        zero 4", "damaged"),
        ("<CellData", "<AppendedData/><CellData", "appended"),
    ):
        assert old in text, old
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(DataError, match=message):
            read_damask_grid(path)
    with pytest.raises(DataError, match="whole numbers"):
        read_damask_grid(image(tmp_path / "real.vti", material + 0.5))
    packed = image(tmp_path / "packed.vti", material).read_text()
    start = packed.index("<DataArray")
    body = packed.index(">", start) + 1
    (tmp_path / "packed.vti").write_text(packed[: body + 30] + packed[packed.index("</DataArray>", body) :])
    with pytest.raises(DataError, match=r"cut off|damaged"):
        read_damask_grid(tmp_path / "packed.vti")
    with pytest.raises(DataError, match="no grid at"):
        read_damask_grid(tmp_path / "none.vti")


def neper(tmp_path: Path) -> Path:
    """Two boxes side by side as Neper writes a mesh: version 2.2, its own sections, element sets with orientations."""
    gmsh.initialize(readConfigFiles=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MshFileVersion", 2.2)
        for x in (0.0, 0.4):
            gmsh.model.occ.addBox(x, 0, 0, 0.4 if not x else 0.6, 1, 1)
        gmsh.model.occ.fragment([(3, 1)], [(3, 2)])
        gmsh.model.occ.synchronize()
        for _, tag in gmsh.model.getEntities(3):
            left = gmsh.model.occ.getCenterOfMass(3, tag)[0] < 0.4
            gmsh.model.addPhysicalGroup(3, [tag], 3 if left else 8, f"poly{3 if left else 8}")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.5)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(tmp_path / "n2.msh"))
    finally:
        gmsh.finalize()
    path = tmp_path / "n2.msh"
    text = path.read_text().replace("$Nodes", "$MeshVersion\n2.2.3\n$EndMeshVersion\n$Domain\ncube\n$EndDomain\n$Nodes", 1)
    path.write_text(text + "$ElsetOrientations\n2 rodrigues:active\n3 0.1 0.2 0.3\n8 0.0 0.0 1.0\n$EndElsetOrientations\n")
    return path


def test_a_mesh_of_neper(tmp_path: Path) -> None:
    path = neper(tmp_path)
    m, tags = read_neper_mesh(path, MPI.COMM_WORLD)
    middle = mesh.compute_midpoints(m, 3, tags.indices)
    np.testing.assert_array_equal(tags.values, np.where(middle[:, 0] < 0.4, 3, 8))
    turns = read_orientations(path)
    assert sorted(turns) == [3, 8]
    np.testing.assert_allclose(turns[8] @ [1, 0, 0], [0, 1, 0], atol=1e-12)  # tan(45°) about z
    u = fem.Function(fem.functionspace(m, ("Lagrange", 1, (3,))))
    law = UserMaterial(u, COPPER, cell_tags=tags, orientation=turns, kernel="torch")
    assert law.points.count > 0
    with pytest.raises(DataError, match="no mesh at"):
        read_neper_mesh(tmp_path / "none.msh", MPI.COMM_WORLD)
    (tmp_path / "bad.msh").write_text("no mesh")
    with pytest.raises(DataError, match=r"bad.msh"):
        read_neper_mesh(tmp_path / "bad.msh", MPI.COMM_WORLD)


# ---- colours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "corners"),
    [
        ("m-3m", ([0, 0, 1], [1, 0, 1], [1, 1, 1])),
        ("6/mmm", ([0, 0, 1], [1, 0, 0], [np.sqrt(3), 1, 0])),
        ("4/mmm", ([0, 0, 1], [1, 0, 0], [1, 1, 0])),
        ("-3m", ([0, 0, 1], [np.sqrt(3), -1, 0], [np.sqrt(3), 1, 0])),
        ("mmm", ([0, 0, 1], [1, 0, 0], [0, 1, 0])),
    ],
)
def test_the_corners_of_the_key_are_red_green_and_blue(symbol: str, corners: tuple) -> None:
    group = PointGroup.from_symbol(symbol)
    for corner, colour in zip(corners, np.eye(3), strict=True):
        d = np.array(corner, dtype=float) + [0, 0, 1e-4]  # on the equator of -3m, green and blue are one direction and its opposite
        d /= np.linalg.norm(d)
        R = Rotation.align_vectors([[0, 0, 1.0]], [d])[0].as_matrix()  # takes the direction to z
        np.testing.assert_allclose(inverse_pole_figure_colours(R[None], group)[0], colour, atol=0.02)


@pytest.mark.parametrize("symbol", ["m-3m", "m-3", "4/m", "4/mmm", "6/m", "6/mmm", "-3", "-3m", "mmm", "2/m", "-1"])
def test_colours_are_those_of_every_equivalent_orientation(symbol: str) -> None:
    turn = Rotation.random(random_state=11).as_matrix()
    group = PointGroup.from_symbol(symbol).rotated(turn)  # a crystal that lies anyhow in its own axes
    R = Rotation.random(20, random_state=5).as_matrix()
    colours = inverse_pole_figure_colours(R, group, "x")
    assert colours.min() >= 0
    np.testing.assert_allclose(colours.max(axis=1), 1)
    for g in group.laue_rotations:
        np.testing.assert_allclose(inverse_pole_figure_colours(R @ g, group, "x"), colours, atol=1e-6)
    wrong = Rotation.from_rotvec([0.2, 0.1, 0.3]).as_matrix()
    assert np.abs(inverse_pole_figure_colours(R @ wrong, group, "x") - colours).max() > 0.1  # control


def test_pictures_of_maps(tmp_path: Path) -> None:
    path, _ = ang(tmp_path)
    found = read_grain_map(path, COPPER, frame="same")
    figure = plot_grain_map(found.grid.tags, found.orientations, COPPER.point_group, spacing=STEP)
    figure.savefig(tmp_path / "map.png")
    assert figure.axes[0].get_title(loc="left") == "3 grains"
    nothing = np.full((1, 3, 3), np.nan)
    np.testing.assert_array_equal(inverse_pole_figure_colours(nothing, COPPER.point_group), 1.0)
    for direction in ("a", np.zeros(3), np.array([1.0, np.nan, 0])):
        with pytest.raises(ConstitutiveError, match="direction="):
            inverse_pole_figure_colours(found.orientations[1][None], COPPER.point_group, direction)


def test_grids_of_one_row_are_no_maps(tmp_path: Path) -> None:
    path, _ = ang(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    head = [line for line in lines if line.startswith("#")]
    path.write_text("".join(head + lines[len(head) : len(head) + NX]))
    with pytest.raises(DataError, match="two rows and columns"):
        read_grain_map(path, COPPER, frame="same")
    assert GrainGrid(np.ones((2, 2), dtype=int), np.ones(2), np.zeros(2)).tags.shape == (2, 2)
