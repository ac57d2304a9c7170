"""Data sets as objects of other libraries, and the corrections that `convert` offers."""

import numpy as np
import pytest

from constitutive.data import StressStrainData
from constitutive.errors import DataError

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


def test_corrections_undo_the_faults_that_they_name(silicon):
    from constitutive.data.corrections import Corrections, lammps_frames
    from constitutive.tensors.components import matrices_of, parse_order, six_of

    order = "xx yy zz xy yz xz"
    spoiled = silicon.replace(cauchy=-10 * matrices_of(six_of(silicon.cauchy)[:, parse_order(order)]))
    corrected = Corrections(order=order, sign="pressure", unit="kbar").apply(spoiled)
    np.testing.assert_allclose(corrected.cauchy, silicon.cauchy, atol=2e-4)  # the file's stress is symmetric to 1e-4
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
