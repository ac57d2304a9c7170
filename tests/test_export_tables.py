"""Tables of constants: each against an independent reader, back by import, and what is refused; the commands."""

import json
import re
import runpy
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from kernel_laws import LAUE, group, linear, material_of

from constitutive import cli, shipped
from constitutive.errors import ConstitutiveError, DataError, MaterialError
from constitutive.export import FORMATS, ExportError, export, read_constants
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.symmetry.operations import rotation
from constitutive.tensors.packing import from_mandel, to_mandel


@pytest.fixture(scope="module")
def quartz():
    return Material.load(shipped("quartz"))


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["constitutive", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capsys.readouterr()

    return call


def from_standard(C, places):
    """A 6×6 in another order of components, by the names of the components."""
    names = ["xx", "yy", "zz", "yz", "xz", "xy"]
    k = [names.index(p) for p in places.split()]
    return C[np.ix_(k, k)]


def test_abaqus_card_by_the_words_of_its_manual(quartz, tmp_path):
    (path,) = export(quartz, "abaqus-elastic", tmp_path / "q.inp")
    pairs = ["11", "22", "33", "12", "13", "23"]  # 1111 1122 2222 1133 2233 3333 1112 2212 3312 1212 1113 … 2323
    words = [row + column for k, column in enumerate(pairs) for row in pairs[: k + 1]]
    body = [line for line in path.read_text().splitlines() if not line.startswith("*")]
    assert [len(line.split(",")) for line in body] == [8, 8, 5]
    values = dict(zip(words, [float(v) for line in body for v in line.split(",")], strict=True))
    place = {"11": 0, "22": 1, "33": 2, "23": 3, "13": 4, "12": 5}
    C = 1e3 * quartz.stiffness_voigt()
    for word, value in values.items():
        assert value == pytest.approx(C[place[word[:2]], place[word[2:]]], abs=1e-6 * C.max())


def test_ansys_anel_by_the_words_of_its_manual(quartz, tmp_path):
    (path,) = export(quartz, "ansys-anel", tmp_path / "q.mac")
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("TBDATA"):
            _, start, *values = line.split(",")
            found |= {int(start) + k: float(v) for k, v in enumerate(values)}
    C = from_standard(1e3 * quartz.stiffness_voigt(), "xx yy zz xy yz xz")
    assert np.allclose([found[k] for k in range(1, 22)], C[np.triu_indices(6)], atol=1e-6 * C.max())


def test_moose_symmetric21(quartz, tmp_path):
    path = next(p for p in export(quartz, "moose", tmp_path) if p.suffix == ".i")
    values = [float(v) for v in re.search(r"C_ijkl = '(.*?)'", path.read_text(), re.DOTALL)[1].split()]
    C = 1e3 * quartz.stiffness_voigt()
    assert np.allclose(values, C[np.triu_indices(6)], atol=1e-6 * C.max())


def general_elasticity(C, strain, rodrigues):
    """NEML2's GeneralElasticity: Mandel components 11 22 33 23 13 12, orientation by modified Rodrigues parameters."""
    size = np.linalg.norm(rodrigues)
    R = rotation(np.array(rodrigues) / size, np.degrees(4 * np.arctan(size)))
    S = R @ np.asarray(from_mandel(C @ np.asarray(to_mandel(R.T @ strain @ R)))) @ R.T
    return np.array([S[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))])


TURN = (0.13991834, 0.18234513, 0.85043991)


def test_general_elasticity_as_neml2_tests_it():
    """The figures of NEML2's own test of this model (tests/unit/models/solid_mechanics/elasticity/GeneralElasticity.i)."""
    C = np.arange(1.0, 37.0).reshape(6, 6)
    C[np.diag_indices(6)] = (100, 150, 300, 150, 200, 100)
    published = [10.14791738, 4.65043712, -2.33254551, -0.74329637, 1.01251401, 1.25050411]
    assert general_elasticity(C, np.diag([0.09, 0.04, -0.02]), TURN) == pytest.approx(published, abs=1e-6)


def test_neml2_block(quartz, tmp_path):
    path = next(p for p in export(quartz, "moose", tmp_path) if p.name == "quartz_neml2.i")
    text = path.read_text()
    C = np.array([float(v) for v in re.search(r"values = '(.*?)'", text, re.DOTALL)[1].split()]).reshape(6, 6)
    E = np.array([[0.01, 0.002, -0.003], [0.002, -0.004, 0.005], [-0.003, 0.005, 0.006]])
    R = rotation(np.array(TURN) / np.linalg.norm(TURN), np.degrees(4 * np.arctan(np.linalg.norm(TURN))))
    linear_law = Material.from_constants(quartz.point_group, quartz.stiffness_voigt()).rotated(R).law
    S = 1e3 * linear_law.stress(torch.from_numpy(E)).numpy()
    found = general_elasticity(C, E, TURN)
    assert found == pytest.approx([S[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))], abs=1e-6 * np.abs(S).max())
    assert "type = GeneralElasticity" in text
    assert "type = SSR4" in text


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of pymatgen
def test_pymatgen_reads_its_json(quartz, tmp_path):
    from monty.serialization import loadfn

    (path,) = export(quartz, "pymatgen", tmp_path / "q.json")
    tensor = loadfn(path)
    assert np.allclose(tensor.voigt, quartz.stiffness_voigt(), atol=1e-8)
    assert any("Hash" in line for line in json.loads(path.read_text())["header"])


def test_elate_text_is_six_rows_of_six(quartz, tmp_path):
    text, header = export(quartz, "elate", tmp_path)
    assert np.allclose(np.loadtxt(text), quartz.stiffness_voigt(), atol=1e-6)
    assert "Point group: 32" in header.read_text()


@pytest.mark.parametrize("package", ["elasticipy", "Elasticipy"])
def test_elasticipy_module(quartz, tmp_path, monkeypatch, package):
    """The package has its name in small letters today, and had a capital before."""
    (path,) = export(quartz, "elasticipy", tmp_path / "q.py")
    seen = {}
    module = types.ModuleType(f"{package}.tensors.elasticity")
    module.StiffnessTensor = lambda matrix, phase_name: seen.update(C=np.array(matrix), name=phase_name)
    for name in (package, f"{package}.tensors"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, f"{package}.tensors.elasticity", module)
    runpy.run_path(str(path))
    assert np.allclose(seen["C"], quartz.stiffness_voigt(), atol=1e-6)


def test_damask_phase_in_standard_axes(tmp_path):
    turned = Material.load(shipped("silicon")).rotated(rotation((1.0, 2.0, 3.0), 30.0))
    (path,) = export(turned, "damask", tmp_path / "si.yaml")
    (phase,) = yaml.safe_load(path.read_text())["phase"].values()
    C = Material.load(shipped("silicon")).stiffness_voigt() * 1e9
    elastic = phase["mechanical"]["elastic"]
    assert (phase["lattice"], elastic["type"]) == ("cF", "Hooke")
    assert [elastic[f"C_{n}"] for n in (11, 12, 44)] == pytest.approx([C[0, 0], C[0, 1], C[3, 3]], rel=1e-8)


@pytest.mark.parametrize("name", ["silicon", "magnesium"])
def test_damask_reads_its_phase(name, tmp_path):
    """Read by DAMASK's own Python package: a valid configuration, a lattice that it has, the constants."""
    import damask

    m = Material.load(shipped(name))
    (path,) = export(m, "damask", tmp_path / "material.yaml")
    configuration = damask.ConfigMaterial.load(path)
    (phase,) = configuration["phase"].values()
    assert configuration.is_valid
    cell = {"a": 1.0, "c": phase["c/a"]} if "c/a" in phase else {"a": 1.0}
    assert damask.Crystal(lattice=phase["lattice"], **cell).family == m.point_group.crystal_system
    C = 1e9 * m.stiffness_voigt()
    for entry, value in phase["mechanical"]["elastic"].items():
        if entry != "type":
            assert value == pytest.approx(C[int(entry[2]) - 1, int(entry[3]) - 1], rel=1e-8)


def test_mfront_and_moose_files_have_their_form(quartz, tmp_path):
    """Neither program is packaged: keywords, balanced braces and the names of the C library only."""
    text = next(p for p in export(quartz, "mfront", tmp_path / "m") if p.suffix == ".mfront").read_text()
    for word in ("@DSL DefaultFiniteStrain;", "@Behaviour Quartz;", "@Integrator{", "@TangentOperator<DS_DEGL>{", "quartz_mandel("):
        assert word in text
    hooks = [p.read_text() for p in export(quartz, "moose", tmp_path / "o") if p.name.startswith("Compute")]
    assert "registerMooseObject" in "".join(hooks)
    for found in (text, *hooks):
        assert found.count("{") == found.count("}")


@pytest.mark.parametrize("symbol", LAUE)
@pytest.mark.parametrize("to", ["abaqus-elastic", "elate", "pymatgen"])
def test_what_is_written_comes_back(to, symbol, tmp_path):
    law = linear(group(symbol), np.random.default_rng(0))
    C = material_of(law, symbol).stiffness_voigt()
    m = Material.from_constants(symbol, C, name="crystal")
    path = export(m, to, tmp_path / "c")[0]
    found, _ = read_constants(path, point_group=symbol)
    assert np.abs(found.stiffness_voigt() - C).max() <= 1e-8 * np.abs(C).max()


# ---- refused or named ---------------------------------------------------------------------------------------------------


def test_a_table_cannot_hold_a_residual_stress_a_domain_or_another_unit(quartz, tmp_path):
    law = linear(group("mmm"), np.random.default_rng(0))
    stressed = material_of(law, "mmm")
    stressed.card["residual_stress"] = {"rule": "keep", "stress_GPa": np.diag([1.0, 0, 0]).tolist()}
    with pytest.raises(ExportError, match="residual stress of up to 1 GPa"):
        export(stressed, "abaqus-elastic", tmp_path / "x.inp")
    with pytest.raises(ExportError, match="has no domain"):
        export(quartz, "elate", tmp_path / "x.txt", outside="stop")
    with pytest.raises(ExportError, match="unit 'MPa' found"):
        export(quartz, "elate", tmp_path / "x.txt", unit="MPa")
    with pytest.raises(ExportError, match="trigonal"):
        export(quartz, "damask", tmp_path / "x.yaml")
    assert not list(tmp_path.iterdir())


SILICON = "160 60 60 0 0 0\n60 160 60 0 0 0\n60 60 160 0 0 0\n0 0 0 80 0 0\n0 0 0 0 80 0\n0 0 0 0 0 80\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (SILICON, {}, "point group of the constants is needed"),
        (SILICON.replace("160 60 60 0", "260 60 60 0", 1), {"point_group": "m-3m"}, "break the symmetry"),
        (SILICON.replace("80", "80e3").replace("60", "60e3"), {"point_group": "m-3m"}, "state the unit"),
        (SILICON.replace("160", "nan"), {"point_group": "m-3m"}, "NaN or infinite"),
        (SILICON.replace("160", "50"), {"point_group": "m-3m"}, "unstable"),
        ("1 2 3\n4 5 6\n", {"point_group": "m-3m"}, "six of six"),
        ("C11 = 160\n", {"point_group": "m-3m"}, "line 1"),
        ("*ELASTIC, TYPE=ORTHOTROPIC\n160, 60, 160, 60, 60, 160, 80, 80,\n80\n", {"point_group": "m-3m"}, "states no unit"),
        ("*ELASTIC\n210000, 0.3\n", {"point_group": "m-3m", "unit": "MPa"}, "TYPE=ISOTROPIC with 2"),
        ('{"band_gap": 1}', {"point_group": "m-3m"}, "needed elastic_tensor"),
        ("[1, 2", {"point_group": "m-3m"}, "no valid JSON"),
    ],
)
def test_bad_files_are_refused(text, options, message, tmp_path):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises((DataError, MaterialError), match=message):
        read_constants(tmp_path / "c.txt", **options)


def test_another_order_of_components_is_named(tmp_path):
    C = Material.load(shipped("quartz")).stiffness_voigt()
    np.savetxt(tmp_path / "c.txt", from_standard(C, "xx yy zz xy xz yz"))
    with pytest.raises(ConstitutiveError, match="--order 'xx yy zz xy xz yz'"):
        read_constants(tmp_path / "c.txt", point_group="32")
    found, _ = read_constants(tmp_path / "c.txt", point_group="32", order="xx yy zz xy xz yz")
    assert np.allclose(found.stiffness_voigt(), C)


def test_materials_project_documents(tmp_path):
    C = np.loadtxt(SILICON.splitlines())
    old = {"material_id": "mp-149", "elasticity": {"elastic_tensor": C.tolist()}}
    new = [{"material_id": "mp-149", "elastic_tensor": {"raw": (C + 0).tolist(), "ieee_format": C.tolist()}}]
    for document in (old, new):
        (tmp_path / "d.json").write_text(json.dumps(document))
        m, found = read_constants(tmp_path / "d.json", point_group="m-3m")
        assert np.allclose(m.stiffness_voigt(), C)
        assert found.source == "the Materials Project"


def test_a_frame_that_is_not_the_standard_one(tmp_path):
    R = rotation((1.0, 1.0, 0.0), 25.0)
    turned = Material.from_constants("m-3m", np.loadtxt(SILICON.splitlines())).rotated(R)
    np.savetxt(tmp_path / "c.txt", turned.stiffness_voigt())
    with pytest.raises(ConstitutiveError, match="break the symmetry"):
        read_constants(tmp_path / "c.txt", point_group="m-3m")
    found, _ = read_constants(tmp_path / "c.txt", point_group=PointGroup.from_symbol("m-3m").rotated(R))
    assert np.allclose(found.stiffness_voigt(), turned.stiffness_voigt())


# ---- the commands -------------------------------------------------------------------------------------------------------


def test_commands(run, tmp_path):
    _, listed, _ = run("export", "--list", "--json")
    assert set(json.loads(listed)) == set(FORMATS)
    code, out, _ = run("export", shipped("silicon"), "--to", "elate", "-o", tmp_path / "si.txt", "--json")
    assert code == 0
    assert [Path(f).name for f in json.loads(out)["files"]] == ["si.txt", "si.header.txt"]
    code, out, _ = run("import", tmp_path / "si.txt", "--point-group", "m-3m", "-o", tmp_path / "si", "--json")
    assert code == 0
    assert np.allclose(Material.load(tmp_path / "si").stiffness_voigt(), json.loads(out)["C_voigt_GPa"])
    code, _, message = run("export", shipped("quartz"), "--to", "damask", "-o", tmp_path / "no.yaml")
    assert code == 2
    assert "DAMASK" in message
    assert not (tmp_path / "no.yaml").exists()


@pytest.mark.parametrize("to", [name for name in FORMATS if name not in ("onnx", "torch", "damask")])
def test_every_output_states_what_it_is(quartz, to, tmp_path):
    text = ""
    for path in export(quartz, to, tmp_path):
        text += np.load(path)["header"].item() if path.suffix == ".npz" else path.read_text()
    for word in ("quartz", "Laue class -3m", "Frame:", "Orientation:", "Units:", "Domain:", "Outside:", "Error:       0.", "Hash:"):
        assert word in text, word
