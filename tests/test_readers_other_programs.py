"""Documents of workflows and training sets, outputs by ASE, compressed files, alloys."""

import bz2
import gzip
import json
import lzma

import ase
import ase.io
import numpy as np
import pytest
import reader_oracle as oracle
from ase.calculators.singlepoint import SinglePointCalculator
from pymatgen.core import Lattice, Structure
from reader_cases import GOLDEN, KINDS

from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert, detect
from constitutive.symmetry import PointGroup

F, SIGMA = oracle.samples()
PACK = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def tasks(sigma):
    entries = {str(2 * k): {"deformation_matrix": f.tolist(), "stress": s.tolist()} for k, (f, s) in enumerate(zip(F, sigma, strict=True))}
    return {"formula_pretty": "Cu", "optimized_structure": oracle.STRUCTURE.as_dict(), "deformation_tasks": entries}


def test_third_order_document_of_atomate(tmp_path):
    """VASP's stress in kbar, pressure positive; tasks without a stress are left out and counted."""
    document = tasks(-10 * SIGMA)
    data = convert([write(tmp_path / "toec.json", document)])
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-12)
    np.testing.assert_array_equal(data.F, F)
    document["deformation_tasks"]["1"] = {"deformation_matrix": F[1].tolist(), "stress": None}
    fewer = convert([write(tmp_path / "toec.json", document)])
    assert len(fewer) == len(F)
    assert "1 of 5 deformation tasks hold no stress" in fewer.provenance["assumed"][0]
    same = convert([tmp_path / "toec.json"], options=ReadOptions(unit="kbar", sign="pressure"))
    np.testing.assert_array_equal(same.cauchy, fewer.cauchy)  # what the format states may be stated
    for options in (ReadOptions(unit="GPa"), ReadOptions(sign="tension")):
        with pytest.raises(DataError, match="this format has"):
            convert([tmp_path / "toec.json"], options=options)


@pytest.mark.parametrize(
    "wrap", [lambda d: d, lambda d: {"output": d}, lambda d: [d], lambda d: {"fitting_data": d, "structure": d.pop("structure")}]
)
@pytest.mark.parametrize("key", ["cauchy_stresses", "pk_stresses", "second_pk_stresses"])
def test_documents_in_documents(tmp_path, wrap, key):
    document = {
        "structure": oracle.STRUCTURE.as_dict(),
        "deformations": F.tolist(),
        key: SIGMA.tolist(),
        "elastic_tensor": np.eye(6).tolist(),
    }
    data = convert([write(tmp_path / "x.json", wrap(document))])
    measure = "cauchy" if key == "cauchy_stresses" else "second_piola_kirchhoff"
    np.testing.assert_array_equal(data.stress(measure), SIGMA)


@pytest.mark.parametrize(
    "document",
    [
        {"elasticity": {"elastic_tensor": (100 * np.eye(6)).tolist()}},
        {"elastic_tensor": {"raw": (100 * np.eye(6)).tolist(), "ieee_format": None}, "fitting_data": None},
        {"output": {"elastic_tensor": {"ieee_format": (100 * np.eye(6)).tolist()}}},
    ],
)
def test_documents_of_constants_are_named_as_such(tmp_path, document):
    path = write(tmp_path / "x.json", document)
    with pytest.raises(DataError, match=r"found elastic constants \(C11 100, C12 0, C44 100 GPa\) but no pairs.*Material.from_constants"):
        convert([path])


def test_deformations_and_stresses_need_unit_sign_and_structure(tmp_path):
    document = {"deformations": F.tolist(), "stresses": (-10 * SIGMA).tolist()}
    path = write(tmp_path / "x.json", document)
    with pytest.raises(DataError, match=r"--unit and --sign.*--unit kbar --sign pressure"):
        convert([path])
    options = ReadOptions(unit="kbar", sign="pressure")
    with pytest.raises(DataError, match="--structure"):
        convert([path], options=options)
    np.testing.assert_allclose(convert([path], options=options, reference=oracle.STRUCTURE).cauchy, SIGMA, atol=1e-12)


@pytest.mark.parametrize(("style", "unit"), [("bar", "bar"), ("kB", "kbar"), ("GPa", "GPa")])
def test_fitsnap_in_its_units(tmp_path, style, unit):
    path = write(tmp_path / "x.json", oracle.fitsnap(F, oracle.in_unit(SIGMA, unit, "pressure"), style))
    assert detect(path) == "fitsnap"
    data = convert([path])
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-9)
    np.testing.assert_allclose(data.F, F, atol=1e-9)
    assert any("positive in compression" in text for text in data.provenance["assumed"])
    turned = convert([path], options=ReadOptions(sign="tension"))
    np.testing.assert_allclose(turned.cauchy, -SIGMA, atol=1e-9)
    scaled = oracle.fitsnap(F, SIGMA, style).replace('"LatticeStyle": "angstrom"', '"LatticeStyle": "bohr"')
    with pytest.raises(DataError, match="LatticeStyle 'bohr'"):
        convert([write(tmp_path / "x.json", scaled)])


@pytest.mark.parametrize("order", oracle.ORDERS)
def test_mlearn_needs_order_unit_and_sign(tmp_path, order):
    path = write(tmp_path / "x.json", oracle.mlearn(F, oracle.in_unit(SIGMA, "kbar", "pressure"), order))
    with pytest.raises(DataError, match="--order, --unit, --sign"):
        convert([path])
    data = convert([path], options=ReadOptions(order=order, unit="kbar", sign="pressure", where=("tag=Elastic",)))
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-9)


def test_output_of_a_code_by_ase(tmp_path):
    """ASE reads the golden outputs too: both ways agree; outputs without a stress and formats with code inside are refused."""
    ours = convert([GOLDEN / "si_0_scf.out"])
    theirs = convert([GOLDEN / "si_0_scf.out"], options=ReadOptions(format="ase"))
    np.testing.assert_allclose(theirs.cauchy, ours.cauchy, atol=1e-3)  # ASE takes CODATA 2006
    named = convert([GOLDEN / "vasprun.xml"], options=ReadOptions(format="ase:vasp-xml"))
    np.testing.assert_allclose(named.cauchy, convert([GOLDEN / "vasprun.xml"]).cauchy, atol=1e-4)
    assert named.ions is None
    with pytest.raises(DataError, match="leave --unit out"):
        convert([GOLDEN / "si_0_scf.out"], options=ReadOptions(format="ase", unit="kbar"))
    write(tmp_path / "x.py", "atoms = 1\n")
    for name in ("ase", "ase:python", "ase:db"):
        with pytest.raises(DataError, match=str(tmp_path / "x.py")):
            convert([tmp_path / "x.py"], options=ReadOptions(format=name))
    silent = re_without_stress((GOLDEN / "si_0_scf.out").read_text())
    with pytest.raises(DataError, match="without a stress"):
        convert([write(tmp_path / "silent.out", silent)], options=ReadOptions(format="ase"))


def re_without_stress(text):
    start = text.index("          total   stress")
    return text[:start] + text[text.index("\n\n", start) :]


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("suffix", PACK)
def test_every_output_compressed(tmp_path, name, suffix):
    options = ReadOptions(lammps_units="real" if name == "ar_real.dump" else None)
    path = tmp_path / f"{name}.{suffix}"
    path.write_bytes(PACK[suffix]((GOLDEN / name).read_bytes()))
    assert detect(path) == KINDS[name]
    plain = convert([GOLDEN / name], options=options)
    packed = convert([path], options=options)
    np.testing.assert_array_equal(packed.cauchy, plain.cauchy)
    assert packed.name == plain.name
    path.write_bytes(PACK[suffix]((GOLDEN / name).read_bytes()[: int(0.4 * (GOLDEN / name).stat().st_size)]))
    with pytest.raises(DataError, match=f"{path}: "):  # the name that was given, not that of a temporary file
        convert([path], options=options)


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.h5", "x.traj", "x.xyz", "x.npz"])
def test_every_data_set_compressed(tmp_path, name):
    if name == "x.csv":
        write(tmp_path / name, oracle.csv(F, SIGMA, "GPa"))
    elif name == "x.xyz":
        write(tmp_path / name, oracle.extxyz(F, SIGMA, entry=" stress-unit=GPa"))
    elif name == "x.npz":
        np.savez(tmp_path / name, F=F, cauchy=SIGMA, unit="GPa")
    elif name == "x.traj":
        images = [ase.Atoms("Cu", cell=c, pbc=True) for c in oracle.cells(F)]
        for atoms, sigma in zip(images, SIGMA, strict=True):
            atoms.calc = SinglePointCalculator(atoms, stress=np.array(oracle.six(sigma, "ASE")))
        ase.io.write(tmp_path / name, images)
    else:
        convert([write(tmp_path / "y.json", oracle.data_set(F, SIGMA, "GPa"))]).save(tmp_path / name)
    options = ReadOptions(unit="GPa")
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    np.testing.assert_allclose(convert([tmp_path / f"{name}.gz"], options=options).cauchy, SIGMA, atol=1e-9)


def test_alloys_are_refused_or_mapped(tmp_path):
    alloy = Structure(Lattice.cubic(5.54), [{"Si": 0.5, "Ge": 0.5}, {"Si": 0.5, "Ge": 0.5}, "C"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]])
    path = write(tmp_path / "x.csv", oracle.csv(F, SIGMA, "GPa"))
    frames = write(tmp_path / "x.xyz", oracle.extxyz(F, SIGMA, entry=" stress-unit=GPa"))
    for source in (path, frames):
        with pytest.raises(DataError, match=r"partly occupied sites.*--disorder species"):
            convert([source], reference=alloy)
    data = convert([path], reference=alloy, options=ReadOptions(disorder="species"))
    assert len(set(data.species)) == 2
    assert PointGroup.from_structure(data.structure).symbol == PointGroup.from_structure(alloy, disorder="species").symbol
    assert data.structure is not None
    data.save(tmp_path / "x.json")
    assert convert([tmp_path / "x.json"]).structure is not None


def test_a_reference_of_several_cells_is_refused(tmp_path):
    path = write(tmp_path / "x.xyz", oracle.extxyz(F, SIGMA, entry=" stress-unit=GPa"))
    with pytest.raises(DataError, match="4 states of different cells as the reference"):
        convert([path], reference=path)
    plain = tmp_path / "rest.xyz"
    ase.io.write(plain, ase.Atoms("Cu", cell=np.eye(3) * oracle.EDGE, pbc=True), format="extxyz")
    np.testing.assert_allclose(convert([path], reference=plain).F, F, atol=1e-9)  # a structure without a stress
