"""Tables: CSV, NumPy and HDF5, each conversion against an independent reading by hand."""

import json

import numpy as np
import pytest

from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert, read_any


def table_of(silicon, unit="GPa", order=("xx", "yy", "zz", "yz", "xz", "xy")):
    names = [f"F{i}{j}" for i in "123" for j in "123"] + [f"sigma_{k} [{unit}]" for k in order] + [f"W [{unit}]"]
    places = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2), "xz": (0, 2), "xy": (0, 1)}
    scale = {"GPa": 1, "kbar": 10}[unit]
    stress = np.stack([silicon.cauchy[:, places[k][0], places[k][1]] for k in order], 1) * scale
    rows = np.concatenate([silicon.F.reshape(-1, 9), stress, silicon.W[:, None] * scale], 1)
    return names, rows


@pytest.mark.parametrize("unit", ["GPa", "kbar"])
@pytest.mark.parametrize("order", [("xx", "yy", "zz", "yz", "xz", "xy"), ("xy", "zz", "xz", "xx", "yz", "yy")])
def test_csv_columns_go_by_name(silicon_data, tmp_path, unit, order):
    silicon = StressStrainData.load(silicon_data)
    names, rows = table_of(silicon, unit, order)
    text = ",".join(names) + "\n" + "\n".join(",".join(repr(float(x)) for x in row) for row in rows) + "\n"
    (tmp_path / "x.csv").write_text("# from a spreadsheet\n" + text)
    data = read_any(tmp_path / "x.csv", structure=silicon.structure)
    np.testing.assert_allclose(data.F, silicon.F)
    np.testing.assert_allclose(data.cauchy, (silicon.cauchy + silicon.cauchy.swapaxes(1, 2)) / 2, atol=1e-3)
    np.testing.assert_allclose(data.W, silicon.W, atol=1e-12)
    (tmp_path / "no_unit.csv").write_text(text.replace(f" [{unit}]", ""))
    with pytest.raises(DataError, match="no unit"):
        read_any(tmp_path / "no_unit.csv")
    (tmp_path / "missing.csv").write_text(text.replace("sigma_xy", "tau"))
    with pytest.raises(DataError, match="no column cauchy_xy"):
        read_any(tmp_path / "missing.csv")


def test_numpy_files(silicon_data, tmp_path):
    silicon = StressStrainData.load(silicon_data)
    np.savez(tmp_path / "x.npz", F=silicon.F, cauchy=silicon.cauchy, W=silicon.W, unit="GPa")
    assert np.array_equal(read_any(tmp_path / "x.npz").cauchy, silicon.cauchy)
    names, rows = table_of(silicon)
    plain = [name.split(" [")[0] for name in names]
    record = np.array([tuple(row) for row in rows], dtype=[(name, float) for name in plain])
    np.save(tmp_path / "x.npy", record)
    data = read_any(tmp_path / "x.npy", options=ReadOptions(unit="GPa"))
    np.testing.assert_array_equal(data.F, silicon.F)


KBAR_PER_EV = 1602.176634  # CODATA 2018: e = 1.602176634e-19 C, so that 1 eV/Å^3 = 160.2176634 GPa


def raw_samples():
    """Deformations with rotation and shear, and stresses without any symmetry to hide behind."""
    rng = np.random.default_rng(17)
    F = np.eye(3) + rng.uniform(-0.1, 0.1, (5, 3, 3))
    sigma = rng.uniform(-60, 60, (5, 3, 3))
    return F, (sigma + sigma.swapaxes(1, 2)) / 2, rng.uniform(0.001, 0.02, 5)


def assert_second_piola(data, cauchy):
    """S = J F^-1 sigma F^-T, sample by sample through solves, and not with Fᵀ in place of F."""
    for F, sigma, S in zip(data.F, cauchy, data.stress("second_piola_kirchhoff"), strict=True):
        half = np.linalg.solve(F, sigma)  # F^-1 sigma
        expected = np.linalg.det(F) * np.linalg.solve(F, half.T).T
        np.testing.assert_allclose(S, expected, rtol=1e-10, atol=1e-12)
        assert np.abs(S - np.linalg.det(F) * np.linalg.solve(F.T, np.linalg.solve(F.T, sigma).T)).max() > 0.01  # control


def test_csv_against_pandas_by_hand(tmp_path):
    """A table of VASP's numbers (kbar, pressure positive, XX YY ZZ XY YZ ZX) and W in eV/Å^3, read by pandas."""
    import pandas as pd

    from constitutive.data.corrections import Corrections

    F, vasp, W = raw_samples()
    path = tmp_path / "x.csv"
    order = ("xx", "yy", "zz", "xy", "yz", "zx")
    header = [f"F{i}{j}" for j in "123" for i in "123"] + [f"sigma_{c} [kbar]" for c in order] + ["W [eV/angstrom^3]"]
    axes = {axis: k for k, axis in enumerate("xyz")}
    lines = [
        [*F[k].T.ravel(), *(vasp[k, axes[c[0]], axes[c[1]]] for c in order), W[k]]  # F by columns, as the header says
        for k in range(5)
    ]
    path.write_text("\n".join([",".join(header), *(",".join(repr(float(v)) for v in line) for line in lines)]) + "\n")
    read = read_any(path)
    data = Corrections(sign="pressure").apply(read)
    table = pd.read_csv(path)
    for k, row in table.iterrows():
        by_hand = np.array(
            [
                [row["sigma_xx [kbar]"], row["sigma_xy [kbar]"], row["sigma_zx [kbar]"]],
                [row["sigma_xy [kbar]"], row["sigma_yy [kbar]"], row["sigma_yz [kbar]"]],
                [row["sigma_zx [kbar]"], row["sigma_yz [kbar]"], row["sigma_zz [kbar]"]],
            ]
        )
        np.testing.assert_allclose(data.cauchy[k], -by_hand / 10, rtol=1e-12)
        np.testing.assert_allclose(data.F[k], [[row[f"F{i}{j}"] for j in "123"] for i in "123"], rtol=0, atol=1e-15)
        assert data.W[k] == pytest.approx(row["W [eV/angstrom^3]"] * KBAR_PER_EV / 10, rel=1e-12)
        for wrong in (by_hand / 10, -by_hand, -by_hand[[0, 2, 1]][:, [0, 2, 1]] / 10):  # controls: sign, unit, order
            assert np.abs(data.cauchy[k] - wrong).max() > 0.1
    assert_second_piola(data, data.cauchy)


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_numpy_files_against_numpy_by_hand(tmp_path, suffix):
    """The first Piola-Kirchhoff stress in eV/Å^3, whose nine components are all different."""
    F, sigma, W = raw_samples()
    P = np.stack([np.linalg.det(f) * s @ np.linalg.inv(f).T for f, s in zip(F, sigma / KBAR_PER_EV, strict=True)])
    path = tmp_path / f"x.{suffix}"
    if suffix == "npz":
        np.savez(path, F=F, first_piola_kirchhoff=P, W=W, unit="eV/angstrom^3")
        with np.load(path) as file:
            raw_F, raw_P, raw_W = file["F"], file["first_piola_kirchhoff"], file["W"]
    else:
        names = [f"{stem}{i}{j}" for stem in ("F", "P") for i in "xyz" for j in "xyz"]
        rows = np.concatenate([F.reshape(5, 9), P.reshape(5, 9)], 1)
        dtype = [*((name, "<f8") for name in reversed(names)), ("W", "<f8")]  # columns go by name, not by place
        np.save(path, np.array([(*row[::-1], w) for row, w in zip(rows, W, strict=True)], dtype=dtype))
        record = np.load(path)
        raw_F, raw_P = (np.array([[record[f"{s}{i}{j}"] for j in "xyz"] for i in "xyz"]).transpose(2, 0, 1) for s in "FP")
        raw_W = record["W"]
    data = read_any(path, options=ReadOptions(unit="eV/angstrom^3"))
    np.testing.assert_array_equal(data.F, raw_F)
    np.testing.assert_allclose(data.W, raw_W * KBAR_PER_EV / 10, rtol=1e-12)
    by_hand = np.stack([p @ f.T / np.linalg.det(f) for f, p in zip(raw_F, raw_P, strict=True)]) * KBAR_PER_EV / 10
    np.testing.assert_allclose(data.stress("cauchy"), by_hand, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_hand, sigma / 10, rtol=1e-10, atol=1e-12)
    swapped = np.stack([p.T @ f.T / np.linalg.det(f) for f, p in zip(raw_F, raw_P, strict=True)]) * KBAR_PER_EV / 10
    assert np.abs(data.stress("cauchy") - swapped).max() > 0.01  # control: P is not symmetric
    assert_second_piola(data, by_hand)


def test_hdf5_against_h5py_by_hand(tmp_path):
    """A file laid out by h5py alone, in kbar and eV/Å^3, and one that we wrote, read by h5py alone."""
    import h5py

    F, sigma, W = raw_samples()
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["document"] = json.dumps({"units": {"stress": "kbar", "W": "eV/angstrom^3"}})
        for name, values, unit in (("F", F, "1"), ("cauchy", sigma, "kbar"), ("W", W, "eV/angstrom^3")):
            file[name] = values
            file[name].attrs["unit"] = unit
    to_GPa = {"1": 1.0, "kbar": 0.1, "eV/angstrom^3": KBAR_PER_EV / 10}
    data = read_any(path)
    data.save(tmp_path / "ours.h5")
    for written in (path, tmp_path / "ours.h5"):
        with h5py.File(written) as file:
            raw = {name: file[name][()] * to_GPa[file[name].attrs["unit"]] for name in ("F", "cauchy", "W")}
        np.testing.assert_allclose(data.F, raw["F"], rtol=0)
        np.testing.assert_allclose(data.cauchy, raw["cauchy"], rtol=1e-12)
        np.testing.assert_allclose(data.W, raw["W"], rtol=1e-12)
    assert np.abs(data.cauchy - sigma).max() > 1  # control: the numbers in the file are no GPa
    assert np.abs(data.W - W).max() > 0.1
    assert_second_piola(data, sigma / 10)


def test_our_own_files(silicon_data, tmp_path):
    silicon = convert([silicon_data])
    silicon.save(tmp_path / "x.h5")
    assert convert([tmp_path / "x.h5"]).sha256 == silicon.sha256
    twice = convert([silicon_data, tmp_path / "x.h5"])
    assert len(twice) == 110
