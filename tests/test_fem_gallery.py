"""The finite-element examples of wafers, beams, columns, contact and waves hold their claims, on one rank and on two."""

import importlib
import inspect
from pathlib import Path

import arguments
import buckling
import epitaxial_layer
import fem_example_cases
import indentation
import lattice_metamaterial
import micro_beam
import numpy as np
import pytest
import sound
from crystals import crystal_to_lab, fitted
from fem_example_cases import SIZES
from test_fem import on_ranks
from test_fem_examples import png

EXAMPLES = [path for path in Path(arguments.__file__).parent.glob("*.py") if "def main(" in path.read_text(encoding="utf-8")]


def test_a_strained_layer_carries_the_biaxial_modulus_of_its_wafer(tmp_path: Path) -> None:
    figures = epitaxial_layer.main(tmp_path, fine=0.25, misfits=(0.01, 0.04))
    C11, C12, C44 = fitted("silicon", (2, 3, 4, 5)).stiffness_voigt()[[0, 0, 3], [0, 1, 3]]
    assert figures["M (001) along x"] == pytest.approx(C11 + C12 - 2 * C12**2 / C11)
    assert figures["M (111) along x"] == pytest.approx(6 * C44 * (C11 + 2 * C12) / (C11 + 2 * C12 + 4 * C44))
    across = (C11 + C12 - 2 * C44) / (C11 + C12 + 2 * C44)  # contraction along [110] by a stretch along [1-10]
    contraction = across + 2 * C12 / (C11 + C12 + 2 * C44)
    assert figures["M (110) along z"] == pytest.approx(C11 + C12 - C12 * contraction)
    for name in epitaxial_layer.WAFERS:
        for axis in "xz":
            assert figures[f"stress / (−M f) {name} along {axis}"] == pytest.approx(1, abs=2e-5)
        assert figures[f"worst difference from a point {name}"] < 1e-8  # GPa
        assert 1.04 < figures[f"at 4% / (−M f) {name}"] < 1.10  # control: a linear law has 1
        assert figures[f"curvature / laminate {name}"] == pytest.approx(1, abs=1e-3)
        assert 0.3 < figures[f"middle of the mesa / layer {name}"] < 0.8  # control: an edge lets the layer go
    assert figures["M (110) along x"] > 1.2 * figures["M (001) along x"]
    assert png(tmp_path / "epitaxial.png")


def test_directions_of_a_crystal_that_are_not_at_right_angles() -> None:
    with pytest.raises(ValueError, match="right angles"):
        crystal_to_lab(x=[1, 0, 0], y=[1, 1, 0])
    np.testing.assert_allclose(crystal_to_lab(x=[1, 1, 0], y=[0, 0, 1]) @ np.ones(3), [np.sqrt(2), 1, 0], atol=1e-15)


def test_sound_travels_as_christoffel_and_thurston_and_brugger_say(tmp_path: Path) -> None:
    figures = sound.main(tmp_path, plane=200, stretches=(0.0, 0.02))
    C11, C12, C44 = fitted("silicon", (2, 3, 4, 5)).stiffness_voigt()[[0, 0, 3], [0, 1, 3]]
    closed = {
        "[100]": (C11, C44, C44),
        "[110]": ((C11 + C12 + 2 * C44) / 2, C44, (C11 - C12) / 2),
        "[111]": ((C11 + 2 * C12 + 4 * C44) / 3, (C11 - C12 + C44) / 3, (C11 - C12 + C44) / 3),
    }
    for direction, moduli in closed.items():
        speeds = np.sqrt(np.array(moduli) / figures["density (g/cm³)"])
        np.testing.assert_allclose([figures[f"c{k} {direction}"] for k in (1, 2, 3)], speeds, rtol=1e-6)
    for direction in sound.DIRECTIONS:
        for k in (1, 2, 3):
            assert figures[f"c{k} / Christoffel {direction}"] == pytest.approx(1, abs=1e-3)
    assert figures["c2 [310]"] > 1.05 * figures["c3 [310]"]  # control: an isotropic body has one transverse speed
    assert figures["worst error of a speed under stress"] < 1e-3
    for wave in ("longitudinal", "[010]", "[001]"):
        theory = figures[f"(ρ0 W²)' {wave} by constants of third order"]
        assert figures[f"(ρ0 W²)' {wave}"] == pytest.approx(theory, rel=1e-2)
    assert figures["(ρ0 W²)' [010]"] > 0.5 > 0 > figures["(ρ0 W²)' [001]"]  # without constants of third order both rise or fall by less
    assert figures["split of the transverse waves at the largest stretch"] == pytest.approx(-0.0264, abs=0.003)
    assert figures["front along x / longitudinal speed"] == pytest.approx(1, abs=0.05)
    assert png(tmp_path / "sound.png")


def test_a_beam_bends_and_vibrates_by_the_modulus_of_its_direction(tmp_path: Path) -> None:
    figures = micro_beam.main(tmp_path, along=14, angles=(0.0, 45.0))
    S = np.linalg.inv(fitted("silicon", (2, 3, 4, 5)).stiffness_voigt())
    for name, factor in (("[100]", 0.0), ("[110]", 0.25)):
        E = 1 / (S[0, 0] - 2 * (S[0, 0] - S[0, 1] - S[3, 3] / 2) * factor)
        assert figures[f"E {name} (GPa)"] == pytest.approx(E)
        assert figures[f"deflection / theory {name}"] == pytest.approx(1, abs=0.01)
        assert figures[f"frequency / theory {name}"] == pytest.approx(1, abs=0.01)
        assert figures[f"slender frequency / frequency {name}"] == pytest.approx(1, abs=0.01)
    for what, rest in (("deflection", 0.77), ("frequency", 1.14)):  # of silicon by its measured constants: 0.769 and 1.140
        ratio = figures[f"{what} [110] / [100]"]
        assert ratio == pytest.approx(figures[f"{what} [110] / [100] by slender beams"], rel=0.005)
        assert ratio == pytest.approx(rest, abs=0.015)  # control: an isotropic body has 1
    assert png(tmp_path / "beam.png")


def test_a_fin_gives_way_where_its_tangent_is_singular(tmp_path: Path) -> None:
    figures = buckling.main(tmp_path, ratios=(4.0, 10.0), beyond=1.25, steps=10)
    for ratio in (4, 10):
        for law in (buckling.SILICON, buckling.LINEAR):
            assert figures[f"finite elements / exact {law} {ratio}"] == pytest.approx(1, abs=1e-3)
    assert figures[f"critical stress / Euler {buckling.SILICON} 10"] == pytest.approx(1, abs=0.005)
    stubby = [figures[f"critical stress / Euler {law} 4"] for law in (buckling.SILICON, buckling.LINEAR)]
    assert stubby[0] > stubby[1] + 0.1  # the same constants of second order
    assert abs(figures["end before"]) < 0.005
    assert abs(figures["end after"]) > 0.2
    assert png(tmp_path / "buckling.png")


def test_the_exact_theory_of_the_fin_is_eulers_for_a_slender_one() -> None:
    material = fitted("silicon", (2, 3, 4, 5))
    shortening, stress = buckling.critical(material.law, 100.0)
    assert shortening == pytest.approx(np.pi**2 / 12 / 100**2, rel=1e-3)
    assert stress == pytest.approx(buckling.euler_stress(material, 100.0), rel=1e-3)


def test_a_sphere_on_two_faces_carries_the_load_of_anisotropic_hertz(tmp_path: Path) -> None:
    figures = indentation.main(tmp_path, fine=0.35, sharpness=(0.01, 0.3))
    for face in indentation.FACES:
        assert figures[f"load / Hertz {face} 0.01"] == pytest.approx(1, abs=0.05)
        assert figures[f"points outside the domain {face}"] < 0.03
    assert figures["load (111) / load (001)"] == pytest.approx(figures["M (111) / M (001)"], rel=0.01)
    assert figures["M (111) / M (001)"] > 1.05  # control: an isotropic body has 1
    rise = [figures[f"load / Hertz {face} 0.3"] / figures[f"load / Hertz {face} 0.01"] for face in indentation.FACES]
    assert rise[1] > rise[0] + 0.03
    assert png(tmp_path / "indentation.png")


def test_a_lattice_is_a_cubic_material_for_many_cells(tmp_path: Path) -> None:
    figures = lattice_metamaterial.main(tmp_path, blocks=(2, 3))
    assert figures["largest group"] == "m-3m"
    assert figures["error on unseen strains"] < 1e-4
    assert figures["Zener ratio"] < 0.6  # control: the metal of the struts has 1
    for axis, bar in (("shear", 0.05), ("press", 0.025)):
        errors = [abs(figures[f"error of the {axis} force {n}"]) for n in (2, 3)]
        assert errors[1] < min(bar, 0.8 * errors[0])
    assert figures["unknowns 3 struts"] > 30 * figures["unknowns 3 law"]
    assert png(tmp_path / "lattice.png")


def test_the_indentation_modulus_against_closed_forms() -> None:
    """Isotropic: E/(1 − ν²). Transversely isotropic, on the basal plane: Elliott's solution (Delafargue and Ulm 2004, eq. 18)."""
    E, nu = 130.0, 0.28
    C11, C12 = E * (1 - nu) / ((1 + nu) * (1 - 2 * nu)), E * nu / ((1 + nu) * (1 - 2 * nu))
    isotropic = np.diag([C11, C11, C11, 2 * E / (2 * (1 + nu)), E / (1 + nu), E / (1 + nu)])
    isotropic[:3, :3] += C12 * (1 - np.eye(3))
    assert indentation.indentation_modulus(indentation.stiffness_tensor(isotropic)) == pytest.approx(E / (1 - nu**2), rel=1e-10)
    C11, C12, C13, C33, C44 = 367.0, 135.0, 103.0, 405.0, 95.0
    basal = np.diag([C11, C11, C33, 2 * C44, 2 * C44, C11 - C12])
    basal[0, 1] = basal[1, 0] = C12
    basal[0, 2] = basal[2, 0] = basal[1, 2] = basal[2, 1] = C13
    root = np.sqrt(C11 * C33)
    exact = 2 * np.sqrt((C11 * C33 - C13**2) / C11 / (1 / C44 + 2 / (root + C13)))
    assert indentation.indentation_modulus(indentation.stiffness_tensor(basal)) == pytest.approx(exact, rel=1e-10)


def test_two_ranks_give_the_figures_of_one(tmp_path: Path) -> None:
    found = on_ranks(2, str(tmp_path / "two"), script="fem_example_cases.py")
    assert set(found) == set(SIZES)
    for name in SIZES:
        for label, value in fem_example_cases.figures(name, tmp_path / "one").items():
            expected = value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-9)
            assert found[name][label] == expected, (name, label)


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES))
def test_the_command_line_takes_the_sizes_of_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = importlib.import_module(name)
    defaults = {key: p.default for key, p in inspect.signature(example.main).parameters.items() if p.default is not None}
    assert arguments.arguments(example.main, example.__doc__, []) == defaults
    sizes = [key for key in defaults if key != "out"]
    assert sizes
    for key in sizes:
        for word in ("nan", "inf", "many", *(["-1", "0.5"] if isinstance(defaults[key], int) else [])):
            with pytest.raises(SystemExit):
                arguments.arguments(example.main, example.__doc__, [f"--{key}={word}"])
            assert f"argument --{key}: found '{word}'; needed a" in capsys.readouterr().err
