"""Extended XYZ as it is met: names, units, blanks, six numbers, mixed sets."""

import numpy as np
import pytest
import reader_oracle as oracle
from pymatgen.core import Lattice, Structure

from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert
from constitutive.units import EV_PER_CUBIC_ANGSTROM

F, SIGMA = oracle.samples()
EV = SIGMA / EV_PER_CUBIC_ANGSTROM


def write(tmp_path, text):
    (tmp_path / "x.xyz").write_text(text)
    return tmp_path / "x.xyz"


def read(tmp_path, text, **options):
    return convert([write(tmp_path, text)], options=ReadOptions(**options))


@pytest.mark.parametrize("key", ["virial", "virials", "REF_virial", "REF_virials"])
def test_virials_by_every_name(tmp_path, key):
    data = read(tmp_path, oracle.extxyz(F, oracle.virial(F, SIGMA), key))
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-9)
    assert any("virial in eV" in text for text in data.provenance["assumed"])
    with pytest.raises(DataError, match="a virial and --unit kbar"):
        read(tmp_path, oracle.extxyz(F, oracle.virial(F, SIGMA), key), unit="kbar")
    hartree = oracle.virial(F, SIGMA) / 27.211386245988
    np.testing.assert_allclose(read(tmp_path, oracle.extxyz(F, hartree, key), unit="Ha").cauchy, SIGMA, atol=1e-9)
    np.testing.assert_allclose(read(tmp_path, oracle.extxyz(F, hartree, key, entry=" virial-unit=Ha")).cauchy, SIGMA, atol=1e-9)


def test_blanks_around_the_equal_signs(tmp_path):
    np.testing.assert_allclose(read(tmp_path, oracle.extxyz(F, EV, spaced=True)).cauchy, SIGMA, atol=1e-9)
    with pytest.raises(DataError, match="no Lattice"):  # control
        read(tmp_path, oracle.extxyz(F, EV).replace("Lattice=", "Cell="))


@pytest.mark.parametrize("key", ["dft_stress", "mace_mp_stress", "DFT_virial", "my_tensor"])
def test_other_names_are_named_or_given(tmp_path, key):
    numbers = oracle.virial(F, SIGMA) if "virial" in key else EV
    text = oracle.extxyz(F, numbers, key)
    advice = rf"found {key}; say which by --stress-key" if key != "my_tensor" else "neither stress nor virial"
    with pytest.raises(DataError, match=advice):
        read(tmp_path, text)
    data = read(tmp_path, text, stress_key=key)
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-9)
    assert any("is a stress, not a virial" in a for a in data.provenance["assumed"]) == (key == "my_tensor")
    with pytest.raises(DataError, match=f"found no 'stress'.*{key if key != 'my_tensor' else 'none like it'}"):
        read(tmp_path, text, stress_key="stress")


def test_two_stresses_that_differ_need_a_choice(tmp_path):
    second = f' REF_stress="{oracle.words(2 * EV[0])}"'
    text = oracle.extxyz(F[:1], EV[:1], entry=second)
    with pytest.raises(DataError, match="stress and REF_stress that contradict"):
        read(tmp_path, text)
    np.testing.assert_allclose(read(tmp_path, text, stress_key="REF_stress").cauchy[0], 2 * SIGMA[0], atol=1e-9)


def test_the_energy_belongs_to_the_stress(tmp_path):
    text = oracle.extxyz(F, EV, "dft_stress", entry=" dft_energy=-2.0", energies=[-1.0] * len(F))
    assert read(tmp_path, text.replace("dft_energy=-2.0", "dft_energy=-3.0", 1), stress_key="dft_stress").W[1] > 0
    assert read(tmp_path, text, stress_key="dft_stress").W[1] == 0
    in_units = oracle.extxyz(F, EV, energies=[0.0, 1.0, 1.0, 1.0])
    W = {unit: read(tmp_path, in_units, energy_unit=unit).W[1] for unit in ("eV", "Ha", "eV/atom", "eV/cell")}
    assert W["Ha"] == pytest.approx(27.211386245988 * W["eV"])
    assert W["eV/atom"] == W["eV"] == W["eV/cell"]  # one atom
    with pytest.raises(DataError, match="--energy-unit Ha"):
        read(tmp_path, oracle.extxyz(F, EV, energies=[0.0] * 4, entry=" energy-unit=eV"), energy_unit="Ha")


@pytest.mark.parametrize("order", oracle.ORDERS)
def test_six_numbers_in_a_stated_order(tmp_path, order):
    text = oracle.extxyz(F, [oracle.six(s, order) for s in EV])
    np.testing.assert_allclose(read(tmp_path, text, order=order).cauchy, SIGMA, atol=1e-9)
    np.testing.assert_allclose(read(tmp_path, text, order=oracle.ORDERS[order]).cauchy, SIGMA, atol=1e-9)
    with pytest.raises(DataError, match=r"six numbers, whose order is not in the file.*--order"):
        read(tmp_path, text)


def test_a_last_line_without_an_end(tmp_path):
    text = oracle.extxyz(F, EV)
    np.testing.assert_allclose(read(tmp_path, text.rstrip("\n")).cauchy, SIGMA, atol=1e-9)
    with pytest.raises(DataError, match="without an end"):  # control: cut within its last number
        read(tmp_path, text.rstrip("\n")[:-2])


def test_windows_lines_and_byte_order_marks(tmp_path):
    for raw in (b"\xef\xbb\xbf" + oracle.extxyz(F, EV).encode(), oracle.extxyz(F, EV).replace("\n", "\r\n").encode()):
        (tmp_path / "x.xyz").write_bytes(raw)
        np.testing.assert_allclose(convert([tmp_path / "x.xyz"]).cauchy, SIGMA, atol=1e-9)


def mixed():
    """Strained copper, marked; a dimer without a stress; silver."""
    elastic = oracle.extxyz(F, EV, entry=" config_type=Elastic")
    surface = oracle.extxyz(F[:2], 3 * EV[:2], entry=" config_type=Surface")
    dimer = '2\nLattice="20 0 0 0 20 0 0 0 20" Properties=species:S:1:pos:R:3 config_type=Dimer pbc="T T T"\nCu 0 0 0\nCu 2 0 0\n'
    silver = oracle.extxyz(F[:1], EV[:1], entry=" config_type=Elastic").replace("Cu", "Ag")
    return surface + elastic + dimer + silver


@pytest.mark.parametrize(
    "where",
    [
        ("config_type=Elastic", "formula=Cu"),
        ("config_type!=Surface,Dimer", "formula=Cu1"),
        ("config_type=Elastic", "formula!=Ag", "volume_per_atom<100"),
        ("config_type=Elastic", "atoms<=1", "formula=Cu", "a<5"),
    ],
)
def test_frames_are_chosen_from_mixed_sets(tmp_path, where):
    with pytest.raises(DataError, match="frame 6: found neither stress"):
        read(tmp_path, mixed())
    data = read(tmp_path, mixed(), where=where)
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-9)
    assert data.provenance["not_selected"] == 4
    assert data.provenance["selected"] == list(where)


def test_a_condition_that_fits_nothing_lists_what_there_is(tmp_path):
    with pytest.raises(DataError, match=r"found no entry 'config'.*config_type"):
        read(tmp_path, mixed(), where=("config=Elastic",))
    with pytest.raises(DataError, match=r"none of 8 frames.*config_type: Surface, Elastic, Dimer"):
        read(tmp_path, mixed(), where=("config_type=elastic",))
    with pytest.raises(DataError, match=r"needed a formula|found the formula"):
        read(tmp_path, mixed(), where=("formula=copper",))


def test_frames_by_their_strain(tmp_path):
    reference = Structure(Lattice.cubic(oracle.EDGE), ["Cu"], [[0, 0, 0]])
    size = np.abs(np.linalg.eigvalsh((F.swapaxes(1, 2) @ F - np.eye(3)) / 2)).max(1)
    limit = float(np.sort(size)[1] + 1e-6)
    path = write(tmp_path, oracle.extxyz(F, EV))
    assert len(convert([path], reference=reference, options=ReadOptions(where=(f"strain<{limit}",)))) == 2
    with pytest.raises(DataError, match="--reference"):
        convert([path], options=ReadOptions(where=("strain<0.1",)))


def test_frames_that_fail_are_left_out_and_listed(tmp_path):
    data = read(tmp_path, mixed(), where=("formula=Cu,Cu2", "config_type!=Surface"), skip_failed=True)
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-9)
    assert list(data.provenance["skipped"]) == [f"{tmp_path / 'x.xyz'}: frame 6"]
