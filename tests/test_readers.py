"""The readers: golden files of real runs, independent conversions, hostile and damaged files."""

import contextlib
import json
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase import units as ase_units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given
from hypothesis import strategies as st

from constitutive.data import StressStrainData
from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers import ReadOptions, convert, detect, read_any
from constitutive.readers.convert import read_frames

GOLDEN = Path(__file__).parent / "data" / "readers"
REAL = ReadOptions(lammps_units="real", symbols=("Ar",))
KINDS = {
    "si_0_scf.out": "espresso",
    "si_1_relax.xml": "espresso-xml",
    "si_metal.log": "lammps-log",
    "si_metal.dump": "lammps-dump",
    "ar_real.log": "lammps-log",
    "ar_real.dump": "lammps-dump",
    "vasprun.xml": "vasprun",
    "OUTCAR": "outcar",
}


def frames(name, options=None):
    return read_frames(GOLDEN / name, detect(GOLDEN / name), options or ReadOptions())


@pytest.mark.parametrize("name", KINDS)
def test_formats_are_found_out(name):
    assert detect(GOLDEN / name) == KINDS[name]


# --- Quantum ESPRESSO: real runs of pw.x 6.7 ---


@pytest.mark.parametrize("run", ["si_1_scf", "si_1_relax", "si_3_relax"])
def test_espresso_text_and_xml_agree(run):
    (text,), (xml,) = frames(f"{run}.out"), frames(f"{run}.xml")
    np.testing.assert_allclose(text.cell, xml.cell, atol=5e-6)
    np.testing.assert_allclose(text.stress, xml.stress, atol=6e-4)  # the text has two decimals of kbar
    np.testing.assert_allclose(text.forces, xml.forces, atol=5e-7)
    np.testing.assert_allclose(text.frac, xml.frac, atol=1e-6)
    assert text.energy == pytest.approx(xml.energy, abs=1e-6)
    assert text.species == xml.species == ("Si", "Si")
    assert text.ions == xml.ions == run.split("_")[-1].replace("scf", "clamped").replace("relax", "relaxed")


@pytest.mark.parametrize("run", ["si_0_scf", "si_1_scf"])
def test_espresso_against_ase(run):
    (ours,) = frames(f"{run}.out")
    theirs = ase.io.read(GOLDEN / f"{run}.out", format="espresso-out")
    np.testing.assert_allclose(ours.cell, theirs.cell[:], atol=1e-5)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(voigt=False) / ase_units.GPa, atol=1e-3)
    np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=1e-5)
    assert ours.energy == pytest.approx(theirs.get_potential_energy(), abs=1e-3)  # ASE takes CODATA 2006
    assert np.trace(ours.stress) < 0  # control: the cell is compressed, the code prints a positive pressure


def test_espresso_deformations_are_those_of_the_input():
    data = convert([GOLDEN / f for f in ("si_0_scf.out", "si_1_relax.out", "si_3_relax.out")])
    made = np.array(json.loads((GOLDEN / "si_F.json").read_text())["F"])[[0, 1, 3]]
    np.testing.assert_allclose(data.F, made, atol=2e-6)
    assert np.abs(data.F - made.swapaxes(1, 2)).max() > 1e-3  # control: the transpose is another thing
    assert data.W[0] == 0
    assert (data.W[1:] > 0).all()
    assert data.model_extra["ions_by_sample"] == ["clamped", "relaxed", "relaxed"]
    assert "Quantum ESPRESSO 6.7" in data.model_extra["code"]
    assert data.settings["ecutwfc_Ry"] == 16


def test_an_unfinished_run_is_refused(tmp_path):
    text = (GOLDEN / "si_1_scf.out").read_text()
    cut = tmp_path / "cut.out"
    cut.write_text(text[: text.index("JOB DONE")] + "\n")
    with pytest.raises(DataError, match="JOB DONE"):
        read_any(cut)
    cut.write_text(text.replace("     convergence has been achieved", "     convergence NOT achieved"))
    with pytest.raises(DataError, match="NOT achieved"):
        read_any(cut)
    cut.write_text(re.sub(r"total   stress.*?\n\n", "", text, flags=re.S))
    with pytest.raises(DataError, match="tstress"):
        read_any(cut)


# --- LAMMPS: real runs, metal and real units ---


@pytest.mark.parametrize(("stem", "options"), [("si_metal", ReadOptions()), ("ar_real", REAL)])
def test_lammps_log_and_dump_agree(stem, options):
    log, dump = frames(f"{stem}.log", options), frames(f"{stem}.dump", options)
    assert len(log) == len(dump) > 1
    for one, other in zip(log, dump, strict=True):
        np.testing.assert_allclose(one.cell, other.cell, atol=2e-5)
        np.testing.assert_allclose(one.stress, other.stress, atol=2e-6)
        assert one.energy == pytest.approx(other.energy, abs=1e-6)


def test_lammps_joined_is_the_log():
    joined = convert([GOLDEN / "si_metal.log", GOLDEN / "si_metal.dump"])
    alone = convert([GOLDEN / "si_metal.log"])
    assert len(joined) >= len(alone)
    for F, stress in zip(alone.F, alone.cauchy, strict=True):
        match = np.abs(joined.F - F).max((1, 2)) < 1e-5
        assert np.abs(joined.cauchy[match] - stress).max((1, 2)).min() < 1e-9


def test_lammps_stress_against_ase_potential():
    """The argon cell computed again by ASE's own Lennard-Jones."""
    from ase.calculators.lj import LennardJones

    frame = frames("ar_real.dump", REAL)[-1]
    atoms = Atoms("Ar4", cell=frame.cell, scaled_positions=frame.frac, pbc=True)
    atoms.calc = LennardJones(epsilon=0.238 * ase_units.kcal / ase_units.mol, sigma=3.405, rc=12.0, smooth=False)
    np.testing.assert_allclose(frame.stress, atoms.get_stress(voigt=False) / ase_units.GPa, atol=2e-5)
    metal = read_frames(GOLDEN / "ar_real.dump", "lammps-dump", ReadOptions(lammps_units="metal"))[-1]
    assert np.abs(metal.stress - frame.stress).max() > 1e-4  # control: bar is not atm


def test_lammps_dump_against_ase():
    ours = frames("si_metal.dump")
    theirs = ase.io.read(GOLDEN / "si_metal.dump", index=":", format="lammps-dump-text")
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.cell, b.cell[:], atol=1e-9)
        np.testing.assert_allclose(a.forces, b.get_forces(), atol=1e-9)


def test_lammps_units_are_asked_for():
    with pytest.raises(DataError, match="lammps-units"):
        convert([GOLDEN / "ar_real.dump"])


def test_lammps_log_without_cell(tmp_path):
    text = (GOLDEN / "si_metal.log").read_text().replace("Lx", "c1")
    (tmp_path / "x.log").write_text(text)
    with pytest.raises(DataError, match="no lx in the thermo output"):
        convert([tmp_path / "x.log"])


# --- VASP: files after the description in the VASP wiki, checked by ASE's own readers ---


def test_vasp_xml_against_ase():
    (ours,) = frames("vasprun.xml")
    theirs = ase.io.read(GOLDEN / "vasprun.xml", format="vasp-xml")
    np.testing.assert_allclose(ours.cell, theirs.cell[:], atol=1e-7)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(voigt=False) / ase_units.GPa, atol=1e-5)
    np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=1e-7)
    assert ours.energy == pytest.approx(theirs.get_potential_energy(force_consistent=True), abs=1e-8)
    assert (ours.ions, ours.species, ours.code) == ("clamped", ("Si", "Si"), "VASP 6.3.2")


def test_vasp_outcar_against_ase_and_xml():
    (ours,), (xml,) = frames("OUTCAR"), frames("vasprun.xml")
    theirs = ase.io.read(GOLDEN / "OUTCAR", format="vasp-out")
    np.testing.assert_allclose(ours.cell, theirs.cell[:], atol=1e-7)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(voigt=False) / ase_units.GPa, atol=1e-4)
    np.testing.assert_allclose(ours.stress, xml.stress, atol=1e-5)
    np.testing.assert_allclose(ours.forces, xml.forces, atol=1e-5)
    np.testing.assert_allclose(ours.frac, xml.frac, atol=1e-5)
    assert ours.energy == pytest.approx(xml.energy, abs=1e-8)
    shears = ours.stress[0, 1], ours.stress[1, 2], ours.stress[0, 2]
    assert len({round(abs(s), 3) for s in shears}) == 3  # control: an order of shears other than XY YZ ZX would show


# --- ASE ---


def strained_copper(n=6):
    rng = np.random.default_rng(1)
    images = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True)
        F = np.eye(3) + (0 if k == 0 else 1) * rng.uniform(-0.02, 0.02, (3, 3))
        atoms.set_cell(atoms.cell[:] @ F.T, scale_atoms=True)
        atoms.calc = EMT()
        atoms.get_potential_energy(), atoms.get_stress(), atoms.get_forces()
        images.append(atoms)
    return images


@pytest.fixture(scope="module")
def copper():
    return strained_copper()


@pytest.mark.parametrize("name", ["cu.traj", "cu.extxyz"])
def test_ase_files(copper, tmp_path, name):
    ase.io.write(tmp_path / name, copper)
    data = convert([tmp_path / name])
    assert len(data) == 6
    for k, atoms in enumerate(copper):
        np.testing.assert_allclose(data.cauchy[k], atoms.get_stress(voigt=False) / ase_units.GPa, atol=1e-6)
        np.testing.assert_allclose(data.lattice @ data.F[k].T, atoms.cell[:], atol=1e-7)
    energy = np.array([a.get_potential_energy() for a in copper])
    np.testing.assert_allclose(data.W, (energy - energy[0]) / copper[0].get_volume() / ase_units.GPa, atol=1e-7)
    assert data.forces.shape == (6, 4, 3)


@pytest.mark.parametrize("key", ["virial", "REF_virial", "REF_stress", "stress"])
def test_extxyz_names(copper, tmp_path, key):
    lines = []
    for atoms in copper:
        plain = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
        sigma = atoms.get_stress(voigt=False)
        plain.info[key] = -sigma * atoms.get_volume() if "virial" in key else sigma
        plain.info["REF_energy"] = atoms.get_potential_energy()
        lines.append(plain)
    ase.io.write(tmp_path / "x.extxyz", lines, format="extxyz")
    data = convert([tmp_path / "x.extxyz"])
    np.testing.assert_allclose(data.cauchy[3], copper[3].get_stress(voigt=False) / ase_units.GPa, atol=1e-6)
    assert data.W[3] > 0


def test_extxyz_without_stress_in_one_frame(copper, tmp_path):
    plain = Atoms(copper[1].symbols, copper[1].positions, cell=copper[1].cell, pbc=True)
    ase.io.write(tmp_path / "x.extxyz", [copper[0], plain], format="extxyz")
    with pytest.raises(DataError, match="frame 1: found neither stress nor virial"):
        convert([tmp_path / "x.extxyz"])


def test_extxyz_with_contradicting_virial(copper, tmp_path):
    atoms = Atoms(copper[1].symbols, copper[1].positions, cell=copper[1].cell, pbc=True)
    atoms.info["REF_virial"] = copper[1].get_stress(voigt=False) * atoms.get_volume()  # the sign is wrong
    atoms.calc = SinglePointCalculator(atoms, stress=copper[1].get_stress())
    ase.io.write(tmp_path / "x.extxyz", atoms, format="extxyz")
    with pytest.raises(DataError, match="contradict"):
        convert([tmp_path / "x.extxyz"])


def test_another_crystal_is_refused(copper, tmp_path):
    other = bulk("Ag", cubic=True)
    other.calc = EMT()
    other.get_stress()
    ase.io.write(tmp_path / "x.traj", [copper[0], other])
    with pytest.raises(DataError, match="state 1: found atoms Ag4, needed Cu4"):
        convert([tmp_path / "x.traj"])


# --- documents and tables ---


def test_elasticity_document(silicon_data, tmp_path):
    """An ElasticDocument as atomate2 writes it: pymatgen's own second Piola-Kirchhoff stress is the independent conversion."""
    from pymatgen.analysis.elasticity import Deformation, Stress

    silicon = StressStrainData.load(silicon_data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pymatgen's Tensor.__array_wrap__ under NumPy 2
        second = [Stress(s).piola_kirchoff_2(Deformation(F)) for s, F in zip(silicon.cauchy, silicon.F, strict=True)]
    document = {
        "structure": silicon.structure.as_dict(),
        "fitting_data": {
            "deformations": silicon.F.tolist(),
            "cauchy_stresses": silicon.cauchy.tolist(),
            "pk_stresses": [np.array(s).tolist() for s in second],
        },
        "order": 2,
    }
    path = tmp_path / "elastic.json"
    path.write_text(json.dumps(document))
    assert detect(path) == "elasticity"
    data = read_any(path)
    np.testing.assert_array_equal(data.cauchy, silicon.cauchy)
    del document["fitting_data"]["cauchy_stresses"]
    path.write_text(json.dumps(document))
    data = read_any(path)
    assert data.measure == "second_piola_kirchhoff"
    np.testing.assert_allclose(data.stress("cauchy"), silicon.cauchy, atol=1e-9)
    document["fitting_data"]["deformations"] = document["fitting_data"]["deformations"][:-1]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"54|55"):
        read_any(path)


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


# --- conversions against an independent reading: pandas, NumPy, h5py and pymatgen, each number converted by hand ---

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


@pytest.mark.parametrize("style", ["atomate2", "emmet", "atomate"])
def test_elasticity_documents_against_pymatgen(silicon_data, tmp_path, style):
    """Deformations, strains and stresses through pymatgen's own tensors and monty's JSON, in the layout of each writer."""
    from monty.json import MontyEncoder
    from pymatgen.analysis.elasticity import Deformation, DeformedStructureSet, Strain, Stress

    structure = StressStrainData.load(silicon_data).structure
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pymatgen's Tensor.__array_wrap__ under NumPy 2
        deformed = DeformedStructureSet(structure, norm_strains=(-0.03, 0.05), shear_strains=(-0.04, 0.06))
        deformations = list(deformed.deformations)
        rng = np.random.default_rng(3)
        stresses = [Stress.from_voigt(rng.uniform(-5, 5, 6)) for _ in deformations]
        first = [np.array(s.piola_kirchoff_1(d)) for s, d in zip(stresses, deformations, strict=True)]
        second = [s.piola_kirchoff_2(d) for s, d in zip(stresses, deformations, strict=True)]
        strains = [np.array(Strain.from_deformation(d)) for d in deformations]
        encode = json.loads(json.dumps({"F": deformations, "pk2": second, "cauchy": stresses}, cls=MontyEncoder))
    layout = {
        "atomate2": {"fitting_data": {"deformations": encode["F"], "cauchy_stresses": encode["cauchy"], "pk_stresses": encode["pk2"]}},
        "emmet": {"fitting_data": {"deformations": encode["F"], "second_pk_stresses": encode["pk2"]}},
        "atomate": {"deformations": encode["F"], "cauchy_stresses": encode["cauchy"]},
    }[style]
    path = tmp_path / "elastic.json"
    path.write_text(json.dumps({"structure": structure.as_dict(), **layout}))
    data = read_any(path)
    assert data.measure == ("second_piola_kirchhoff" if style == "emmet" else "cauchy")
    np.testing.assert_allclose(data.F, np.array([np.array(d) for d in deformations]), atol=1e-15)
    np.testing.assert_allclose(data.green_lagrange_strain, strains, atol=1e-14)
    np.testing.assert_allclose(data.stress("cauchy"), [np.array(s) for s in stresses], atol=1e-12)
    np.testing.assert_allclose(data.stress("first_piola_kirchhoff"), first, atol=1e-12)
    np.testing.assert_allclose(data.stress("second_piola_kirchhoff"), [np.array(s) for s in second], atol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        strained = np.array([Deformation(F).apply_to_structure(structure).lattice.matrix for F in data.F])
    np.testing.assert_allclose(data.lattice @ data.F.swapaxes(1, 2), strained, atol=1e-9)
    assert np.abs(data.stress("second_piola_kirchhoff") - data.stress("cauchy")).max() > 0.1  # control: measures differ
    assert np.abs(data.lattice @ data.F - strained).max() > 0.01  # control: and so do F and its transpose


def test_our_own_files(silicon_data, tmp_path):
    silicon = convert([silicon_data])
    silicon.save(tmp_path / "x.h5")
    assert convert([tmp_path / "x.h5"]).sha256 == silicon.sha256
    twice = convert([silicon_data, tmp_path / "x.h5"])
    assert len(twice) == 110


def test_conversion_against_a_reference(copper, tmp_path):
    ase.io.write(tmp_path / "ref.traj", copper[0])
    ase.io.write(tmp_path / "rest.traj", copper[1:])
    whole = tmp_path / "all.traj"
    ase.io.write(whole, copper)
    apart = convert([tmp_path / "rest.traj"], reference=tmp_path / "ref.traj")
    np.testing.assert_allclose(apart.F, convert([whole]).F[1:])
    np.testing.assert_allclose(apart.W, convert([whole]).W[1:])


# --- hostile files ---


MARK = Path(__file__).parent / "a-pickle-was-opened"


class Bomb:
    def __reduce__(self):
        return (Path.touch, (MARK,))


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.traj", "x.json", "x.h5", "x.csv", "x.log"])
def test_pickles_are_not_opened(tmp_path, name):
    content = pickle.dumps(Bomb())
    if name == "x.npy":
        np.save(tmp_path / name, np.array([Bomb()], dtype=object), allow_pickle=True)
    elif name == "x.npz":
        np.savez(tmp_path / name, F=np.array([Bomb()], dtype=object))
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConstitutiveError):
        read_any(tmp_path / name)
    assert not MARK.exists()


@pytest.mark.parametrize("name", ["vasprun.xml", "si_1_scf.xml"])
def test_entities_are_refused(tmp_path, name):
    text = (GOLDEN / name).read_text()
    head, _, rest = text.partition("?>")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    for entity in (bomb, outside):
        (tmp_path / name).write_text(f"{head}?>{entity}{rest}")
        with pytest.raises(DataError):
            read_any(tmp_path / name)


def test_zip_bombs_are_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("F.npy", "w", force_zip64=True) as file,
    ):
        block = b"\0" * 2**24
        for _ in range(70):
            file.write(block)
    with pytest.raises(DataError, match="unpacked"):
        read_any(tmp_path / "x.npz")


def test_unknown_formats_are_refused(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\x7fELF" + bytes(100))
    with pytest.raises(DataError, match="no known format"):
        read_any(tmp_path / "x.bin")
    with pytest.raises(DataError, match="needed one of"):
        convert([GOLDEN / "OUTCAR"], options=ReadOptions(format="yaml"))


@pytest.fixture(scope="module")
def made(silicon_data, tmp_path_factory):
    """Small files of the formats that have no golden file, by the format's name."""
    silicon = StressStrainData.load(silicon_data).head(3)
    folder = tmp_path_factory.mktemp("made")
    paths = {name: folder / f"x.{name}" for name in ("extxyz", "traj", "csv", "npz", "json")}
    for name in ("extxyz", "traj"):
        ase.io.write(paths[name], silicon.to_ase())
    silicon.to_pandas().to_csv(paths["csv"], index=False)
    np.savez(paths["npz"], F=silicon.F, cauchy=silicon.cauchy, unit="GPa")
    fitting = {"deformations": silicon.F.tolist(), "cauchy_stresses": silicon.cauchy.tolist()}
    paths["json"].write_text(json.dumps({"structure": silicon.structure.as_dict(), "fitting_data": fitting}))
    return {name: (path, path.read_bytes()) for name, path in paths.items()}


@given(name=st.sampled_from(["extxyz", "traj", "csv", "npz", "json"]), data=st.data())
def test_mangled_tables_and_trajectories_never_crash(made, name, data):
    path, whole = made[name]
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        junk = data.draw(st.sampled_from([b"\0", b"NaN", b"1e999", b"-", b",", b"\n", b"\xff", b'"', b" "]))
        content[start : start + len(junk)] = junk
    cut = data.draw(st.integers(len(content) // 2, len(content)))
    path.write_bytes(content[:cut])
    read = None
    with contextlib.suppress(ConstitutiveError):
        read = read_any(path)
    if read is not None:
        assert np.isfinite(read.cauchy).all()
        whole_records = cut == len(content) or (name in ("csv", "extxyz") and bytes(content[:cut]).endswith(b"\n"))
        assert whole_records or len(read) == 3  # never a silent half


@given(name=st.sampled_from(sorted(KINDS)), fraction=st.floats(0.0, 0.98))
def test_truncated_files_are_refused(tmp_path_factory, name, fraction):
    """Anything but a clear error on a file cut within its last two hundredths would be a silent half."""
    content = (GOLDEN / name).read_bytes()
    path = tmp_path_factory.mktemp("cut") / name
    path.write_bytes(content[: int(fraction * len(content))])
    options = ReadOptions(format=KINDS[name], lammps_units="real" if "real" in name else None)
    if "dump" in name and _whole_frames(content, fraction):
        return  # a dump cut between two frames cannot be told from a shorter one
    with pytest.raises(ConstitutiveError) as caught:
        convert([path], options=options)
    assert str(path) in str(caught.value)


def _whole_frames(content, fraction):
    cut = content[: int(fraction * len(content))]
    rest = content[len(cut) :]
    return bool(cut) and (rest.startswith(b"ITEM: TIMESTEP") or not rest)


@given(name=st.sampled_from(sorted(KINDS)), data=st.data())
def test_mangled_files_never_crash(tmp_path_factory, name, data):
    content = bytearray((GOLDEN / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(content) - 1))
        junk = data.draw(st.sampled_from([b"\0", b"NaN", b"1e999", b"-", b"<", b"\n", b"\xff", b"99999999999999999999", b" "]))
        content[start : start + len(junk)] = junk
    path = tmp_path_factory.mktemp("mangled") / name
    path.write_bytes(content)
    options = ReadOptions(format=KINDS[name], lammps_units="real" if "real" in name else None)
    with contextlib.suppress(ConstitutiveError):
        read = convert([path], options=options)
        assert np.isfinite(read.cauchy).all()
