"""Files of orientations of other programs: read as they mean them, or refused; never guessed."""

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from constitutive import Material
from constitutive.errors import DataError
from constitutive.fem import read_constituents, read_orientations, rotation_from_bunge
from constitutive.fem.orientations import OrientationWarning

TURNS = Rotation.random(40, random_state=7)
QUARTZ = {"C11": 86.6, "C12": 6.7, "C13": 12.4, "C14": -17.8, "C33": 106.4, "C44": 58.0}


def rows(values: np.ndarray, before: str = "", after: str = "") -> str:
    """Lines of numbers."""
    return "".join(f"{before}{' '.join(f'{x:.12f}' for x in row)}{after}\n" for row in np.atleast_2d(values))


def bunge(turns: Rotation, *, degrees: bool = True) -> np.ndarray:
    """Bunge's angles of crystal → lab rotations: φ₁ about z, Φ about the new x, φ₂ about the new z."""
    return turns.as_euler("ZXZ", degrees=degrees) % (360 if degrees else 2 * np.pi)


def quaternions(turns: Rotation) -> np.ndarray:
    """Scalar first."""
    return turns.as_quat()[:, [3, 0, 1, 2]]


def write(tmp_path: Path, name: str, text: str) -> Path:
    """A file of a test."""
    (tmp_path / name).write_text(text)
    return tmp_path / name


def off(found: dict[int, np.ndarray], turns: Rotation = TURNS) -> float:
    """Largest difference from the turns, in order."""
    return float(np.abs(np.stack(list(found.values())) - turns.as_matrix()).max())


def test_the_angles_of_this_test_are_bunge_s() -> None:
    np.testing.assert_allclose(rotation_from_bunge(bunge(TURNS)), TURNS.as_matrix(), atol=1e-12)


def axis_angle(turns: Rotation) -> np.ndarray:
    vectors = turns.as_rotvec()
    angle = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.hstack([vectors / angle, np.degrees(angle)])


HEADLESS = {
    "bunge": bunge,
    "euler-bunge:active": bunge,
    "kocks": lambda t: bunge(t) * [1, 1, -1] + [-90, 0, 90],
    "roe": lambda t: bunge(t) + [-90, 0, 90],
    "quaternion": quaternions,
    "rodrigues": lambda t: t.as_quat()[:, :3] / t.as_quat()[:, 3:],
    "axis-angle": axis_angle,
    "rotmat": lambda t: t.as_matrix().reshape(-1, 9),
}


@pytest.mark.parametrize("columns", HEADLESS)
def test_tables_without_header(columns: str, tmp_path: Path) -> None:
    path = write(tmp_path, "grains.ori", rows(HEADLESS[columns](TURNS)))
    found = read_orientations(path, columns=columns)
    assert list(found) == list(range(1, 41))
    assert off(found) < 1e-9
    assert off(read_orientations(path, columns=columns, passive=True), TURNS.inv()) < 1e-9
    name = columns.partition(":")[0]
    assert off(read_orientations(path, columns=f"{name}:passive"), TURNS.inv()) < 1e-9


def test_rodrigues_read_as_angles_is_something_else(tmp_path: Path) -> None:
    """Control: what the option is needed for."""
    path = write(tmp_path, "grains.ori", rows(HEADLESS["rodrigues"](TURNS)))
    assert off(read_orientations(path, columns="bunge")) > 0.1


@pytest.mark.parametrize(
    ("columns", "before", "after"),
    [
        ("bunge", "1 ", ""),  # a row number in front
        ("bunge", "", " 0.25"),  # a weight behind: an ODF
        ("bunge", "", " 1.5 0 100 0.6 1 140 1.2"),  # a map of EBSD
        ("quaternion", "3 ", ""),
        ("rodrigues", "", " 1"),
    ],
)
def test_columns_without_a_name_are_refused(columns: str, before: str, after: str, tmp_path: Path) -> None:
    path = write(tmp_path, "table.txt", rows(HEADLESS[columns](TURNS), before, after))
    with pytest.raises(DataError, match=r"has no header and \d+ columns.*names its columns"):
        read_orientations(path, columns=columns)


def test_a_header_names_columns_in_any_order(tmp_path: Path) -> None:
    body = rows(np.hstack([np.arange(40)[:, None] + 100, bunge(TURNS), np.ones((40, 1))]))
    found = read_orientations(write(tmp_path, "a.txt", "id phi1 Phi phi2 quality\n" + body.replace(".000000000000 ", " ")))
    assert list(found) == list(range(100, 140))
    assert off(found) < 1e-9
    r = HEADLESS["rodrigues"](TURNS)
    assert off(read_orientations(write(tmp_path, "b.csv", "r3,r1,r2\n" + rows(r[:, [2, 0, 1]]).replace(" ", ",")))) < 1e-9


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("phi1 Phi phi2 odf\n1 2 3 0.5\n", {}, "distribution of orientations"),
        ("phi1 Phi phi2 value\n1 2 3 0.5\n", {}, "distribution of orientations"),
        ("id phi1 Phi phi2\n1.5 0 0 0\n", {}, "row 1 holds 1.5, a whole number"),
        ("phi1 Phi phi2 q0 q1 q2 q3\n0 0 0 1 0 0 0\n", {}, "names bunge and quaternion; pass columns="),
        ("phi1 Phi phi2\n0 0 0\n", {"columns": "quaternion"}, "columns='quaternion' was given"),
        ("0 0 0\n", {"columns": "euler"}, "needed one of euler-bunge"),
        ("0 0 0\n", {"columns": "bunge", "phase": 2}, "names no phases"),
        ("1 1 0 30\n", {"columns": "axis-angle"}, "length 1.414"),
        ("1 0 0 0 2 0 0 0 1\n", {"columns": "rotmat"}, "row 1 is not a rotation"),
        ("1 0 0 0 1 0 0 0 -1\n", {"columns": "rotmat"}, "left-handed"),
        ("nan 0 0\n", {"columns": "rodrigues"}, "row 1 holds a value that is not finite"),
        ("12,5 30,1 4,2\n", {"columns": "bunge"}, "a row has a text"),
    ],
)
def test_tables_that_may_mean_something_else_are_refused(text: str, options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_orientations(write(tmp_path, "table.txt", text), **options)


# ---- maps of EBSD ----------------------------------------------------------------------------------------------------


def ang(turns: Rotation, header: str = "") -> str:
    body = rows(bunge(turns, degrees=False), after=" 0.500 0.000 120.0 0.600 0 140 1.250")
    return f"# TEM_PIXperUM 1.0\n{header}#\n# GRID: SqrGrid\n" + body


def ctf(turns: Rotation, phases: str) -> str:
    head = f"Channel Text File\nPrj test\nJobMode\tGrid\nXCells\t40\n{phases}"
    return head + "Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS\n" + rows(bunge(turns), "1 0.5 0.0 7 0 ", " 0.5 100 0")


COPPER = "Phases\t1\n3.61;3.61;3.61\t90;90;90\tCopper\t11\t225\n"
MAGNESIUM = "Phases\t1\n3.21;3.21;5.21\t90;90;120\tMagnesium\t9\t194\n"


def test_maps_of_edax_and_oxford(tmp_path: Path) -> None:
    """Radians in the first three columns of one, degrees below their names in the other."""
    assert off(read_orientations(write(tmp_path, "map.ang", ang(TURNS)))) < 1e-9
    assert off(read_orientations(write(tmp_path, "map.ctf", ctf(TURNS, COPPER)))) < 1e-9
    with pytest.raises(DataError, match="EDAX writes radians"):
        read_orientations(write(tmp_path, "degrees.ang", rows(bunge(TURNS), after=" 0.5 0 120 0.6 0")))
    with pytest.raises(DataError, match="holds bunge, columns='quaternion'"):
        read_orientations(tmp_path / "map.ang", columns="quaternion")
    with pytest.raises(DataError, match="no line 'Phase X Y"):
        read_orientations(write(tmp_path, "short.ctf", "Channel Text File\n1 2 3\n"))


def test_points_that_were_not_indexed_get_no_orientation(tmp_path: Path) -> None:
    lost = rows(np.full(3, 4 * np.pi), after=" 1 0 5 -1 0 0 3")
    path = write(tmp_path, "map.ang", ang(TURNS[:2]) + lost + rows(bunge(TURNS[2:3], degrees=False), after=" 1 0 5 0.5 0"
                                                                " 0 3"))  # fmt: skip
    with pytest.warns(OrientationWarning, match="1 of 4 points are not indexed"):
        found = read_orientations(path)
    assert list(found) == [1, 2, 4]
    assert off(found, TURNS[:3]) < 1e-9
    text = ctf(TURNS, COPPER).replace("\n1 0.5", "\n0 0.5") + rows(bunge(TURNS[:1]), "1 0 0 7 0 ", " 1 1 0")
    with pytest.warns(OrientationWarning, match="40 of 41"):
        assert list(read_orientations(write(tmp_path, "map.ctf", text))) == [41]


def test_phases_of_a_map(tmp_path: Path) -> None:
    two = COPPER.replace("1\n", "2\n", 1) + MAGNESIUM.partition("\n")[2]
    text = ctf(TURNS[:2], two) + rows(bunge(TURNS[2:3]), "2 1 0 7 0 ", " 0.5 100 0")
    path = write(tmp_path, "map.ctf", text)
    assert off(read_orientations(path, phase=1), TURNS[:2]) < 1e-9  # copper's axes are at right angles
    with pytest.raises(DataError, match="phase 2 of the file are oblique"):
        read_orientations(path)
    with pytest.raises(DataError, match="its phases: 1, 2"):
        read_orientations(path, phase=3)
    copper = Material.from_constants("m-3m", {"C11": 170.0, "C12": 122.0, "C44": 75.0})
    with pytest.raises(DataError, match="pass phase= too"):
        read_orientations(path, crystal=copper, crystal_axes="x||a")


# ---- axes of the crystal ---------------------------------------------------------------------------------------------


def quartz() -> Material:
    return Material.from_constants("32", QUARTZ)


def test_oblique_axes_must_be_named(tmp_path: Path) -> None:
    """Bunge's angles of EDAX and Oxford for one crystal differ by 30° in φ₂."""
    table = write(tmp_path, "grains.txt", "phi1 Phi phi2\n10 40 20\n")
    with pytest.raises(DataError, match=r"the trigonal crystal are oblique.*crystal_axes='x"):
        read_orientations(table, crystal=quartz())
    with pytest.raises(DataError, match=r"needed 'x\|\|a'"):
        read_orientations(table, crystal_axes="a")
    with pytest.raises(DataError, match="needs crystal="):
        read_orientations(table, crystal_axes="x||a*")
    edax = read_orientations(table, crystal=quartz(), crystal_axes="x||a")[1]
    np.testing.assert_allclose(edax, rotation_from_bunge(np.array([10.0, 40.0, 20.0])), atol=1e-12)
    oxford = read_orientations(table, crystal=quartz(), crystal_axes="x||a*")[1]
    np.testing.assert_allclose(oxford, rotation_from_bunge(np.array([10.0, 40.0, 50.0 - 60.0])), atol=1e-12)  # 30° back about c
    assert np.abs(oxford - edax).max() > 0.3  # control
    assert list(read_orientations(table, crystal_axes="x||a")) == [1]


def test_axes_of_files_with_hexagonal_phases(tmp_path: Path) -> None:
    path = write(tmp_path, "map.ctf", ctf(TURNS, MAGNESIUM))
    with pytest.raises(DataError, match="phase 1 of the file are oblique"):
        read_orientations(path)
    header = "# Phase 1\n# MaterialName Titanium\n# Symmetry 62\n# LatticeConstants 2.95 2.95 4.68 90.0 90.0 120.0\n"
    with pytest.raises(DataError, match="pass crystal_axes"):
        read_orientations(write(tmp_path, "map.ang", ang(TURNS, header)))
    assert off(read_orientations(tmp_path / "map.ang", crystal_axes="x||a")) < 1e-9


def test_axes_come_from_the_cell_of_the_material(tmp_path: Path) -> None:
    """A lattice vector points where the file's convention says, however the cell lies in its frame."""
    table = write(tmp_path, "grains.txt", "phi1 Phi phi2\n0 0 0\n")  # the file's axes are the lab's
    turn = rotation_from_bunge(np.array([33.0, 21.0, 5.0]))
    cell = Structure.from_spacegroup("P3_221", Lattice.hexagonal(4.91, 5.4), ["Si", "O"], [[0.47, 0, 2 / 3], [0.41, 0.27, 0.78]])
    crystal = Material(quartz().law, quartz().point_group, cell).rotated(turn)
    a, _, c = crystal.structure.lattice.matrix
    for axes, along in (("x||a", a), ("x||a*", crystal.structure.lattice.reciprocal_lattice.matrix[0])):
        R = read_orientations(table, crystal=crystal, crystal_axes=axes)[1]
        np.testing.assert_allclose(R @ along / np.linalg.norm(along), [1, 0, 0], atol=1e-9)
        np.testing.assert_allclose(R @ c / np.linalg.norm(c), [0, 0, 1], atol=1e-9)
        assert np.linalg.det(R) == pytest.approx(1)
    monoclinic = Material.from_constants("2/m", np.diag([100.0, 110, 120, 30, 40, 50]))
    with pytest.raises(DataError, match="has no structure"):
        read_orientations(table, crystal=monoclinic, crystal_axes="x||a")


def test_axes_at_right_angles_need_no_word(tmp_path: Path) -> None:
    table = write(tmp_path, "grains.txt", "phi1 Phi phi2\n10 40 20\n")
    copper = Material.from_constants("m-3m", {"C11": 170.0, "C12": 122.0, "C44": 75.0})
    expected = rotation_from_bunge(np.array([10.0, 40.0, 20.0]))
    for options in ({}, {"crystal_axes": "x||a"}, {"crystal_axes": "x||a*"}):
        np.testing.assert_allclose(read_orientations(table, crystal=copper, **options)[1], expected, atol=1e-12)


# ---- DAMASK and Neper ------------------------------------------------------------------------------------------------


def damask(*materials: str) -> str:
    return "material:\n" + "".join(f"- {{homogenization: one, constituents: [{m}]}}\n" for m in materials)


def test_damask_counts_from_zero(tmp_path: Path) -> None:
    one, two = "{phase: a, v: 1.0, O: [1.0, 0, 0, 0]}", "{phase: b, v: 1.0, O: [0, 1.0, 0, 0]}"
    path = write(tmp_path, "material.yaml", damask(one, two))
    assert list(read_orientations(path)) == [0, 1]
    assert list(read_orientations(path, first=1)) == [1, 2]
    assert list(read_orientations(path, phase="b")) == [1]


def test_several_constituents_of_a_material_are_chosen_or_all_read(tmp_path: Path) -> None:
    whole = "{phase: a, O: [1.0, 0, 0, 0]}"
    parts = "{phase: a, v: 0.25, O: [0, 1.0, 0, 0]}, {phase: b, v: 0.75, O: [0.6, 0.8, 0, 0]}"
    path = write(tmp_path, "several.yaml", damask(whole, parts))
    with pytest.raises(DataError, match=r"material 1 has 2 constituents.*constituent= to choose"):
        read_orientations(path)
    with pytest.raises(DataError, match="material 0 has 1 constituents, constituent=1"):
        read_orientations(path, constituent=1)
    first = read_orientations(path, constituent=0)
    np.testing.assert_allclose(first[1], np.diag([1.0, -1, -1]), atol=1e-12)
    found = read_constituents(path)
    assert [[(v, phase) for v, phase, _ in each] for each in found.values()] == [[(1.0, "a")], [(0.25, "a"), (0.75, "b")]]
    np.testing.assert_allclose(found[1][1][2] @ [0, 1, 0], [0, -0.28, 0.96], atol=1e-12)
    only = write(tmp_path, "second.yaml", damask(parts, parts))
    assert list(read_orientations(only, constituent=1, phase="b")) == [0, 1]
    for text, message in (
        (damask("{v: 0.5, O: [1, 0, 0, 0]}"), "add up to 0.5"),
        (damask("{O: [1, 0, 0]}"), "four numbers as O"),
        ("material: []", "list of materials is empty"),
        ("material: 3", "not a DAMASK material.yaml"),
    ):
        with pytest.raises(DataError, match=message):
            read_constituents(write(tmp_path, "bad.yaml", text))
    with pytest.raises(DataError, match=r"no material\.yaml at"):
        read_constituents(tmp_path / "none.yaml")


# ---- VPSC and other weighted lists -----------------------------------------------------------------------------------


def vpsc(values: np.ndarray, letter: str, weights: np.ndarray) -> str:
    """A texture as VPSC and MTEX's export to it write it."""
    return f"texture of copper\n\n\n{letter}  {len(values):5d}\n" + rows(np.column_stack([values, weights]), "  ")


@pytest.mark.parametrize(("letter", "kind"), [("B", "bunge"), ("K", "euler-kocks"), ("R", "euler-roe"), ("b", "bunge")])
def test_textures_of_vpsc(letter: str, kind: str, tmp_path: Path) -> None:
    values = HEADLESS[kind.removeprefix("euler-")](TURNS)
    path = write(tmp_path, "cu.tex", vpsc(values, letter, np.full(40, 1 / 40)))
    found = read_orientations(path)
    assert list(found) == list(range(1, 41))
    assert off(found) < 1e-9
    other = write(tmp_path, "other.tex", vpsc(values, "K" if letter.lower() != "k" else "B", np.ones(40)))
    assert off(read_orientations(other)) > 0.1  # control: the letter matters


def test_weights_need_a_draw(tmp_path: Path) -> None:
    weights = np.where(np.arange(40) == 7, 39.0, 1.0)
    path = write(tmp_path, "cu.tex", vpsc(bunge(TURNS), "B", weights))
    with pytest.raises(DataError, match=r"weights from 1 to 39 .* pass draw="):
        read_orientations(path)
    drawn = read_orientations(path, draw=2000, seed=1)
    assert list(drawn) == list(range(1, 2001))
    heavy = [np.abs(R - TURNS[7].as_matrix()).max() < 1e-9 for R in drawn.values()]
    assert np.mean(heavy) == pytest.approx(0.5, abs=0.04)
    assert np.abs(drawn[5] - read_orientations(path, draw=2000, seed=1)[5]).max() == 0
    with pytest.raises(DataError, match="draw=0"):
        read_orientations(path, draw=0)
    table = write(tmp_path, "grains.txt", "phi1 Phi phi2 weight\n1 2 3 0.5\n4 5 6 0.2\n")
    with pytest.raises(DataError, match="pass draw="):
        read_orientations(table)
    assert len(read_orientations(table, draw=10)) == 10
    with pytest.raises(DataError, match="not negative"):
        read_orientations(write(tmp_path, "minus.txt", "phi1 Phi phi2 weight\n1 2 3 0.5\n4 5 6 -0.2\n"), draw=3)


def test_other_files_like_vpsc_s_are_refused(tmp_path: Path) -> None:
    text = vpsc(bunge(TURNS), "B", np.ones(40))
    for changed, message in (
        (text + text, "after its 40 grains follows 'texture of copper'"),
        (text.replace("B     40", "B     41"), "promises 41 of 4"),
        (vpsc(bunge(TURNS)[:, :2], "B", np.ones(40)), "40 rows of 3 numbers"),
    ):
        with pytest.raises(DataError, match=message):
            read_orientations(write(tmp_path, "cu.tex", changed))
    with pytest.raises(DataError, match="belongs to DAMASK"):
        read_orientations(write(tmp_path, "cu.tex", text), constituent=0)


@pytest.mark.parametrize("descriptor", ["rodrigues", "quaternion", "euler-bunge", "axis-angle", "euler-kocks", "euler-roe"])
def test_neper_states_its_descriptor(descriptor: str, tmp_path: Path) -> None:
    values = rows(HEADLESS[descriptor.removeprefix("euler-")](TURNS[:4]), "   ")
    cell = (
        f"***tess\n **format\n   4.5\n **cell\n  4\n  *id\n   4 1 2 3\n  *ori\n"
        f"   {descriptor}:active\n{values}  *crysym\n   cubic\n **vertex\n  0\n***end\n"
    )
    found = read_orientations(write(tmp_path, "a.tess", cell))
    assert list(found) == [4, 1, 2, 3]
    assert off(found, TURNS[:4]) < 1e-9
    assert off(read_orientations(write(tmp_path, "b.tess", cell.replace(":active", ":passive"))), TURNS[:4].inv()) < 1e-9
    lines = "".join(f"{k + 7} {line}\n" for k, line in enumerate(values.splitlines()))
    mesh = f"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$ElsetOrientations\n4 {descriptor}:active\n{lines}$EndElsetOrientations\n"
    found = read_orientations(write(tmp_path, "a.msh", mesh))
    assert list(found) == [7, 8, 9, 10]
    assert off(found, TURNS[:4]) < 1e-9


def test_neper_files_without_clear_orientations_are_refused(tmp_path: Path) -> None:
    for text, message in (
        ("***tess\n **cell\n  2\n  *seed\n 1 2\n***end\n", "no orientations in it"),
        ("***tess\n **cell\n  1\n  *ori\n   rotmat:active\n 1 0 0 0 1 0 0 0 1\n***end\n", "R or its transpose"),
        ("***tess\n **cell\n  2\n  *ori\n   rodrigues:active\n 0 0 0\n***end\n", "3 numbers in a block, needed 2 rows of 3"),
        ("***tess\n **cell\n  1\n  *ori\n   homochoric:active\n 0 0 0\n***end\n", "-oridescriptor"),
    ):
        with pytest.raises(DataError, match=message):
            read_orientations(write(tmp_path, "a.tess", text))
