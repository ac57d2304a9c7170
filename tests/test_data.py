"""The data room: the schema, units, files and what is refused."""

import contextlib
import copy
import errno
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutive import kinematics
from constitutive.data import StressStrainData, require_same_reference
from constitutive.data.large import load_bounded, open_large, write_chunks
from constitutive.data.units import PRESSURE_UNITS, pressure_factor
from constitutive.errors import ConstitutiveError, DataError


@pytest.fixture(scope="module")
def document(silicon_data):
    return json.loads(silicon_data.read_text())


@pytest.fixture(scope="module")
def small_document(document):
    names = ("F", "cauchy", "W", "residual_force_Ry_per_bohr", "frac_relaxed")
    return {**document, **{name: document[name][:3] for name in names}, "paths": document["paths"][:2]}


@pytest.fixture(scope="module")
def silicon(silicon_data):
    return StressStrainData.load(silicon_data)


def changed(document, **changes):
    result = {key: value for key, value in copy.deepcopy(document).items() if changes.get(key, 0) is not None}
    return {**result, **{key: value for key, value in changes.items() if value is not None}}


# --- what a data set holds ---


def test_shipped_silicon(silicon, document):
    assert len(silicon) == 55
    assert silicon.measure == "cauchy"
    np.testing.assert_array_equal(silicon.cauchy, document["cauchy"])
    np.testing.assert_array_equal(silicon.W, document["W"])
    assert silicon.structure.composition.reduced_formula == "Si"
    assert silicon.structure.lattice.volume == pytest.approx(silicon.reference_volume)
    assert silicon.model_extra["check"]["C11"] == 153.4  # unknown keys are kept


def test_paths_are_held_out(silicon, document):
    paths = silicon.paths_data()
    assert len(paths) == 19
    np.testing.assert_array_equal(paths.F, [point["F"] for point in document["paths"]])
    for F in paths.F:  # no path state is among the samples
        assert np.abs(silicon.F - F).max((1, 2)).min() > 1e-6


def test_every_measure_gives_every_other(silicon):
    sigma, F = silicon.stress("cauchy"), silicon.F
    J = np.linalg.det(F)[:, None, None]
    Finv = np.linalg.inv(F)
    expected = {
        "cauchy": sigma,
        "kirchhoff": J * sigma,
        "first_piola_kirchhoff": J * sigma @ Finv.swapaxes(1, 2),
        "second_piola_kirchhoff": J * Finv @ sigma @ Finv.swapaxes(1, 2),
    }
    for given_as in ("cauchy", "first_piola_kirchhoff", "second_piola_kirchhoff"):
        data = StressStrainData(F=F, units="GPa", **{given_as: expected[given_as]})
        for measure, value in expected.items():
            np.testing.assert_allclose(data.stress(measure), value, rtol=0, atol=1e-12)
    assert np.abs(expected["cauchy"] - expected["kirchhoff"]).max() > 0.1  # control: the measures differ
    with pytest.raises(DataError, match="biot"):
        silicon.stress("biot")


def test_head_and_select(silicon, document):
    head = silicon.head(8)
    assert len(head) == 8
    assert len(head.paths) == 19
    assert head.model_extra["residual_force_Ry_per_bohr"] == document["residual_force_Ry_per_bohr"][:8]
    assert head.sha256 != silicon.sha256
    assert head.structure == silicon.structure
    for n in (0, 56):
        with pytest.raises(DataError, match="ask for 1 to 55"):
            silicon.head(n)


# --- units ---


@pytest.mark.parametrize(("unit", "gigapascal"), [("kbar", 0.1), ("MPa", 1e-3), ("bar", 1e-4), ("atm", 1.01325e-4), ("Pa", 1e-9)])
def test_units_apply_to_stress_and_energy(document, silicon, unit, gigapascal):
    scaled = {name: (np.array(document[name]) / gigapascal).tolist() for name in ("cauchy", "W", "residual_stress")}
    paths = [{**p, "cauchy": (np.array(p["cauchy"]) / gigapascal).tolist(), "W": p["W"] / gigapascal} for p in document["paths"]]
    data = StressStrainData(**changed(document, **scaled, paths=paths, units=unit))
    np.testing.assert_allclose(data.cauchy, silicon.cauchy, rtol=1e-13)
    np.testing.assert_allclose(data.W, silicon.W, rtol=1e-13)
    np.testing.assert_allclose(data.paths_data().cauchy, silicon.paths_data().cauchy, rtol=1e-13)
    assert data.to_document()["units"] == unit  # the file keeps its unit
    np.testing.assert_allclose(data.to_document()["cauchy"], scaled["cauchy"], rtol=1e-14)


def test_unit_factors_against_scipy():
    from scipy import constants as c

    eV, bohr = c.e, c.physical_constants["Bohr radius"][0]
    hartree = c.physical_constants["Hartree energy"][0]
    independent = {
        "eV/angstrom^3": eV / 1e-30,
        "Ha/bohr^3": hartree / bohr**3,
        "Ry/bohr^3": hartree / 2 / bohr**3,
        "kcal/mol/angstrom^3": 4184 / c.N_A / 1e-30,
        "psi": c.psi,
        "atm": c.atm,
        "kbar": 1e8,
        "Mbar": 1e11,
    }
    for unit, pascal in independent.items():
        assert pressure_factor(unit) == pytest.approx(pascal * 1e-9, rel=1e-8)
    for spelling in ("eV/Å^3", "eV/Å³", "eV/A**3", "ev / ang^3"):
        assert pressure_factor(spelling) == pressure_factor("eV/angstrom^3")


@pytest.mark.parametrize("unit", ["furlong", "mPa", "", None, 3, "GPa2", {"W": "GPa"}, {"stress": "GPa", "F": "1"}])
def test_unknown_unit(document, unit):
    with pytest.raises(DataError, match="unit"):
        StressStrainData(**{**document, "units": unit})


def test_units_apart(document, silicon):
    factor = PRESSURE_UNITS["eV/angstrom^3"]
    W = (np.array(document["W"]) / factor).tolist()
    data = StressStrainData(**changed(document, W=W, units={"stress": "GPa", "W": "eV/angstrom^3"}, paths=None))
    np.testing.assert_allclose(data.W, silicon.W, rtol=1e-13)
    np.testing.assert_array_equal(data.cauchy, silicon.cauchy)


def test_unit_is_required(document):
    with pytest.raises(DataError, match="units"):
        StressStrainData(**changed(document, units=None))


# --- what is refused ---


def _with_nan(document, key):
    values = copy.deepcopy(document[key])
    row = values[7] if isinstance(values[7], list) else None
    if row is None:
        values[7] = float("nan")
    else:
        row[1][2] = float("nan")
    return {key: values}


BROKEN = {
    "no stress": (lambda d: {"cauchy": None}, "exactly one of"),
    "two stresses": (lambda d: {"first_piola_kirchhoff": d["cauchy"]}, "exactly one of"),
    "no F": (lambda d: {"F": None}, "F: field required"),
    "F NaN": (lambda d: _with_nan(d, "F"), "F: found NaN or infinity at sample 7"),
    "stress NaN": (lambda d: _with_nan(d, "cauchy"), "cauchy: found NaN or infinity at sample 7"),
    "W NaN": (lambda d: _with_nan(d, "W"), "W: found NaN or infinity at sample 7"),
    "F (n, 9)": (lambda d: {"F": np.array(d["F"]).reshape(-1, 9).tolist()}, r"F: found shape \(55, 9\)"),
    "stress (n, 6)": (lambda d: {"cauchy": np.zeros((55, 6)).tolist()}, "full 3×3"),
    "ragged F": (lambda d: {"F": d["F"][:-1] + [[[1, 0], [0, 1]]]}, "ragged"),
    "text in F": (lambda d: {"F": "x"}, "F: found str"),
    "short stress": (lambda d: {"cauchy": d["cauchy"][:-1]}, "cauchy: found 54 samples, needed 55"),
    "short W": (lambda d: {"W": d["W"][:-1]}, "W: found 54 samples, needed 55"),
    "no samples": (lambda d: {"F": [], "cauchy": [], "W": []}, "F: found"),
    "det F < 0": (lambda d: {"F": d["F"][:-1] + [[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]]}, "det F = -1 at sample 54"),
    "det F = 0": (lambda d: {"F": d["F"][:-1] + [[[0, 0, 0], [0, 1, 0], [0, 0, 1]]]}, "det F = 0 at sample 54"),
    "wrong group": (lambda d: {"point_group": "4/mmm"}, "'4/mmm' declared"),
    "no group": (lambda d: {"point_group": "m-5m"}, "m-5m"),
    "half a structure": (lambda d: {"species": None}, "species: missing"),
    "species too few": (lambda d: {"species": ["Si"]}, "one per atom"),
    "flat lattice": (lambda d: {"lattice": np.ones((3, 3)).tolist()}, "independent"),
    "newer schema": (lambda d: {"schema_version": 99}, "newer"),
    "negative weight": (lambda d: {"stress_weights": [-1.0] * 55}, "negative weight"),
    "path as structure": (lambda d: {"structure": "/etc/passwd"}, "never|object"),
    "mixed paths": (lambda d: {"paths": d["paths"] + [{"F": np.eye(3).tolist()}]}, "paths"),
    "ions": (lambda d: {"ions": "frozen"}, "ions"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_files_are_refused(document, fault, tmp_path):
    change, message = BROKEN[fault]
    path = tmp_path / "data.json"
    path.write_text(json.dumps(changed(document, **change(document))))
    with pytest.raises(ConstitutiveError, match=message) as caught:
        StressStrainData.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe\x00", b"[" * 100_000, b"null", b'{"F": 1e999}'])
def test_no_data_file(content, tmp_path):
    path = tmp_path / "data.json"
    path.write_bytes(content)
    with pytest.raises(DataError):
        StressStrainData.load(path)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        StressStrainData.load(tmp_path / "none.json")


def test_size_limit(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(600 * 2**20)  # sparse
    with pytest.raises(DataError, match="at most 512 MiB"):
        StressStrainData.load(path)


# --- plausible sign and unit ---


@pytest.mark.parametrize(
    ("scale_stress", "scale_W", "message"),
    [
        (-1, 1, "compression growing under stretch"),
        (-1, -1, "compression growing under stretch"),
        (10, 10, "stiffness"),
        (1 / 160.2, 1 / 160.2, "stiffness"),
        (1e9, 1e9, "stiffness"),
        (10, 1, "unit of the stress or of W|stiffness"),
        (1, 160.2, "unit of the stress or of W"),
        (1, -1, "sign of the stress or of W"),
    ],
)
def test_implausible_sign_or_unit(document, tmp_path, scale_stress, scale_W, message):
    stress, W = np.array(document["cauchy"]) * scale_stress, np.array(document["W"]) * scale_W
    path = tmp_path / "data.json"
    path.write_text(json.dumps(changed(document, cauchy=stress.tolist(), W=W.tolist(), paths=None)))
    with pytest.raises(DataError, match=message):
        StressStrainData.load(path)
    assert len(StressStrainData.load(path, plausible=False)) == 55  # the intake check reads it all the same


# --- files ---


@pytest.mark.parametrize("name", ["copy.json", "copy.h5"])
def test_save_and_load(silicon, tmp_path, name):
    silicon.save(tmp_path / name)
    copied = StressStrainData.load(tmp_path / name)
    assert copied.sha256 == silicon.sha256
    assert copied.paths == silicon.paths
    assert copied.model_extra["check"] == silicon.model_extra["check"]
    assert copied.schema_version == 1
    units = copied.to_document()["field_units"]
    assert {"F", "lattice", "frac_coords"} <= units.keys()


def test_weights_and_conditions_are_kept(silicon, tmp_path):
    rich = StressStrainData(
        F=silicon.F,
        cauchy=silicon.cauchy,
        units="GPa",
        structure=silicon.structure,
        stress_weights=np.linspace(0, 1, 55),
        energy_weights=np.full(55, 0.1),
        ions="relaxed",
        temperature=300.0,
    )
    rich.save(tmp_path / "rich.json")
    read = StressStrainData.load(tmp_path / "rich.json")
    np.testing.assert_array_equal(read.stress_weights, rich.stress_weights)
    assert (read.ions, read.temperature) == ("relaxed", 300.0)


@pytest.mark.parametrize("name", ["data.json", "data.h5"])
def test_a_full_disk_leaves_the_old_file(silicon, tmp_path, monkeypatch, name):
    path = tmp_path / name
    silicon.save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="unchanged"):
        silicon.head(3).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_hdf5_is_read_in_pieces(silicon, tmp_path):
    path = tmp_path / "large.h5"
    write_chunks(path, (silicon for _ in range(40)))
    with open_large(path) as large:
        assert len(large) == 2200
        pieces = list(large.chunks(500))
        assert [len(piece) for piece in pieces] == [500, 500, 500, 500, 200]
        np.testing.assert_array_equal(np.concatenate([piece.F for piece in pieces])[-55:], silicon.F)
        assert len(large.sample(100, seed=1)) == 100
        assert large.head(55).sha256 == silicon.sha256
        assert large.sample(100, seed=1).sha256 == large.sample(100, seed=1).sha256 != large.sample(100, seed=2).sha256


def peak_memory(silicon, path, pieces):
    import tracemalloc

    piece = silicon.select(np.tile(np.arange(55), 150))
    write_chunks(path, (piece for _ in range(pieces)))
    tracemalloc.start()
    data = load_bounded(path, 500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 500
    assert data.provenance["sampled"].startswith(f"500 of {8250 * pieces}")
    return peak


def test_hdf5_memory_does_not_grow_with_the_file(silicon, tmp_path):
    small, large = (peak_memory(silicon, tmp_path / f"{n}.h5", n) for n in (2, 10))
    grown = (tmp_path / "10.h5").stat().st_size - (tmp_path / "2.h5").stat().st_size
    assert abs(large - small) < 0.1 * grown


def test_hdf5_units_are_written(silicon, tmp_path):
    silicon.save(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        units = {name: file[name].attrs["unit"] for name in file}
    assert units.items() >= {"F": "1", "cauchy": "GPa", "W": "GPa"}.items()


def test_hostile_hdf5(silicon, tmp_path):
    secret = tmp_path / "secret.h5"
    silicon.save(secret)
    path = tmp_path / "x.h5"
    silicon.save(path)
    with h5py.File(path, "a") as file:
        del file["F"]
        file["F"] = h5py.ExternalLink(str(secret), "F")
    with pytest.raises(DataError, match="link"):
        StressStrainData.load(path)


@given(fraction=st.floats(0.0, 0.999), flip=st.integers(0, 10**6))
def test_mangled_hdf5(silicon, tmp_path_factory, fraction, flip):
    folder = tmp_path_factory.mktemp("mangled")
    path = folder / "x.h5"
    silicon.head(5).save(path)
    content = bytearray(path.read_bytes())
    (folder / "cut.h5").write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(DataError):
        StressStrainData.load(folder / "cut.h5")
    content[flip % len(content)] ^= 0xFF
    (folder / "flip.h5").write_bytes(content)
    with contextlib.suppress(ConstitutiveError):
        assert len(StressStrainData.load(folder / "flip.h5")) == 5


@given(data=st.data())
def test_mangled_json_never_crashes(small_document, data):
    document = small_document
    keys = data.draw(st.lists(st.sampled_from(sorted(document)), min_size=1, max_size=3))
    junk = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
    mangled = {**document, **{key: data.draw(junk) for key in keys}}
    with contextlib.suppress(ConstitutiveError):
        StressStrainData.from_document(mangled)


# --- the reference cell ---


def test_same_reference(silicon):
    require_same_reference(silicon.structure, silicon.structure.copy())
    require_same_reference(None, silicon.structure)
    turned = silicon.structure.copy()
    turned.lattice = type(turned.lattice)(turned.lattice.matrix[:, [1, 2, 0]] * [1, -1, -1])
    with pytest.raises(DataError, match="another frame"):
        require_same_reference(turned, silicon.structure)
    strained = silicon.structure.copy()
    strained.apply_strain(0.01)
    with pytest.raises(DataError, match="another reference cell"):
        require_same_reference(strained, silicon.structure)
    carbon = silicon.structure.copy()
    carbon.replace_species({"Si": "C"})
    with pytest.raises(DataError, match="another crystal"):
        require_same_reference(carbon, silicon.structure)


def test_reference_from_objects(silicon):
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = AseAtomsAdaptor.get_atoms(silicon.structure)
    data = StressStrainData(F=silicon.F, cauchy=silicon.cauchy, units="GPa", structure=atoms)
    np.testing.assert_allclose(data.lattice, silicon.lattice)
    again = StressStrainData(F=silicon.F, cauchy=silicon.cauchy, units="GPa", structure=silicon.structure.as_dict())
    np.testing.assert_allclose(again.lattice, silicon.lattice)
    np.testing.assert_allclose(kinematics.determinant(data.F), np.linalg.det(data.F))


def test_files_are_paths_too(silicon_data):
    assert len(StressStrainData.from_json(str(silicon_data))) == len(StressStrainData.load(Path(silicon_data)))


# --- other libraries ---


def test_to_pymatgen_fits_the_elastic_constants(silicon):
    import warnings

    from pymatgen.analysis.elasticity import ElasticTensor

    small = silicon.select(np.abs(silicon.green_lagrange_strain).max((1, 2)) < 0.045)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen's Tensor under NumPy 2
        out = small.to_pymatgen()
        tensor = ElasticTensor.from_pseudoinverse(out.strains, out.stresses)
        strained = out.deformations[3].apply_to_structure(out.structure)
        C11 = tensor.voigt[0, 0]
    assert pytest.approx(153.4, rel=0.1) == C11
    np.testing.assert_allclose(strained.lattice.matrix, small.lattice @ small.F[3].T, atol=1e-10)


@pytest.mark.parametrize("suffix", ["traj", "extxyz"])
def test_to_ase_and_back(silicon, tmp_path, suffix):
    import ase.io

    from constitutive.readers import convert

    ase.io.write(tmp_path / f"x.{suffix}", silicon.to_ase())
    back = convert([tmp_path / f"x.{suffix}"], reference=silicon.structure)
    np.testing.assert_allclose(back.F, silicon.F, atol=1e-7)
    np.testing.assert_allclose(back.cauchy, silicon.cauchy, atol=1e-5)
    with pytest.raises(DataError, match="no reference structure"):
        StressStrainData(F=silicon.F, cauchy=silicon.cauchy, units="GPa").to_ase()


def test_to_pandas_and_back(silicon, tmp_path):
    from constitutive.readers import read_any

    table = silicon.to_pandas()
    assert len(table) == 55
    table.to_csv(tmp_path / "x.csv", index=False)
    back = read_any(tmp_path / "x.csv", structure=silicon.structure)
    np.testing.assert_allclose(back.F, silicon.F, rtol=1e-14)
    np.testing.assert_allclose(back.W, silicon.W, rtol=1e-14)


def test_mends_undo_what_they_name(silicon):
    from constitutive.data.corrections import Corrections, lammps_frames
    from constitutive.tensors.components import matrices_of, parse_order, six_of

    order = "xx yy zz xy yz xz"
    spoiled = silicon.replace(cauchy=-10 * matrices_of(six_of(silicon.cauchy)[:, parse_order(order)]))
    mended = Corrections(order=order, sign="pressure", unit="kbar").apply(spoiled)
    np.testing.assert_allclose(mended.cauchy, silicon.cauchy, atol=2e-4)  # the file's stress is symmetric to 1e-4
    Q = lammps_frames(silicon.F, silicon.lattice)
    np.testing.assert_allclose(np.triu(silicon.lattice @ silicon.F.swapaxes(1, 2) @ Q.swapaxes(1, 2), 1), 0, atol=1e-12)
    turned = silicon.replace(cauchy=Q @ silicon.cauchy @ Q.swapaxes(1, 2))
    np.testing.assert_allclose(Corrections(stress_frame="lammps").apply(turned).cauchy, silicon.cauchy, atol=1e-12)
    held = Corrections(transpose_f=True).apply(silicon).paths_data()
    np.testing.assert_array_equal(held.F, silicon.paths_data().F.swapaxes(1, 2))  # what holds for samples holds for paths
    dropped = Corrections(drop=(0, 54)).apply(silicon)
    assert len(dropped) == 53
    wrong = [{"order": "xx yy"}, {"sign": "plus"}, {"drop": (99,)}, {"stress_frame": "1 2 3"}, {"measure": "biot"}]
    for options in wrong:
        with pytest.raises(DataError):
            Corrections(**options).apply(silicon)
