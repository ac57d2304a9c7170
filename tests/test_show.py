"""What objects show of themselves in Jupyter: true, escaped, without scripts."""

import numpy as np
import pytest

from constitutive import show
from constitutive.elasticity import DirectionalModuli, constants_table
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors import pattern

SILICON = {"C11": 165.7, "C12": 63.9, "C44": 79.6}


@pytest.fixture(scope="module")
def material() -> Material:
    return Material.from_constants("m-3m", SILICON, name="<b>silicon</b>")


def test_a_material_shows_its_group_and_constants(material):
    text = material._repr_html_()
    assert "&lt;b&gt;silicon" in text
    assert "<b>silicon" not in text
    assert "165.7 63.9 63.9" in text
    assert "Laue class m-3m" in text


def test_a_group_shows_its_elements():
    text = PointGroup.from_symbol("32")._repr_html_()
    assert "3-fold axis along [001]" in text
    assert "-3m" in text


def test_tensors_show_their_components(material):
    assert "165.7" in constants_table(material.law, 2)._repr_html_()
    elastic = pattern(PointGroup.from_symbol("m-3m"), "elastic 2")._repr_html_()
    assert "3 independent" in elastic
    assert elastic.count("c44") == 3
    third = pattern(PointGroup.from_symbol("m-3m"), "elastic 3")._repr_html_()
    assert "6 independent" in third


def test_moduli_show_their_extremes(material):
    text = DirectionalModuli.from_law(material.law)._repr_html_()
    assert "along (0.000, 0.000, 1.000)" in text or "(0.000, 1.000, 0.000)" in text or "(1.000, 0.000, 0.000)" in text
    assert "187.8" in text or "187.7" in text


def test_cells_are_escaped_and_empty_facts_left_out():
    text = show.facts("<t>", {"a": "<i>", "gone": None, "n": 1.23456789})
    assert "<i>" not in text
    assert "<t>" not in text
    assert "gone" not in text
    assert "1.2346" in text
    assert show.grid("t", [[1, np.float64(2.0)]], head=("x", "y")).count("<tr>") == 2
