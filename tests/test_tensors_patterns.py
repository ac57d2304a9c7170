"""Patterns of property tensors against the printed tables."""

import numpy as np
import pytest
from tensor_cases import GROUPS, rotation

from constitutive.tensors import (
    TENSORS,
    draw_pattern,
    independent_constants,
    pattern,
    stress_to_voigt,
    tensor_basis,
)


def test_patterns_are_those_of_the_textbooks():
    """Nye, tables 8 and 9; Landolt–Börnstein III/11."""
    quartz = pattern(GROUPS["32"], "elastic").text().split("\n")
    assert [line.split() for line in quartz] == [
        ["c11", "c12", "c13", "c14", "·", "·"],
        ["c11", "c13", "−c14", "·", "·"],
        ["c33", "·", "·", "·"],
        ["c44", "·", "·"],
        ["c44", "c14"],
        ["(c11−c12)/2"],
    ]
    lithium_niobate = [line.split() for line in pattern(GROUPS["3m"], "piezoelectric").text().split("\n")]
    assert lithium_niobate == [
        ["·", "·", "·", "·", "e15", "−e22"],
        ["−e22", "e22", "·", "e15", "·", "·"],
        ["e31", "e31", "e33", "·", "·", "·"],
    ]
    quartz_piezo = [line.split() for line in pattern(GROUPS["32"], "piezoelectric").text().split("\n")]
    assert quartz_piezo[:2] == [["e11", "−e11", "·", "e14", "·", "·"], ["·", "·", "·", "·", "−e14", "−e11"]]
    assert lithium_niobate != quartz_piezo  # control: another group, another pattern


def test_third_order_relations_of_the_tables():
    """Fumi (1952, 1987), Landolt–Börnstein III/29a, class 3̄m: the fourteen constants and the combinations printed there."""
    trigonal = pattern(GROUPS["-3m"], "elastic 3")
    assert trigonal.independent == tuple(f"C{k}" for k in (111, 112, 113, 114, 123, 124, 133, 134, 144, 155, 222, 333, 344, 444))
    lines = trigonal.text().split("\n")
    assert "C122 = C111+C112−C222" in lines
    assert "C156 = 1/2 C114+3/2 C124" in lines
    assert "C256 = (C114−C124)/2" in lines
    assert "C455 = −C444" in lines
    assert "C111 = C222 = C333" in pattern(GROUPS["m-3m"], "elastic_3").text()


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("symbol", ["1", "-4", "32", "6/m", "-6m2", "23"])
def test_a_pattern_reproduces_the_tensors_of_its_group(name, symbol):
    found = pattern(GROUPS[symbol], name)
    assert len(found.independent) == independent_constants(GROUPS[symbol], name)
    for label in found.independent:
        position = tuple(int(c) - 1 for c in label[len(found.tensor.letter) :])
        assert found.entries[position] == ((1.0, label),)
    assert found.text()
    assert found.latex().startswith("\\begin")


def test_a_pattern_holds_for_random_tensors_of_the_group():
    basis = tensor_basis(GROUPS["-3"], "elastic 2")
    C = stress_to_voigt(stress_to_voigt(np.einsum("a,aijkl->klij", [1.0, -2, 3, 0.5, 1.5, 2.5, -0.7], basis)).T.reshape(6, 3, 3))
    values = {f"c{i + 1}{j + 1}": C[i, j] for i in range(6) for j in range(6)}
    for (i, j), terms in pattern(GROUPS["-3"], "elastic 2").entries.items():
        assert C[i, j] == pytest.approx(sum(c * values[label] for c, label in terms), abs=1e-10)


def test_latex_of_a_pattern():
    text = pattern(GROUPS["6mm"], "elastic").latex()
    assert r"\tfrac{1}{2}(c_{11}-c_{12})" in text
    assert r"\begin{aligned}" in pattern(GROUPS["m-3m"], "elastic 3").latex()


def test_a_turned_group_prints_numbers():
    assert "c" in pattern(GROUPS["m-3m"].rotated(rotation(4)), "elastic").text()


def test_nye_diagrams_are_drawn():
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    for ax, (symbol, name) in zip(axes, [("32", "elastic"), ("mm2", "pyroelectric")], strict=True):
        draw_pattern(ax, pattern(GROUPS[symbol], name))
        assert ax.collections
    assert axes[0].lines
    assert "6" in axes[0].get_title()
