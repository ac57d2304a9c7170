"""Structures from files and objects, and those that are refused."""

import json
import pickle

import numpy as np
import pytest
import spglib
from ase import Atoms
from pymatgen.core import Lattice, Structure

from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    PointGroup,
    find_symmetry,
    read_structure,
)


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
