"""CIFs as others write them: rounded special positions, stated groups that are wrong, reasons of the reader."""

import json
import warnings

import numpy as np
import pytest
import spglib
from typer.testing import CliRunner

from constitutive.cli import app
from constitutive.errors import SymmetryError, SymmetryWarning
from constitutive.symmetry import PointGroup, find_symmetry
from constitutive.symmetry.space_groups import hall_number, space_group_number


def listed(number, keep=lambda translation: True):
    """Operations of a space group's first setting as a CIF lists them."""
    database = spglib.get_symmetry_from_database(hall_number(number))
    lines = []
    for W, w in zip(database["rotations"], database["translations"], strict=True):
        if keep(w):
            rows = ["".join(f"{c:+d}*{x}" for c, x in zip(row, "xyz", strict=True) if c) for row in W]
            lines.append(", ".join(f"{row}+{round(24 * t) % 24}/24" for row, t in zip(rows, w, strict=True)))
    return [line.replace("+1*", "+").replace("-1*", "-") for line in lines]


def cif(path, cell, operations, atoms, symbol="", number=None):
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = ["data_crystal", *(f"_cell_{name} {value}" for name, value in zip(names, cell, strict=True))]
    lines += [f"_symmetry_space_group_name_H-M '{symbol}'"] if symbol else []
    lines += [f"_symmetry_Int_Tables_number {number}"] if number else []
    lines += ["loop_", "_symmetry_equiv_pos_as_xyz", *(f"'{line}'" for line in operations), "loop_"]
    lines += [f"_atom_site_{name}" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")]
    lines += [f"{s}{k} {s} {rest}" for k, (s, rest) in enumerate(atoms)]
    path.write_text("\n".join(lines) + "\n")
    return path


HEXAGONAL = (12.31, 12.31, 33.7, 90, 90, 120)


@pytest.mark.parametrize(
    ("x", "y", "decimals"), [("0.1312", "0.2623", 4), ("0.1312", "0.2625", 4), ("0.131", "0.263", 3), ("0.13", "0.25", 2)]
)
def test_images_of_a_rounded_special_position_are_one_atom(tmp_path, x, y, decimals):
    """The position (x, 2x, z) of R-3m, 18 atoms, in files that write it with few decimals."""
    file = cif(tmp_path / "zeolite.cif", HEXAGONAL, listed(166), [("Si", f"{x} {y} 0.117 1")], "R -3 m", 166)
    for symprec in (1e-5, 1e-3, 1e-2):
        report = find_symmetry(file, symprec)
        if decimals == 2:  # 0.12 Å and more is no rounding: the images stay apart
            assert len(report.cell.positions) == 36
            continue
        assert (len(report.cell.positions), report.space_group, report.disagreements) == (18, "R-3m", ())
        assert f"rounded to {decimals} decimals" in report.notes[0]


def test_control_an_exact_special_position_needs_no_word(tmp_path):
    report = find_symmetry(cif(tmp_path / "exact.cif", HEXAGONAL, listed(166), [("Si", "0.1312 0.2624 0.117 1")], "R -3 m", 166))
    assert (len(report.cell.positions), report.notes) == (18, ())


def test_a_general_position_near_a_mirror_stays_two_atoms(tmp_path):
    report = find_symmetry(cif(tmp_path / "near.cif", HEXAGONAL, listed(166), [("Si", "0.1312 0.2424 0.117 1")], "R -3 m", 166))
    assert len(report.cell.positions) == 36


def test_a_mistyped_cell_is_named(tmp_path):
    cell = (11.4, 11.46, 8.2, 90, 90, 120)
    file = cif(tmp_path / "slip.cif", cell, listed(191), [("Si", "0.11 0.31 0.25 1"), ("O", "0.3 0.4 0.1 1")], "P 6/m m m", 191)
    report = find_symmetry(file)
    assert report.point_group.symbol == "2/m"
    text = " ".join(report.disagreements)
    assert "a = 11.4000 Å, b = 11.4600 Å" in text
    assert "states P 6/m m m (No. 191), point group 6/mmm; the atoms have P2/m (No. 10), point group 2/m" in text
    with pytest.warns(SymmetryWarning, match="6/mmm"):
        PointGroup.from_structure(file)
    answer = CliRunner().invoke(app, ["symmetry", str(file), "--json"])
    assert json.loads(answer.stdout)["stated"] == {"space_group": "P 6/m m m", "space_group_number": 191}
    assert "6/mmm" in answer.stderr


def test_a_stated_centring_without_its_operations_is_named(tmp_path):
    cell = (5.6, 5.6, 5.6, 90, 90, 90)
    primitive = listed(225, keep=lambda w: np.abs(w).max() < 1e-6)
    file = cif(tmp_path / "centring.cif", cell, primitive, [("Na", "0 0 0 1"), ("Cl", "0.5 0.5 0.5 1")], "F m -3 m", 225)
    report = find_symmetry(file)
    assert report.space_group == "Pm-3m"
    assert (
        "48 operations that it lists are those of Pm-3m (No. 221), with the lattice P instead of the stated centring F" in report.notes[0]
    )
    whole = cif(tmp_path / "whole.cif", cell, listed(225), [("Na", "0 0 0 1"), ("Cl", "0.5 0.5 0.5 1")], "F m -3 m", 225)
    assert find_symmetry(whole).notes == ()
    assert len(find_symmetry(whole).cell.positions) == 8


def test_symbol_and_number_that_differ_are_named(tmp_path):
    file = cif(tmp_path / "two.cif", (5.6, 5.6, 5.6, 90, 90, 90), listed(225), [("Na", "0 0 0 1")], "F m -3 m", 216)
    assert "states F m -3 m, which is No. 225, and the number 216, F-43m" in find_symmetry(file).notes[0]


def test_a_higher_symmetry_than_stated_is_named_but_for_p1(tmp_path):
    cell, atoms = (5.6, 5.6, 5.6, 90, 90, 90), [("Na", "0 0 0 1"), ("Cl", "0.5 0.5 0.5 1")]
    assert "a higher symmetry" in find_symmetry(cif(tmp_path / "low.cif", cell, listed(123), atoms, "P 4/m m m", 123)).notes[0]
    assert find_symmetry(cif(tmp_path / "all.cif", cell, ["x, y, z"], atoms, "P 1", 1)).notes == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PointGroup.from_structure(tmp_path / "all.cif")


def test_operations_that_are_no_group_are_named(tmp_path):
    file = cif(tmp_path / "part.cif", (5.6, 5.6, 5.6, 90, 90, 90), listed(221)[:7], [("Na", "0.1 0.2 0.3 1")], "P m -3 m", 221)
    assert "are no space group" in " ".join(find_symmetry(file).notes)


def test_reasons_of_the_reader_reach_the_user(tmp_path):
    cell = (9.3, 5.1, 7.2, 90, 90, 90)
    file = cif(tmp_path / "occupancy.cif", cell, listed(62), [("Fe", "0.1 0.25 0.2 1.7")], "P n m a", 62)
    with pytest.raises(SymmetryError, match=r"[Oo]ccupanc.*1\.7"):
        find_symmetry(file, disorder="species")
    silent = cif(tmp_path / "no_operations.cif", cell, [], [("Fe", "0.1 0.25 0.2 1")]).read_text()
    (tmp_path / "no_operations.cif").write_text(silent.replace("loop_\n_symmetry_equiv_pos_as_xyz\n", ""))
    assert "Defaulting to P1" in " ".join(find_symmetry(tmp_path / "no_operations.cif").notes)


def test_names_of_space_groups():
    names = {
        "Fd-3m": 227, "F d -3 m": 227, "F 41/d -3 2/m": 227, "Fd3m": 227, "F D -3 M": 227, "Oh^7": 227, "P 1 21/c 1": 14, "P21/c": 14,
        "P2_1/c": 14, "P 1 1 21/b": 14, "Pbnm": 62, "P n m a": 62, "R -3 m H": 166, "R-3m:R": 166, "Pa3": 205, "Ia-3d": 230, "Ia3d": 230,
        "F d -3 m S": 227, "225": 225, "No. 225": 225, "#62": 62, "P6_3/mmc": 194, "C 1 2/c 1": 15, "P-1": 2, "I41/amd": 141,
    }  # fmt: skip
    assert {name: space_group_number(name) for name in names} == names
    assert [space_group_number(name) for name in ("Pxyz", "231", "0", "m-3m", "")] == [None] * 5
    for number in range(1, 231):
        entry = spglib.get_spacegroup_type(hall_number(number))
        assert space_group_number(entry.international_short) == number
        assert space_group_number(entry.international_full) == number
