"""Point groups, frames and all that follows from a structure, against facts made elsewhere; each with a twin that must fail."""

import doctest
import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from constitutive.cli import app
from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    MagneticPointGroup,
    PointGroup,
    black_white_groups,
    cell_condition,
    compare,
    crystal_frames,
    elements_in_words,
    enantiomorph,
    enantiomorph_number,
    find_magnetic_group,
    find_symmetry,
    from_miller,
    ieee_cut,
    operation_in_words,
    quartz,
    random_crystal,
    read_cell,
    read_structure,
    require_symmetry,
    stereogram,
    symmetry_ladder,
    wafer,
    wrong_operations,
)
from constitutive.symmetry import operations as ops
from constitutive.symmetry.frames import _conventional_axes
from constitutive.symmetry.tables import LAUE_CLASSES, POINT_GROUPS, SYMBOLS, SYSTEMS
from constitutive.tensors import pairs_formula, project

EXACT = 1e-12
MIRROR = np.diag([-1.0, 1.0, 1.0])
seeds = st.integers(0, 2**32 - 1)
symbols = st.sampled_from(SYMBOLS)


def rotation(seed):
    return Rotation.from_quat(np.random.default_rng(seed).normal(size=4)).as_matrix()


def with_basis(cell, M, *, matrix=None):
    """The same crystal in the cell with vectors M a, its Cartesian frame then turned or mirrored by a matrix."""
    M = np.asarray(M)
    reach = int(np.abs(M).sum()) + 1
    grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    fractions = grid @ np.linalg.inv(M)
    inside = grid[((fractions > -1e-9) & (fractions < 1 - 1e-9)).all(axis=1)]
    assert len(inside) == round(abs(np.linalg.det(M)))
    positions = np.concatenate([(cell.positions + shift) @ np.linalg.inv(M) for shift in inside])
    turn = np.eye(3) if matrix is None else matrix
    count = len(inside)
    return replace(
        cell,
        lattice=M @ cell.lattice @ turn.T,
        positions=positions,
        kinds=np.tile(cell.kinds, count),
        weights=np.tile(cell.weights, count),
    )


def unimodular(seed, steps=3):
    rng, M = np.random.default_rng(seed), np.eye(3, dtype=int)
    for _ in range(steps):
        i, j = rng.permutation(3)[:2]
        step = np.eye(3, dtype=int)
        step[i, j] = rng.choice([-1, 1])
        M = step @ M
    return M


def as_structure(cell):
    return Structure(cell.lattice, [cell.names[k - 1] for k in cell.kinds], cell.positions)


# ---- detection: 230 space groups


@pytest.mark.parametrize("number", range(1, 231))
def test_every_space_group_in_every_cell(number):
    """As is, in a 1×1×2 supercell and in another basis, each turned; and in a mirrored, left-handed cell."""
    made = random_crystal(number)
    R = rotation(number)
    wanted = made.point_group.rotated(R)
    for M in (np.eye(3, dtype=int), np.diag([1, 1, 2]), unimodular(number)):
        found = find_symmetry(with_basis(made.cell, M, matrix=R))
        operations = found.point_group.operations
        assert (found.point_group.symbol, found.space_group_number) == (wanted.symbol, number)
        assert np.abs(operations[:, None] - wanted.operations[None]).max(axis=(2, 3)).min(axis=1).max() < 1e-8
        assert ops.orthogonality_error(operations) < EXACT
        assert ops.same_set(operations, ops.generate(found.point_group.generators))
    mirrored = find_symmetry(as_structure(with_basis(made.cell, unimodular(number + 1), matrix=R @ MIRROR)))
    image = R @ MIRROR @ made.point_group.operations @ MIRROR @ R.T
    assert mirrored.point_group == PointGroup.from_operations(image)
    assert mirrored.space_group_number == enantiomorph_number(number)


def test_the_operations_that_spglib_lists_for_a_cell_fail_the_same_test():
    """Control: silicon in a 1×1×2 cell keeps 16 of its 48 operations in spglib's own list, ours all."""
    silicon = bulk("Si").repeat((1, 1, 2))
    report = find_symmetry(silicon)
    assert report.point_group.symbol == "m-3m"
    assert len(report.raw_operations) < 48
    with pytest.raises(AssertionError):
        assert ops.same_set(report.raw_operations, report.point_group.operations)


def test_a_left_handed_cell_is_the_same_crystal():
    made = random_crystal(152).cell
    swapped = Structure(made.lattice[[1, 0, 2]], [made.names[k - 1] for k in made.kinds], made.positions[:, [1, 0, 2]])
    assert np.linalg.det(swapped.lattice.matrix) < 0
    assert find_symmetry(swapped).point_group == find_symmetry(as_structure(made)).point_group
    assert find_symmetry(swapped).space_group_number == 152


# ---- reading


@pytest.fixture
def rutile():
    return crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.594, 4.594, 2.959, 90, 90, 90])


@pytest.mark.parametrize("name", ["rutile.cif", "POSCAR", "CONTCAR_rutile", "rutile.vasp", "rutile.extxyz", "rutile.json", "rutile.xsf"])
def test_structure_files(tmp_path, rutile, name):
    path = tmp_path / name
    if name.endswith("json"):
        content = {"lattice": rutile.cell.array.tolist(), "species": rutile.get_chemical_symbols()}
        path.write_text(json.dumps(content | {"frac_coords": rutile.get_scaled_positions().tolist()}))
    else:
        fmt = {"CONTCAR_rutile": "vasp", "POSCAR": "vasp", "rutile.vasp": "vasp", "rutile.extxyz": "extxyz"}.get(name)
        rutile.write(path, format=fmt)
    report = find_symmetry(path)
    assert (report.space_group_number, report.space_group, report.point_group.symbol) == (136, "P4_2/mnm", "4/mmm")
    assert PointGroup.from_structure(str(path)) == PointGroup.from_structure(rutile)


def test_pymatgen_and_its_json(tmp_path, rutile):
    structure = read_structure(rutile)
    assert read_structure(structure) is structure
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(structure.as_dict()))
    assert find_symmetry(path).space_group_number == 136
    assert find_symmetry(tmp_path).space_group_number == 136  # a material's folder


def test_a_data_set_and_a_material_have_their_structure_in_them(silicon_data):
    for path in (silicon_data, silicon_data.parent):
        assert find_symmetry(path).point_group.symbol == "m-3m"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "missing.cif", "does not exist"),
        ("not a structure", "bad.cif", "could not be read"),
        ("3\n\nH 0 0 0\nH 0 0 1\nO 1 0 0\n", "molecule.xyz", "periodic cell"),
        ('{"a": 1}', "other.json", "lattice, species and frac_coords"),
        ("[1, 2", "broken.json", "could not be read"),
    ],
)
def test_unreadable_files_are_refused_with_a_reason(tmp_path, content, name, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(SymmetryError, match=message):
        find_symmetry(path)


class _Bomb:
    def __reduce__(self):
        return open, ("exploded", "w")


@pytest.mark.parametrize("name", ["old.traj", "old.trj", "old.xyz", "old"])
def test_a_pickle_in_a_structure_file_does_not_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(b"PickleTrajectory" + pickle.dumps(_Bomb()))
    with pytest.raises(SymmetryError, match="could not be read"):
        find_symmetry(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (3.5, "float found"),
        (Structure(np.diag([3.0, 3, 1e-6]), ["H"], [[0, 0, 0]]), "volume"),
        (Structure(np.eye(3) * 3, ["H"], [[0, np.nan, 0]]), "not finite"),
        (Structure(np.eye(3) * 3, ["H", "H"], [[0, 0, 0], [0, 0, 1e-4]]), r"no symmetry found.*closest atoms"),
        (Atoms("H", positions=[[0, 0, 0]]), "periodic cell"),
    ],
)
def test_structures_without_sense_are_refused(structure, message):
    with pytest.raises(SymmetryError, match=message):
        find_symmetry(structure)


def test_disorder_is_refused_or_mapped_to_species():
    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}, "Pd"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(SymmetryError, match=r"disordered.*0\.5.*--disorder species"):
        find_symmetry(alloy)
    assert find_symmetry(alloy, disorder="species").space_group_number == 221
    with pytest.raises(SymmetryError, match="unknown"):
        find_symmetry(alloy, disorder="average")


def test_charges_make_species(rutile):
    ions = Structure(np.eye(3) * 4, ["Fe2+", "Fe3+"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert find_symmetry(ions).space_group == "Pm-3m"
    assert find_symmetry(ions.remove_oxidation_states()).space_group == "Im-3m"


class _Failure(Exception):
    pass


@pytest.mark.parametrize("behaviour", ["none", "exception"])
def test_both_ways_in_which_spglib_fails(monkeypatch, behaviour, rutile):
    def fail(*_arguments, **_options):
        if behaviour == "exception":
            raise _Failure("too close distance between atoms")

    monkeypatch.setattr(spglib, "get_symmetry_dataset", fail)
    monkeypatch.setattr("constitutive.symmetry.backend.spglib_errors", lambda: (_Failure,))
    with pytest.raises(SymmetryError, match=r"no symmetry found at symprec 0\.01"):
        find_symmetry(rutile)


@pytest.mark.parametrize("symprec", [0.0, -1.0, np.nan])
def test_a_tolerance_without_sense_is_refused(rutile, symprec):
    with pytest.raises(SymmetryError, match="symprec"):
        find_symmetry(rutile, symprec)


# ---- ladder and strain


def test_the_ladder_of_an_exact_crystal_is_one_plateau(rutile):
    ladder = symmetry_ladder(rutile)
    assert ladder.plateau == (1e-5, 0.3)
    assert ladder.steady
    assert {step.point_group for step in ladder.steps} == {"4/mmm"}
    assert "well inside" in ladder.sentence


def test_noise_is_seen_below_the_default():
    silicon = bulk("Si", cubic=True)
    silicon.rattle(1e-3, seed=1)
    ladder = symmetry_ladder(silicon)
    assert ladder.point_group == "m-3m"
    assert not ladder.steady
    assert "just below" in ladder.sentence
    assert "noise" in ladder.sentence


def test_pseudo_symmetry_is_seen_above_the_default():
    """Tetragonal BaTiO3 with its shifts cut to a fifth is cubic at 0.03 Å and more."""
    small = crystal(
        ["Ba", "Ti", "O", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.504), (0.5, 0.5, -0.004), (0.5, 0, 0.497)],
        spacegroup=99,
        cellpar=[4.0, 4.0, 4.006, 90, 90, 90],
    )
    ladder = symmetry_ladder(small)
    assert ladder.point_group == "4mm"
    assert "just above" in ladder.sentence
    assert "pseudo-symmetry" in ladder.sentence
    assert symmetry_ladder(small, symprec=1e-3).steady  # control: far below the jump nothing is said


def test_tolerances_at_which_spglib_fails_are_left_out():
    close = Structure(np.eye(3) * 4, ["H", "H"], [[0, 0, 0], [0, 0, 0.05]])
    assert symmetry_ladder(close).steps[-1].symprec < 0.3
    with pytest.raises(SymmetryError, match="closest atoms"):
        symmetry_ladder(close, symprec=0.3)


@pytest.mark.parametrize("strain", [2e-4, 1e-3])
def test_a_strained_cell_is_recognised(strain):
    silicon = bulk("Si", cubic=True)
    silicon.set_cell(silicon.cell.array @ np.diag([1, 1, 1 + strain]), scale_atoms=True)
    report = find_symmetry(silicon)
    condition = cell_condition(report)
    assert report.point_group.symbol == "m-3m"
    assert condition.strained
    assert condition.orthogonality_error == pytest.approx(2 * strain, rel=0.05)
    assert condition.largest_strain == pytest.approx(2 / 3 * strain, rel=0.05)
    assert "4/mmm" in condition.sentence
    assert ops.orthogonality_error(report.point_group.operations) < EXACT  # those returned are exact all the same


@pytest.mark.parametrize("number", [1, 5, 62, 82, 152, 166, 176, 216, 227])
def test_an_exact_cell_is_called_exact(number):
    condition = cell_condition(find_symmetry(with_basis(random_crystal(number).cell, unimodular(number))))
    assert not condition.strained
    assert condition.closed
    assert condition.largest_strain < 1e-10


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


def elastic(C14):
    """A trigonal stiffness (GPa, like quartz) in the frame x along a, z along c."""
    C = np.diag([87.0, 87, 106, 58, 58, 40])
    C[0, 1] = C[1, 0] = 7
    C[:2, 2] = C[2, :2] = 12
    C[0, 3] = C[3, 0] = C[4, 5] = C[5, 4] = C14
    C[1, 3] = C[3, 1] = -C14
    return C


@pytest.mark.parametrize("C14", [18.0, -18.0])
def test_a_measured_tensor_decides_the_sign_as_ieee_wants(C14):
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


# ---- the group as an object


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_names_and_operations_of_the_32_groups(symbol):
    group, entry = PointGroup.from_symbol(symbol), POINT_GROUPS[symbol]
    assert len(group.operations) == group.order == entry.order
    assert ops.orthogonality_error(group.operations) < EXACT
    assert ops.same_set(ops.generate(group.generators), group.operations)
    for name in (entry.full, entry.full.replace(" ", ""), entry.schoenflies, entry.schoenflies.upper()):
        assert PointGroup.from_symbol(name) == group
    assert group.laue_group.symbol == group.laue_class == entry.laue
    assert group.is_centrosymmetric == (symbol in LAUE_CLASSES)
    assert len(group.laue_rotations) == POINT_GROUPS[entry.laue].order // 2
    assert group.crystal_system in SYSTEMS
    assert all(line for line in elements_in_words(group))
    assert all(operation_in_words(group, R) for R in group.operations)


def test_known_orders_chirality_and_polarity():
    groups = [PointGroup.from_symbol(s) for s in SYMBOLS]
    assert sum(g.is_centrosymmetric for g in groups) == 11
    assert [g.symbol for g in groups if g.is_chiral] == ["1", "2", "222", "4", "422", "3", "32", "6", "622", "23", "432"]
    assert [g.symbol for g in groups if g.is_polar] == ["1", "2", "m", "mm2", "4", "4mm", "3", "3m", "6", "6mm"]
    assert max(len(g.laue_rotations) for g in groups) == 24


@given(symbols, seeds)
def test_a_group_is_found_again_after_any_rotation(symbol, seed):
    R, group = rotation(seed), PointGroup.from_symbol(symbol)
    turned = PointGroup.from_operations(R @ group.operations @ R.T)
    assert turned == group.rotated(R)
    assert ops.orthogonality_error(turned.operations) < EXACT
    assert np.abs(turned.frame @ ops.standard_operations(symbol) @ turned.frame.T - turned.operations).max() < EXACT
    noisy = PointGroup.from_operations(R @ group.operations @ R.T + 1e-5 * np.random.default_rng(seed).normal(size=(group.order, 3, 3)))
    assert noisy.symbol == symbol


def test_second_settings():
    assert PointGroup.from_symbol("-4m2") == PointGroup.from_symbol("-42m").rotated(ops.rotation((0, 0, 1), 45.0))
    assert PointGroup.from_symbol("-62m") != PointGroup.from_symbol("-6m2")
    assert PointGroup.from_symbol("321") == PointGroup.from_symbol("32") != PointGroup.from_symbol("312")
    assert PointGroup.from_symbol("m3\u0305m") == PointGroup.from_symbol("m3m") == PointGroup.from_symbol("m-3m")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PointGroup.from_symbol("5"), "the 32 are"),
        (lambda: PointGroup.from_operations([2 * np.eye(3)]), "not orthogonal"),
        (lambda: PointGroup.from_operations(np.eye(3)), "shape"),
        (lambda: PointGroup.from_operations([ops.rotation((0, 0, 1), 72.0)]), "72"),
        (lambda: PointGroup.from_operations([ops.rotation((0, 0, 1), 90.0), ops.rotation((1, 0, 0.1), 90.0)]), "more than 48|allow"),
        (lambda: PointGroup.from_symbol("4").rotated(MIRROR), "proper rotation"),
    ],
)
def test_what_is_no_group_is_refused(call, message):
    with pytest.raises(SymmetryError, match=message):
        call()


def test_elements_in_words():
    words = elements_in_words(PointGroup.from_symbol("m-3m"))
    assert words[0] == "three 4-fold axes along [100], [010], [001] with mirror planes across"
    assert words[-1] == "centre of inversion"
    group = PointGroup.from_symbol("32")
    assert group.elements[0].words == "3-fold axis along [001]"
    assert [e.label for e in PointGroup.from_symbol("-43m").elements].count("3") == 4
    turned = PointGroup.from_symbol("m-3m").rotated(rotation(1))
    assert elements_in_words(turned) == words  # indices belong to the crystal, not to the frame
    assert operation_in_words(group, group.operations[0]) == "identity"


# International Tables A, figure 10.1.3.2 (maximal subgroups and minimal supergroups of the point groups)
MAXIMAL = {
    "m-3m": {"432", "-43m", "m-3", "4/mmm", "-3m"}, "6/mmm": {"622", "6mm", "-6m2", "6/m", "-3m", "mmm"},
    "4/mmm": {"422", "4mm", "-42m", "4/m", "mmm"}, "432": {"23", "422", "32"}, "-43m": {"23", "-42m", "3m"}, "m-3": {"23", "mmm", "-3"},
    "-6m2": {"-6", "32", "3m", "mm2"}, "23": {"222", "3"}, "-42m": {"-4", "222", "mm2"}, "-3m": {"-3", "32", "3m", "2/m"},
    "mmm": {"222", "mm2", "2/m"}, "mm2": {"m", "2"}, "-4": {"2"}, "1": set(),
}  # fmt: skip


@pytest.mark.parametrize("symbol", MAXIMAL)
def test_maximal_subgroups_are_those_of_the_tables(symbol):
    assert {g.symbol for g in PointGroup.from_symbol(symbol).maximal_subgroups()} == MAXIMAL[symbol]


def test_minimal_supergroups_are_those_of_the_tables():
    above = {s: {g.symbol for g in PointGroup.from_symbol(s).minimal_supergroups()} for s in ("mmm", "32", "4mm", "23", "m-3m", "-3", "3m")}
    assert above == {
        "mmm": {"4/mmm", "6/mmm", "m-3"}, "32": {"-3m", "622", "-6m2", "432"}, "4mm": {"4/mmm"}, "23": {"m-3", "432", "-43m"},
        "m-3m": set(),
        "-3": {"-3m", "6/m", "m-3"}, "3m": {"-3m", "6mm", "-6m2", "-43m"},
    }  # fmt: skip


def test_numbers_of_subgroups():
    """Subgroups of the largest point groups: 98 of Oh, 54 of D6h, 35 of D4h, 30 of Td and O, 26 of Th, 10 of T, 16 of D2h."""
    counts = {"m-3m": 98, "6/mmm": 54, "4/mmm": 35, "-43m": 30, "432": 30, "m-3": 26, "23": 10, "mmm": 16}
    for symbol, count in counts.items():
        group = PointGroup.from_symbol(symbol)
        found = group.subgroups()
        assert len(found) == count
        assert found[0] == group
        assert all(sub.is_subgroup_of(group) for sub in found)


@given(symbols, seeds)
def test_cosets_tile_the_group(symbol, seed):
    group = PointGroup.from_symbol(symbol).rotated(rotation(seed))
    subgroups = group.subgroups()
    sub = subgroups[seed % len(subgroups)]
    heads = group.cosets(sub)
    assert len(heads) * sub.order == group.order
    products = (heads[:, None] @ sub.operations[None]).reshape(-1, 3, 3)
    assert ops.same_set(products, group.operations)
    assert np.abs(heads[0] - np.eye(3)).max() < 1e-9


def test_variants_of_known_transitions():
    """m-3m → 4mm (BaTiO3) 6, → mm2 12, → 3m 8; 4/mmm → mmm 2; 6/mmm → mmm 3 (Janovec, Czech. J. Phys. B 22 (1972) 974)."""
    for high, low, count in (("m-3m", "4mm", 6), ("m-3m", "mm2", 12), ("m-3m", "3m", 8), ("4/mmm", "mmm", 2), ("6/mmm", "mmm", 3)):
        group = PointGroup.from_symbol(high)
        sub = next(g for g in group.subgroups() if g.symbol == low)
        assert len(group.cosets(sub)) == count
    with pytest.raises(SymmetryError, match="no subgroup"):
        PointGroup.from_symbol("432").cosets(PointGroup.from_symbol("-4"))


@given(symbols, seeds)
def test_equivalent_directions_and_strains_are_orbits(symbol, seed):
    group = PointGroup.from_symbol(symbol)
    direction = np.random.default_rng(seed).normal(size=3)
    assert len(group.equivalent_directions(direction)) == group.order
    strain = np.outer(direction, direction) + np.diag([0.1, 0.2, 0.3])
    assert len(group.equivalent_strains(strain)) == len(group.laue_rotations)
    assert group.order % len(group.equivalent_directions([0, 0, 1])) == 0


def test_families_of_directions_and_strains():
    cubic = PointGroup.from_symbol("m-3m")
    assert [len(cubic.equivalent_directions(d)) for d in ([1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 0], [3, 2, 1])] == [6, 12, 8, 24, 48]
    assert len(cubic.equivalent_strains(np.diag([1, 0, 0]))) == 3
    assert len(PointGroup.from_symbol("-43m").equivalent_directions([1, 1, 1])) == 4


def test_comparisons():
    cubic, tetragonal, hexagonal = (PointGroup.from_symbol(s) for s in ("m-3m", "4mm", "6mm"))
    assert (compare(tetragonal, cubic).relation, compare(tetragonal, cubic).variants) == ("subgroup", 6)
    assert compare(cubic, tetragonal).relation == "supergroup"
    assert compare(cubic, cubic).relation == "equal"
    assert (compare(cubic, hexagonal).relation, compare(cubic, hexagonal).variants) == ("none", 1)
    turned = cubic.rotated(rotation(3))
    both = compare(turned, cubic)
    assert both.relation == "conjugate"
    assert cubic.rotated(both.turn) == turned
    trigonal = compare(PointGroup.from_symbol("-3m"), cubic)
    assert trigonal.relation == "conjugate"
    assert PointGroup.from_symbol("-3m").is_subgroup_of(cubic.rotated(trigonal.turn))


# ---- handedness


def springs(structure):
    """Stiffness (3, 3, 3, 3) and piezoelectric tensor (3, 3, 3) of a crystal held by springs between near atoms, ions relaxed.

    ψ = Σ k (|r| − r₀)² / 2V to second order in strain and displacements u; e_ijk = Σ q ∂u_i/∂ε_jk / V.
    """
    charge = np.array([2.4 if str(s) == "Si" else -1.2 for s in structure.species])
    n, volume = len(structure), structure.volume
    hessian, coupling, clamped = np.zeros((n, 3, n, 3)), np.zeros((n, 3, 3, 3)), np.zeros((3, 3, 3, 3))
    for i, j, offset, distance in zip(*structure.get_neighbor_list(3.4), strict=True):
        bond = structure[int(j)].coords + offset @ structure.lattice.matrix - structure[int(i)].coords
        unit = bond / distance
        stiffness = {28.0: 0.7, 22.0: 8.0, 16.0: 1.0}[float(structure[int(i)].specie.Z + structure[int(j)].specie.Z)] * np.exp(
            1.6 - distance
        )
        nn = stiffness * np.outer(unit, unit) / 2
        hessian[i, :, i] += nn
        hessian[j, :, j] += nn
        hessian[i, :, j] -= nn
        hessian[j, :, i] -= nn
        pull = np.einsum("ab,c->abc", nn, bond)  # energy nn : (u_j − u_i + ε bond)²
        coupling[j] += pull
        coupling[i] -= pull
        clamped += np.einsum("ac,b,d->abcd", nn, bond, bond)
    response = -np.einsum("iajb,jbcd->iacd", np.linalg.pinv(hessian.reshape(3 * n, -1), rcond=1e-9).reshape(n, 3, n, 3), coupling)
    response = (response + response.swapaxes(2, 3)) / 2
    clamped = (clamped + clamped.swapaxes(0, 1) + clamped.swapaxes(2, 3) + clamped.swapaxes(0, 1).swapaxes(2, 3)) / 4
    relaxed = clamped + np.einsum("iabc,iade->bcde", (coupling + coupling.swapaxes(2, 3)) / 2, response)
    return relaxed / volume, np.einsum("i,iabc->abc", charge, response) / volume


def test_inversion_of_right_quartz_gives_the_other_hand():
    right, left = quartz("right"), enantiomorph(quartz("right"))
    assert find_symmetry(right).space_group == "P3_221"
    assert find_symmetry(left).space_group == "P3_121"
    assert enantiomorph_number(154) == 152
    assert find_symmetry(left).point_group == find_symmetry(right).point_group
    (C_right, e_right), (C_left, e_left) = springs(right), springs(left)
    assert abs(e_right[0, 0, 0]) > 1e-3
    assert e_left[0, 0, 0] == pytest.approx(-e_right[0, 0, 0], rel=1e-9)
    assert np.abs(e_left + e_right).max() < 1e-12
    assert np.abs(C_left - C_right).max() < 1e-12 * np.abs(C_right).max() * 100
    assert abs(C_right[0, 0, 1, 2]) > 1e-3
    assert quartz("left").matches(left)
    with pytest.raises(SymmetryError, match="hand"):
        quartz("both")


def test_tensors_of_a_model_of_quartz_have_its_symmetry_and_no_mirror():
    C, e = springs(quartz("right"))
    group = find_symmetry(quartz("right")).point_group
    assert project(C, group, pairs_formula(2)).relative_residual < 1e-9
    assert project(e, group, "ijk=ikj").relative_residual < 1e-7
    mirrored = PointGroup.from_symbol("-6m2")
    assert project(e, mirrored, "ijk=ikj").relative_residual > 0.1  # control


def test_a_mirror_imposed_on_quartz_is_reported():
    report = find_symmetry(quartz("right"))
    assert require_symmetry(report, report.point_group) is report
    with pytest.raises(SymmetryError, match=r"wrong symmetry: 6 of the 12.*point group is 32.*misses atoms"):
        require_symmetry(quartz("right"), report.point_group.laue_group)
    wrong = wrong_operations(report, PointGroup.from_symbol("3m"))
    assert len(wrong) == 3
    assert all("mirror" in w.words and w.mismatch > 0.5 for w in wrong)


def test_the_frames_of_both_hands_are_those_of_ieee_1978():
    """The bonds put C14 of quartz to the positive side in either hand, as a potential and the tables of 1978 have it."""
    for hand in ("right", "left"):
        frames = find_symmetry(quartz(hand)).frames
        assert frames.open_choices == 2
        assert PointGroup.from_symbol("32") == find_symmetry(quartz(hand)).point_group.rotated(frames.ieee)
        assert ops.contains(PointGroup.from_symbol("32").operations, frames.ieee, 1e-6)


def test_the_eleven_pairs():
    pairs = {n: enantiomorph_number(n) for n in range(1, 231) if enantiomorph_number(n) != n}
    assert len(pairs) == 22
    assert all(pairs[b] == a for a, b in pairs.items())
    for number in pairs:
        assert random_crystal(number).point_group.is_chiral


# ---- magnetic


def iron(moments):
    atoms = bulk("Fe", cubic=True)
    del atoms.arrays["initial_magmoms"]
    atoms.set_initial_magnetic_moments(np.array(moments, dtype=float))
    return atoms


def test_moments_are_off_unless_asked_for():
    assert find_symmetry(iron([2.2, 2.2])).point_group.symbol == "m-3m"


@pytest.mark.parametrize(
    ("moments", "symbol", "kind"),
    [
        ([2.2, 2.2], "4/mm'm'", "black-white"),
        ([2.2, -2.2], "4/mmm1'", "grey"),
        ([[1, 1, 1], [1, 1, 1]], "-3m'", "black-white"),
        ([[1, 1, 0], [1, 1, 0]], "m'm'm", "black-white"),
        ([0, 0], "m-3m1'", "grey"),
    ],
)
def test_magnetic_groups_of_iron(moments, symbol, kind):
    """Ferromagnetic along [001], [111], [110]; antiferromagnetic; none (Birss 1966)."""
    atoms = iron(moments)
    for crystal_ in (atoms, atoms.repeat((1, 1, 2)), read_structure(atoms)):
        group = find_magnetic_group(crystal_)
        assert (group.symbol, group.kind) == (symbol, kind)


def test_chromium_oxide_is_the_magnetoelectric_of_dzyaloshinskii():
    """Cr2O3, -3'm' (Dzyaloshinskii, Sov. Phys. JETP 10 (1960) 628): moments + − + − along the three-fold axis."""
    oxide = crystal(
        ["Cr", "O"], [(0, 0, 0.3475), (0.3057, 0, 0.25)], spacegroup=167, cellpar=[4.96, 4.96, 13.6, 90, 90, 120], primitive_cell=True
    )
    metal = [k for k, s in enumerate(oxide.symbols) if s == "Cr"]
    moments = np.zeros(len(oxide))
    for rank, k in enumerate(sorted(metal, key=lambda k: oxide.positions[k, 2])):
        moments[k] = (-1) ** rank
    group = find_magnetic_group(oxide, moments=moments)
    assert group.symbol == "-3'm'"
    assert group.order == 12
    turned = group.rotated(rotation(1))
    assert turned.symbol == group.symbol


def test_magnetic_symbols():
    assert [g.symbol for g in black_white_groups("4/m")] == ["4/m'", "4'/m", "4'/m'"]
    assert {g.symbol for g in black_white_groups("m-3m")} == {"m-3m'", "m'-3'm", "m'-3'm'"}
    assert sum(len(black_white_groups(s)) for s in SYMBOLS) == 58


def test_magnetic_input_without_sense_is_refused():
    with pytest.raises(SymmetryError, match="no magnetic moments"):
        find_magnetic_group(bulk("Si"))
    with pytest.raises(SymmetryError, match="moments of shape"):
        find_magnetic_group(bulk("Si"), moments=[1.0])
    cubic, sub = PointGroup.from_symbol("m-3m"), PointGroup.from_symbol("4mm")
    with pytest.raises(SymmetryError, match="index"):
        MagneticPointGroup.from_groups(cubic, sub)
    with pytest.raises(SymmetryError, match="grey"):
        MagneticPointGroup.from_groups(cubic, PointGroup.from_symbol("432"), grey=True)


# ---- pictures


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_stereograms_show_the_elements(symbol, tmp_path):
    group = PointGroup.from_symbol(symbol)
    poles, elements = stereogram(group).axes
    points = sum(patch.get_gid() == "pole" for patch in poles.patches)
    assert points == group.order
    heavy = [line for line in elements.lines if line.get_linewidth() > 1.5]
    assert len(heavy) == sum(e.mirror for e in group.elements)
    if symbol in ("m-3m", "-42m", "32"):
        stereogram(group).savefig(tmp_path / "s.png")
        assert (tmp_path / "s.png").stat().st_size > 10_000


# ---- command line


@pytest.fixture
def quartz_file(tmp_path):
    path = tmp_path / "quartz.cif"
    quartz("right").to(filename=str(path))
    return path


def run(*arguments):
    result = CliRunner().invoke(app, ["symmetry", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_json_has_the_promised_keys(quartz_file):
    answer = json.loads(run(quartz_file, "--json").stdout)
    assert set(answer) == {
        "point_group", "laue_class", "crystal_system", "space_group", "space_group_number", "order", "constants",
        "frames", "ladder", "generators",
    }  # fmt: skip
    assert [answer[k] for k in ("point_group", "laue_class", "crystal_system", "order")] == ["32", "-3m", "trigonal", 6]
    assert (answer["space_group"], answer["space_group_number"]) == ("P3_221", 154)
    assert answer["constants"] == {"1": 2, "2": 6, "3": 14, "4": 28}
    assert PointGroup.from_operations(answer["generators"]).symbol == "32"
    assert {"input", "conventional", "ieee"} <= set(answer["frames"])
    assert answer["ladder"]["steps"][0]["symprec"] == 1e-5


def test_the_panel_tells_what_it_found(quartz_file):
    text = run(quartz_file).stdout
    for piece in ("P3_221", "32", "-3m", "3-fold axis along [001]", "second order 6", "IEEE 176", "handed", "well inside"):
        assert piece in text


def test_a_measured_tensor_fixes_the_signs(quartz_file, tmp_path):
    tensor = tmp_path / "stiffness.json"
    frames = {}
    for C14 in (18.0, -18.0):
        tensor.write_text(json.dumps(elastic(C14).tolist()))
        frames[C14] = json.loads(run(quartz_file, "--sign-from", tensor, "--json").stdout)["frames"]
        assert frames[C14]["decided_by"] == "tensor"
    rest = np.array(frames[18.0]["ieee"]) @ np.array(frames[-18.0]["ieee"]).T
    assert not ops.contains(PointGroup.from_symbol("32").operations, rest)
    assert "the measured tensor decided" in " ".join(run(quartz_file, "--sign-from", tensor).stdout.replace("│", " ").split())
    tensor.write_text("no numbers")
    with pytest.raises(SymmetryError, match="no tensor in it"):
        run(quartz_file, "--sign-from", tensor)


def test_the_picture_is_written(quartz_file, tmp_path):
    run(quartz_file, "--plot", "--out", tmp_path / "pictures", "--json")
    assert (tmp_path / "pictures" / "symmetry_quartz.png").stat().st_size > 30_000


def test_magnetic_on_request(tmp_path):
    atoms = iron([2.2, 2.2])
    path = tmp_path / "iron.extxyz"
    atoms.write(path)
    assert json.loads(run(path, "--magnetic", "--json").stdout)["magnetic_point_group"] == "4/mm'm'"
    assert "black-white" in run(path, "--magnetic").stdout
    assert "the structure has moments" in run(path).stdout


def test_two_structures_are_compared(tmp_path):
    cubic, tetragonal = tmp_path / "cubic.vasp", tmp_path / "tetragonal.vasp"
    crystal(["Ba", "Ti", "O"], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221, cellpar=[4.0, 4, 4, 90, 90, 90]).write(cubic)
    sites = [(0, 0, 0), (0.5, 0.5, 0.52), (0.5, 0.5, -0.02), (0.5, 0, 0.485)]
    crystal(["Ba", "Ti", "O", "O"], sites, spacegroup=99, cellpar=[3.99, 3.99, 4.03, 90, 90, 90]).write(tetragonal)
    answer = json.loads(run(cubic, tetragonal, "--json").stdout)
    assert (answer["relation"], answer["variants"], answer["common_point_group"]) == ("supergroup", 6, "4mm")
    text = " ".join(run(cubic, tetragonal).stdout.replace("│", " ").split())
    assert "a transition m-3m → 4mm has 6 variants" in text
    assert "rotation by 90° about" in text


def test_bad_files_end_with_one_message_and_code_2(tmp_path):
    command = [sys.executable, "-m", "constitutive", "symmetry", str(tmp_path / "none.cif"), "--json"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "does not exist" in result.stderr


def test_the_command_stays_quick_by_importing_neither_torch_nor_e3nn(quartz_file):
    code = (
        "import sys; from typer.testing import CliRunner; from constitutive.cli import app; "
        f"r = CliRunner().invoke(app, ['symmetry', {str(quartz_file)!r}, '--json']); assert r.exit_code == 0, r.output; "
        "print(sorted({'torch', 'e3nn', 'matplotlib', 'dolfinx'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_cells_are_read_once(rutile):
    cell = read_cell(rutile)
    assert read_cell(cell) is cell
    assert cell.names == ("Ti", "O")
    assert cell.weights.tolist() == [22.0, 22.0, 8.0, 8.0, 8.0, 8.0]


# ---- the page and the examples


def test_the_page_of_the_docs_tells_the_truth(checkout):
    results = doctest.testfile(str(checkout / "docs" / "symmetry.md"), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 10
    assert results.failed == 0


def test_the_pictures_of_the_page_are_there(checkout):
    page = (checkout / "docs" / "symmetry.md").read_text()
    pictures = re.findall(r"!\[[^]]*\]\((images/[^)]+)\)", page)
    assert len(pictures) == 3
    assert all((checkout / "docs" / picture).is_file() for picture in pictures)
