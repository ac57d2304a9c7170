"""Stresses as text: a unit that leaves digits, and never a table of zeros."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutive.show import StressScale
from constitutive.units import STRESS_UNITS


@pytest.mark.parametrize(("size", "unit"), [(170.0, "GPa"), (0.5, "GPa"), (0.05, "MPa"), (6.1e-6, "kPa"), (3e-9, "Pa"), (0.0, "GPa")])
def test_a_unit_is_chosen_that_leaves_digits(size, unit):
    assert StressScale.of(size).unit == unit


@given(size=st.floats(1e-12, 1e4), share=st.floats(1e-8, 1.0), unit=st.sampled_from([None, *STRESS_UNITS]))
def test_no_number_of_a_table_is_shown_as_nothing(size, share, unit):
    scale = StressScale.of(size, unit)
    for text in (scale.text(size * share), scale.cell(size * share)):
        assert float(text) == pytest.approx(size * share * scale.factor, rel=0.51)
    assert float(scale.cell(size)) == pytest.approx(size * scale.factor, rel=2e-3)
    assert scale.cell(0.0) == "0"  # control


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="psi"):
        StressScale.of(1.0, "psi")
