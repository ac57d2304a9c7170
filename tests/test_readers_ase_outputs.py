"""Outputs that ASE reads: CASTEP, FHI-aims, ABINIT and GPAW, in their form and units, with EMT's numbers."""

import numpy as np
import pytest
from ase import units
from ase_forms import FORMS, abinit
from reader_cases import strained_copper

from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert


@pytest.fixture(scope="module")
def copper():
    """Strained cells with an atom out of its place, so that there are forces and shears."""
    frames = strained_copper()[:3]
    for atoms in frames:
        atoms.positions[0] += [0.02, 0.01, -0.03]
    return frames


def written(name, frames, folder, **more):
    form, file = FORMS[name]
    paths = [folder / str(k) / file for k in range(len(frames))]
    for path, atoms in zip(paths, frames, strict=True):
        path.parent.mkdir()
        path.write_text(form(atoms, **more))
    return paths


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("stated", ["ase:NAME", "ase"])
def test_stress_cell_energy_and_forces(name, stated, copper, tmp_path):
    paths = written(name, copper, tmp_path)
    if (name, stated) == ("abinit-out", "ase"):
        stated = "ase:NAME"  # the name ends in .abo, which ASE does not know
    data = convert(paths, options=ReadOptions(format=stated.replace("NAME", name)))
    GPa = np.array([atoms.get_stress(voigt=False) / units.GPa for atoms in copper])
    np.testing.assert_allclose(data.cauchy, GPa, atol=3e-6)
    np.testing.assert_allclose(data.lattice @ data.F.swapaxes(1, 2), [atoms.cell.array for atoms in copper], atol=1e-6)
    energies = np.array([atoms.get_potential_energy() for atoms in copper])
    np.testing.assert_allclose(data.W, (energies - energies[0]) / copper[0].get_volume() / units.GPa, atol=1e-6)
    np.testing.assert_allclose(data.forces, [atoms.get_forces() for atoms in copper], atol=1e-5)
    assert data.species == ["Cu"] * 4
    # control: the shears differ, so that another order of components would show
    assert np.abs(GPa[1] - GPa[1][::-1, ::-1]).max() > 0.1


@pytest.mark.parametrize("acell", [1.0, 6.83, 1 / units.Bohr])
def test_abinit_cells_are_acell_times_rprim(acell, copper, tmp_path):
    """ASE leaves acell out: right only where it is 1 Å."""
    data = convert(written("abinit-out", copper, tmp_path, acell=acell), options=ReadOptions(format="ase:abinit-out"))
    np.testing.assert_allclose(data.lattice, copper[0].cell.array, atol=1e-6)


def test_abinit_outputs_of_several_cells_are_refused(copper, tmp_path):
    path = tmp_path / "two.abo"
    path.write_text(abinit(copper[0]) + abinit(copper[1]))
    with pytest.raises(DataError, match="2 cells in one output of ABINIT"):
        convert([path], options=ReadOptions(format="ase:abinit-out"))
    path.write_text(abinit(copper[0]).replace(" R(1)=", " Q(1)="))
    with pytest.raises(DataError, match="is it cut off"):
        convert([path], options=ReadOptions(format="ase:abinit-out"))


@pytest.mark.parametrize("name", FORMS)
def test_units_and_signs_that_contradict_are_refused(name, copper, tmp_path):
    paths = written(name, copper[:1], tmp_path)
    form = f"ase:{name}"
    with pytest.raises(DataError, match=r"--unit kbar"):
        convert(paths, options=ReadOptions(format=form, unit="kbar"))
    with pytest.raises(DataError, match="--sign pressure"):
        convert(paths, options=ReadOptions(format=form, sign="pressure"))


@pytest.mark.parametrize("name", FORMS)
def test_a_run_without_stress_is_refused(name, copper, tmp_path):
    (path,) = written(name, copper[:1], tmp_path)
    text = path.read_text()
    for word in ("Stress Tensor *", "Analytical stress tensor", "stress tensor (hartree", "Stress tensor:"):
        text = text.replace(word, "Nothing of the kind")
    path.write_text(text)
    with pytest.raises(DataError, match="without a stress"):
        convert([path], options=ReadOptions(format=f"ase:{name}"))


def test_the_reference_may_be_such_an_output(copper, tmp_path):
    first, *others = written("abinit-out", copper, tmp_path)
    options = ReadOptions(format="ase:abinit-out")
    data = convert(others, reference=first, options=options)
    np.testing.assert_allclose(data.lattice, copper[0].cell.array, atol=1e-6)
    assert data.W is not None
