"""Several data sets as one: nothing is lost in silence, units and samples stay together."""

import json

import numpy as np
import pytest

from constitutive.data import StressStrainData
from constitutive.readers import convert


@pytest.fixture
def halves(silicon_data, tmp_path):
    data = StressStrainData.load(silicon_data)
    paths = (tmp_path / "a.json", tmp_path / "b.json")
    data.head(10).replace(stress_weights=np.full(10, 2.0)).save(paths[0])
    second = data.select(np.arange(10, 30)).replace(W=None).to_document()
    second |= {"cauchy": (10 * np.array(second["cauchy"])).tolist(), "units": "kbar"}
    paths[1].write_text(json.dumps(second, default=lambda array: array.tolist()))
    return data, paths


def test_units_and_unknown_entries_follow_their_samples(halves):
    data, paths = halves
    joined = convert(paths)
    np.testing.assert_allclose(joined.cauchy, data.cauchy[:30])
    np.testing.assert_array_equal(joined.stress_weights, [2.0] * 10 + [1.0] * 20)
    assert joined.model_extra["residual_force_Ry_per_bohr"] == data.model_extra["residual_force_Ry_per_bohr"][:30]
    assert joined.model_extra["check"] == data.model_extra["check"]


def test_what_one_source_lacks_is_said(halves, tmp_path):
    _, (first, second) = halves
    joined = convert([first, second])
    assert joined.W is None
    assert "W" in joined.provenance["left_out"]
    control = convert([first, first])
    assert control.W is not None
    assert "left_out" not in (control.provenance or {})
