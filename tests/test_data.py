"""Data sets: the schema, units, files and what is refused."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from constitutive import kinematics
from constitutive.data import StressStrainData, require_same_reference
from constitutive.errors import ConstitutiveError, DataError
from constitutive.units import PRESSURE_UNITS, pressure_factor


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
        with pytest.raises(DataError, match="take 1 to 55"):
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


# --- the reference cell ---


def test_same_reference(silicon):
    require_same_reference(silicon.structure, silicon.structure.copy())
    require_same_reference(None, silicon.structure)
    turned = silicon.structure.copy()
    turned.lattice = type(turned.lattice)(turned.lattice.matrix[:, [1, 2, 0]] * [1, -1, -1])
    require_same_reference(turned, silicon.structure)  # by an operation of the crystal: the same crystal in the same frame
    third = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])  # by none
    turned.lattice = type(turned.lattice)(silicon.structure.lattice.matrix @ third.T)
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
