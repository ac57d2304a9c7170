"""Elasticity documents against pymatgen's own tensors."""

import json
import warnings

import numpy as np
import pytest

from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.readers import detect, read_any


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
