"""Conventional and IEEE frames, and orientations by Miller indices."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal
from crystal_cases import EXACT, elastic, rotation, unimodular, with_basis

from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    PointGroup,
    crystal_frames,
    find_symmetry,
    from_miller,
    ieee_cut,
    quartz,
    random_crystal,
    wafer,
)
from constitutive.symmetry import operations as ops
from constitutive.symmetry.frames import _conventional_axes

# ---- frames

FRAMED = [
    1, 2, 3, 5, 7, 9, 15, 20, 28, 36, 43, 62, 70, 75, 81, 82, 88, 99, 111, 115, 122, 141, 143, 144, 146, 147, 148, 149, 150, 152,
    155, 156, 157, 160, 162, 164, 166, 167, 168, 174, 176, 182, 186, 187, 189, 193, 195, 198, 205, 206, 212, 215, 220, 225, 227,
]  # fmt: skip


def presentations(number, count=3):
    """One crystal in several cells, with other origins and orders of atoms, in one Cartesian frame."""
    made = random_crystal(number).cell
    yield made
    for trial in range(1, count):
        cell = with_basis(made, unimodular(17 * number + trial, 4) if trial % 2 else np.diag([1, 2, 1]))
        rng = np.random.default_rng(trial)
        order = rng.permutation(len(cell.kinds))
        positions = (cell.positions + rng.random(3))[order]
        yield replace(cell, positions=positions, kinds=cell.kinds[order], weights=cell.weights[order])


@pytest.mark.parametrize("number", FRAMED)
def test_frames_are_right_handed_and_the_same_for_every_cell(number):
    frames = [find_symmetry(cell).frames for cell in presentations(number)]
    for name in ("conventional", "ieee"):
        rotations = [getattr(f, name) for f in frames]
        assert all(np.linalg.det(R) > 0 and ops.orthogonality_error(R) < 1e-10 for R in rotations)
        assert max(np.abs(R - rotations[0]).max() for R in rotations) < 1e-6


@pytest.mark.parametrize("number", FRAMED[::3])
def test_frames_turn_with_the_crystal(number):
    made, R = random_crystal(number), rotation(number + 5)
    here = find_symmetry(made.cell).frames
    there = find_symmetry(with_basis(made.cell, unimodular(number), matrix=R)).frames
    for name in ("conventional", "ieee"):
        rest = getattr(here, name).T @ getattr(there, name) @ R  # an operation of the crystal, which no tensor sees
        assert ops.contains(made.point_group.operations, rest, 1e-5)


def test_without_the_rule_the_sign_would_depend_on_the_cell():
    """Control: the axes of the cell as spglib returns it differ by more than an operation of the crystal."""
    different = 0
    for seed in range(8):
        cells = [random_crystal(164).cell, with_basis(random_crystal(164).cell, unimodular(seed, 5), matrix=rotation(seed))]
        first, second = (_conventional_axes(find_symmetry(c).conventional) for c in cells)
        rest = first.T @ second @ rotation(seed)
        different += not ops.contains(random_crystal(164).point_group.operations, rest, 1e-5)
    assert different


@pytest.mark.parametrize("C14", [18.0, -18.0])
def test_a_measured_tensor_decides_the_sign_as_in_ieee_176(C14):
    report = find_symmetry(quartz("right"))
    frames = crystal_frames(report, sign_from=elastic(C14))
    pairs = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    full = elastic(C14)[pairs[:, :, None, None], pairs]
    turned = np.einsum("ia,jb,kc,ld,abcd->ijkl", *[frames.ieee] * 4, full, optimize=True)
    assert turned[0, 0, 1, 2] == pytest.approx(18.0)
    assert frames.decided_by == "tensor"


def test_a_tensor_is_no_use_where_nothing_is_open():
    """Cubic m-3m leaves nothing open; an isotropic stiffness is welcome there, and refused for quartz."""
    isotropic = np.diag([3.0, 3, 3, 1.5, 1.5, 1.5])
    isotropic[:3, :3] += 1.0
    frames = crystal_frames(find_symmetry(bulk("Cu", cubic=True)), sign_from=isotropic)
    assert frames.ieee == pytest.approx(np.eye(3))
    with pytest.raises(SymmetryError, match="decides nothing"):
        crystal_frames(find_symmetry(quartz()), sign_from=isotropic)


def test_a_noisy_tensor_still_takes_the_nearest_frame():
    noise = 0.3 * np.random.default_rng(0).normal(size=(6, 6))
    frames = crystal_frames(find_symmetry(quartz()), sign_from=elastic(18.0) + noise + noise.T)
    assert frames.ieee == pytest.approx(np.eye(3), abs=1e-9)


def test_a_piezoelectric_tensor_decides_polar_senses():
    zinc_oxide = crystal(["Zn", "O"], [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.382)], spacegroup=186, cellpar=[3.25, 3.25, 5.2, 90, 90, 120])
    e = np.zeros((3, 6))
    e[2] = [-0.6, -0.6, 1.2, 0, 0, 0]
    e[0, 4] = e[1, 3] = -0.5
    for sign in (1, -1):
        frames = crystal_frames(find_symmetry(zinc_oxide), sign_from=sign * e)
        assert (frames.ieee @ [0, 0, sign])[2] == pytest.approx(1)
    with pytest.raises(SymmetryError, match="decides nothing"):
        crystal_frames(find_symmetry(zinc_oxide), sign_from=0 * e)
    with pytest.raises(SymmetryError, match="shape"):
        crystal_frames(find_symmetry(zinc_oxide), sign_from=np.eye(3))


def test_rotations_between_frames():
    frames = find_symmetry(with_basis(random_crystal(9).cell, np.eye(3, dtype=int), matrix=rotation(9))).frames
    assert np.abs(frames.between("input", "ieee") - frames.ieee).max() < EXACT
    there = frames.between("conventional", "ieee")
    assert np.abs(there @ frames.conventional - frames.ieee).max() < EXACT
    assert np.linalg.det(there) == pytest.approx(1)
    with pytest.raises(SymmetryError, match="there are: input, conventional, ieee"):
        frames.between("input", "bravais")


def test_wurtzite_points_from_metal_to_nonmetal():
    for u, z in ((0.377, 1), (-0.377, -1)):
        nitride = crystal(["Ga", "N"], [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, u)], spacegroup=186, cellpar=[3.19, 3.19, 5.19, 90, 90, 120])
        frames = find_symmetry(nitride).frames
        assert frames.ieee[2] == pytest.approx([0, 0, z], abs=1e-9)
        assert (frames.open_choices, frames.decided_by) == (2, "bonds")


@pytest.mark.parametrize("number", [1, 2, 3, 9, 15, 19, 28, 62, 70])
def test_ieee_axes_of_low_symmetry_follow_the_standard(number):
    """Triclinic c < a < b, α and β obtuse; monoclinic y ∥ b, z ∥ c < a, β obtuse; orthorhombic c < a < b but for mm2 (z polar, a < b)."""
    made = random_crystal(number)
    report = find_symmetry(made.cell)
    X, Y, Z = report.frames.ieee
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = grid @ made.cell.lattice
    vectors = vectors[np.linalg.norm(vectors, axis=1) > 1e-9]
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))]
    along_z = vectors[np.linalg.norm(np.cross(vectors, Z), axis=1) < 1e-6][0]
    system = report.point_group.crystal_system
    if system == "triclinic":
        assert np.linalg.norm(along_z) == pytest.approx(np.linalg.norm(vectors[0]))
    if system == "monoclinic":
        axis = made.point_group.frame[:, 1]
        assert abs(Y @ axis) == pytest.approx(1)
        if report.centring.shape[0] == 1:
            in_plane = vectors[np.abs(vectors @ axis) < 1e-6]
            assert np.linalg.norm(along_z) == pytest.approx(np.linalg.norm(in_plane[0]))
            a = next(v for v in in_plane if np.linalg.norm(np.cross(v, along_z)) > 1e-3)
            a = a if a @ X > 0 else -a
            assert a @ Z < 1e-9  # β is obtuse
    if system == "orthorhombic":
        lengths = [np.linalg.norm(report.conventional[np.argmax(np.abs(report.conventional @ v))]) for v in (X, Y, Z)]
        if report.point_group.symbol == "mm2":
            assert abs(Z @ made.point_group.frame[:, 2]) == pytest.approx(1)
            assert lengths[0] < lengths[1]
        else:
            assert lengths[2] < lengths[0] < lengths[1]


def test_a_long_cell_hides_no_difference_of_the_short_axes():
    """a = 3.00, b = 3.10, c = 40 Å: a and b are not equal because c is long."""
    slab = crystal(["Si", "O"], [(0.1, 0.2, 0.03), (0.3, 0.15, 0.11)], spacegroup=47, cellpar=[3.0, 3.1, 40.0, 90, 90, 90])
    frames = find_symmetry(slab).frames
    assert frames.open_choices == 1
    assert abs(frames.ieee[2] @ [1, 0, 0]) == pytest.approx(1)  # c < a < b: the shortest along z


def test_ieee_axes_of_high_symmetry_are_the_standard_ones():
    """In the IEEE frame the group is the one of the textbooks' tables, so that tensors have their patterns."""
    for number in (81, 111, 115, 121, 149, 150, 152, 156, 157, 162, 164, 166, 174, 187, 189, 195, 216, 227):
        report = find_symmetry(with_basis(random_crystal(number).cell, np.eye(3, dtype=int), matrix=rotation(number)))
        assert report.point_group.rotated(report.frames.ieee) == PointGroup.from_symbol(report.point_group.symbol)


# ---- orientations


def test_miller_orientations():
    R = from_miller(x=[1, 1, 0], z=[0, 0, 1])
    assert R @ np.array([1, 1, 0]) / np.sqrt(2) == pytest.approx([1, 0, 0])
    assert np.linalg.det(R) == pytest.approx(1)
    assert from_miller(y=[1, 1, 0], z=[0, 0, 1])[1] == pytest.approx(np.array([1, 1, 0]) / np.sqrt(2))
    assert from_miller(x="[1 -1 0]", y="(110)")[2] == pytest.approx([0, 0, 1])
    with pytest.raises(SymmetryError, match=r"45\.000°"):
        from_miller(x=[1, 1, 0], z=[1, 0, 0])
    with pytest.raises(SymmetryError, match="exactly two"):
        from_miller(x=[1, 0, 0])


def test_hexagonal_indices():
    report = find_symmetry(bulk("Mg"))
    R = from_miller(report, x="[2-1-10]", z="[0001]")
    a, _, c = report.frames.conventional_cell
    assert R @ (a / np.linalg.norm(a)) == pytest.approx([1, 0, 0], abs=1e-9)
    assert R @ (c / np.linalg.norm(c)) == pytest.approx([0, 0, 1], abs=1e-9)
    assert from_miller(report.frames.conventional_cell, x="[100]", z="(001)") == pytest.approx(R)
    assert wafer(bulk("Mg"), plane="(10-10)", flat="[0001]")[0] == pytest.approx(report.frames.conventional[2], abs=1e-9)
    with pytest.raises(SymmetryError, match="add up"):
        from_miller(report, x="[1110]", z="[0001]")


def test_wafers():
    R = wafer(plane="(111)", flat="[1-10]")
    assert R @ np.ones(3) / np.sqrt(3) == pytest.approx([0, 0, 1])
    assert R @ np.array([1, -1, 0]) / np.sqrt(2) == pytest.approx([1, 0, 0])
    assert np.linalg.det(R) == pytest.approx(1)
    with pytest.raises(SymmetryError, match="inside the surface"):
        wafer(plane="(001)", flat="[001]")
    with pytest.raises(SymmetryError, match="not understood"):
        wafer(plane="(00)", flat="[001]")


def test_cuts_of_the_ieee_standard():
    """AT-cut quartz: a Y plate turned about x; its stiffness c66' = c66 cos² + c44 sin² + 2 c14 sin cos is 29 GPa (Bechmann 1958)."""
    R = ieee_cut("YXl", -35.25)
    pairs = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    C = np.diag([86.74, 86.74, 107.2, 57.94, 57.94, 39.88])
    C[0, 1] = C[1, 0] = 6.99
    C[:2, 2] = C[2, :2] = 11.91
    C[0, 3] = C[3, 0] = C[4, 5] = C[5, 4] = 17.91
    C[1, 3] = C[3, 1] = -17.91
    plate = np.einsum("ia,jb,kc,ld,abcd->ijkl", *[R] * 4, C[pairs[:, :, None, None], pairs], optimize=True)
    thickness_shear = plate[0, 2, 0, 2]
    assert thickness_shear == pytest.approx(29.0, abs=0.5)
    wrong = ieee_cut("YXl", 35.25)  # control: the other sense is the BT-like side
    assert np.einsum("a,b,c,d,abcd->", *[wrong[0], wrong[2]] * 2, C[pairs[:, :, None, None], pairs]) > 40
    assert ieee_cut("ZX") == pytest.approx(np.eye(3))
    for notation, angles in (("YX", (1.0,)), ("XX", ()), ("YXq", (1.0,))):
        with pytest.raises(SymmetryError, match="cut"):
            ieee_cut(notation, *angles)


@pytest.mark.parametrize(("tilt", "along"), [(7e-13, True), (1e-9, False)])
def test_the_noise_of_a_relaxed_cell_does_not_tilt_the_axes(tilt, along):
    R = ops.rotation((1, 2, 0), np.degrees(tilt))
    operations = R @ PointGroup.from_symbol("2/m").operations @ R.T
    frame = PointGroup.from_operations(operations).frame
    assert np.array_equal(frame, np.round(frame)) == along
