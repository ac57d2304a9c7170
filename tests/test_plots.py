"""Pictures: what a figure shows is what the numbers say, and drawing leaves no trace in matplotlib's settings."""

import inspect
import io

import matplotlib as mpl
import numpy as np
import pytest

from constitutive import plots
from constitutive.elasticity import DirectionalModuli, half_sphere
from constitutive.laws import LinearLaw
from constitutive.plots import interactive, shapes
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import stiffness_mandel_to_voigt


@pytest.fixture(scope="module")
def states() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    F = np.eye(3) + rng.uniform(-0.05, 0.05, (12, 3, 3))
    stress = 100 * ((F + F.swapaxes(1, 2)) / 2 - np.eye(3))
    return F, stress


def png(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_parity_states_the_error_of_each_law(states):
    _, stress = states
    figure = plots.parity(stress, {"law": stress + 0.5, "linear": stress}, title="a title")
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert texts == ["rms error\n0.5 GPa", "rms error\n0 GPa"]
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["law", "linear", "errors"]
    shown = np.sort(np.concatenate([line.get_ydata() for line in figure.axes[0].lines[1:]]))
    upper = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    np.testing.assert_allclose(shown, np.sort(np.concatenate([stress[:, i, j] + 0.5 for i, j in upper])))
    assert png(figure).startswith(b"\x89PNG")


def test_rms_error_is_over_nine_components():
    reference = np.zeros((1, 3, 3))
    predicted = np.diag([3.0, 0.0, 0.0])[None]
    assert plots.rms_error(reference, predicted) == pytest.approx(1.0)  # √(9 / 9)


def test_paths_draw_every_law_and_the_states():
    t = np.array([0.9, 1.0, 1.1, 1.2])
    stretch = np.stack([np.diag([value, 1.0, 1.0]) for value in t])
    stress = np.stack([np.diag([100 * (value - 1), 30 * (value - 1), 30 * (value - 1)]) for value in t])
    (path,) = plots.split_paths(["x"] * 4, t[::-1], stretch[::-1], stress[::-1])
    np.testing.assert_array_equal(path.parameter, t)
    assert path.components() == [0, 1]

    def law(F):
        rise = F[:, 0, 0] - 1
        return np.einsum("n,ij->nij", rise, np.diag([100.0, 30.0, 30.0]))

    figure = plots.paths([path], {"law": law}, bands={"law": lambda F: np.ones_like(F)})
    curves = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 10]
    np.testing.assert_allclose(curves[0].get_ydata(), 100 * (curves[0].get_xdata() - 1), atol=1e-12)
    assert {text.get_text() for text in figure.axes[0].texts} == {"xx", "yy, zz"}
    assert png(figure)


def test_error_by_strain_and_its_median(states):
    F, stress = states
    E = (F.swapaxes(1, 2) @ F - np.eye(3)) / 2
    assert png(plots.error_by_strain(E, stress, {"law": 1.01 * stress}))
    from constitutive.plots.numbers import running_median

    x, y = running_median(np.array([3.0, 1.0, 2.0]), np.array([30.0, 10.0, 20.0]), bins=1)
    assert (x.tolist(), y.tolist()) == ([2.0], [20.0])


def test_drawing_leaves_the_settings_alone(states):
    before = dict(mpl.rcParams)
    plots.parity(states[1], {"law": states[1]})
    assert dict(mpl.rcParams) == before


def test_a_figure_shows_itself_in_jupyter(states):
    assert plots.parity(states[1], {"law": states[1]})._repr_png_().startswith(b"\x89PNG")


# ---- directions ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def silicon() -> DirectionalModuli:
    C = np.diag([165.7 - 63.9] * 3 + [79.6] * 3)
    C[:3, :3] += 63.9
    return DirectionalModuli.from_voigt(C, density=2330.0)


def test_the_map_is_of_equal_area_and_places_directions():
    n = half_sphere(4000)
    points = shapes.project(n)
    inside = np.linalg.norm(points, axis=1) < 0.5
    assert inside.mean() == pytest.approx(0.25, abs=2e-3)  # a quarter of the disc holds a quarter of the half sphere
    axis, back = shapes.hemisphere_map(41)
    X, Y = np.meshgrid(axis, axis)
    known = np.isfinite(back).all(axis=-1) & (X**2 + Y**2 < 0.999)  # on the rim a point and its opposite are one
    np.testing.assert_allclose(np.linalg.norm(back[known], axis=-1), 1, atol=1e-12)
    np.testing.assert_allclose(shapes.project(back[known]), np.stack([X[known], Y[known]], -1), atol=1e-12)
    np.testing.assert_allclose(shapes.project(-n), shapes.project(n))


def test_values_over_directions(silicon):
    n = np.array([[1.0, 0, 0], [np.nan, 0, 0], [1, 1, 0]])
    E = shapes.values(silicon, "youngs_modulus", n)[""]
    assert np.isnan(E).tolist() == [False, True, False]
    assert E[0] == pytest.approx(silicon.youngs_modulus(n[0]))
    G = shapes.values(silicon, "shear_modulus", n)
    assert G["smallest"][2] == pytest.approx(50.9)
    assert G["largest"][2] == pytest.approx(79.6)


@pytest.mark.parametrize("quantity", ["youngs_modulus", "poisson_ratio"])
def test_directional_pictures_are_drawn_both_ways(silicon, quantity):
    for figure in (
        plots.surface(silicon, quantity),
        plots.sections({"no strain": silicon}, quantity),
        plots.pole_figure(silicon, quantity, directions={"[111]": np.ones(3)}),
    ):
        assert png(figure)
    screen = interactive.surface(silicon, quantity)
    x, y, z = (np.asarray(screen.data[-1][axis]) for axis in "xyz")
    shown = np.asarray(screen.data[-1].surfacecolor)
    np.testing.assert_allclose(np.sqrt(x**2 + y**2 + z**2), np.abs(shown), atol=1e-12)
    assert [trace.scene for trace in screen.data] == (["scene"] if quantity == "youngs_modulus" else ["scene", "scene2"])
    assert len(interactive.sections({"no strain": silicon}, quantity).data) == (3 if quantity == "youngs_modulus" else 6)
    assert interactive.pole_figure(silicon, quantity).data[0].type == "contour"


def test_two_states_are_shown_on_one_scale(silicon):
    """At finite strain beside rest: same colours, same axes, each surface its own."""
    F = np.diag([1.04, 1.0, 1.0])
    law = LinearLaw.from_voigt(stiffness_mandel_to_voigt(silicon.stiffness), np.asarray(PointGroup.from_symbol("m-3m").laue_rotations))
    strained = DirectionalModuli.from_law(law, F)
    scale = plots.span((silicon, strained), "youngs_modulus")
    assert scale[0] == pytest.approx(min(moduli.extremes("youngs_modulus")[0].value for moduli in (silicon, strained)))
    assert scale[1] > silicon.extremes("youngs_modulus")[1].value  # of the other state
    pictures = [interactive.surface(moduli, span=scale) for moduli in (silicon, strained)]
    assert {(picture.data[0].cmin, picture.data[0].cmax) for picture in pictures} == {scale}
    ranges = [picture.layout.scene.xaxis.range for picture in pictures]
    assert ranges[0] == ranges[1]
    for picture, moduli in zip(pictures, (silicon, strained), strict=True):
        n = np.asarray(picture.data[0].customdata).reshape(-1, 3)
        np.testing.assert_allclose(np.ravel(picture.data[0].surfacecolor), moduli.youngs_modulus(n))
    assert np.abs(np.subtract(*(np.asarray(p.data[0].surfacecolor) for p in pictures))).max() > 1  # GPa: the control
    contours = [interactive.pole_figure(moduli, span=scale).data[0].contours for moduli in (silicon, strained)]
    assert len({(c.start, c.end, c.size) for c in contours}) == 1
    assert scale[0] < contours[0].start < contours[0].end < scale[1]
    assert png(plots.surface(strained, span=scale))
    assert png(plots.pole_figure(strained, span=scale))


def test_numbers_of_pictures():
    from constitutive.plots import numbers

    assert numbers.apart([0.0, 0.1, 5.0], 1.0) == pytest.approx([-0.45, 0.55, 5.0])
    assert numbers.apart([3.0, 1.0, 2.0], 0.5) == [3.0, 1.0, 2.0]  # the order of the curves is kept, and what is apart stays
    assert numbers.log_ticks(0.011, 0.9, percent=True)[1] == ["1 %", "2 %", "5 %", "10 %", "20 %", "50 %", "100 %"]
    assert numbers.log_ticks(2e-4, 3.0)[1] == ["0.001", "0.01", "0.1", "1"]
    curve = plots.Curve(*(np.array([8.0, 55.0, 60.0]) for _ in range(4)))
    assert numbers.sample_ticks({"law": curve}) == [8, 60]
    second, third = numbers.constant_rows(["C11", "C111"], np.array([1.0, 2.0]), None, {"x": {"C111": 3.0}})
    assert (second.names, second.published["x"]) == (["C11"], ([], []))
    assert (third.names, third.published["x"]) == (["C111"], (["C111"], [3.0]))


def test_a_path_names_its_parameter():
    t = np.array([0.95, 1.0, 1.05])
    n = np.ones(3) / np.sqrt(3)
    stretched = np.eye(3) + (t - 1)[:, None, None] * np.outer(n, n)
    sheared = np.eye(3) + (t - 1)[:, None, None] * np.outer([1, 0, 0], [0, 1, 0])
    strained = np.sqrt(1 + 2 * (t - 1))[:, None, None] * np.diag([1.0, 0, 0]) + np.diag([0, 1.0, 1.0])
    shown = [plots.Path("p_1", p, F, F).coordinate for p, F in ((t, stretched), (t - 1, sheared), (t - 1, strained), (2 * t, sheared))]
    assert shown == ["stretch λ", "shear γ", "Green–Lagrange strain E", "path parameter"]
    assert plots.Path("uniaxial100", t, sheared, sheared).title == "uniaxial 100"


def test_lines_without_a_simulation_show_none(states):
    F, stress = states
    law = {"law": lambda F: F}
    for simulated in (True, False):
        path = plots.Path("p", np.linspace(0, 1, len(F)), F, stress, simulated=simulated)
        assert any(trace.name == "simulation" for trace in interactive.paths([path], law).data) is simulated
        legend = plots.paths([path], law).legends[0]
        assert ("simulation" in [text.get_text() for text in legend.get_texts()]) is simulated


def test_errors_along_paths_stand_beside_their_own_bands(states):
    F, stress = states
    path = plots.Path("p", np.linspace(0, 1, len(F)), F, stress)
    law, band = (lambda F: np.zeros_like(F)), (lambda F: np.ones_like(F))
    assert png(plots.path_errors([path], law, band))
    points = [trace for trace in interactive.path_errors([path], law, band).data if trace.mode == "markers"]
    assert {trace.name for trace in points} == {"xx", "yy", "zz", "yz", "xz", "xy"}
    np.testing.assert_allclose(next(trace.y for trace in points if trace.name == "xz"), stress[:, 0, 2])


# ---- quality ------------------------------------------------------------------------------------------------------------

CURVE = plots.Curve(np.array([8.0, 50.0]), np.array([0.2, 0.02]), np.array([0.1, 0.01]), np.array([0.3, 0.03]))
GRID = np.linspace(-0.1, 0.1, 11)
MAP = {"xlabel": "a", "ylabel": "b", "samples": np.zeros((1, 2))}
MARGIN = 1 - 12 * np.add.outer(GRID, GRID).clip(0)
QUALITY = {
    "learning_curve": ({"law": CURVE}, {}),
    "elastic_constants": (["C11", "C111"], np.array([150.0, -800.0]), np.array([1.0, 20.0]), {"published": {"x": {"C11": 165.0}}}),
    "coverage": (np.array([0.5, 0.9]), np.array([0.52, 0.88]), {}),
    "stability_map": (GRID, GRID, MARGIN, {"distance": 12 * np.abs(MARGIN), **MAP}),
    "domain": ({"stretch along x": (-0.04, 0.05)}, {}),
}


@pytest.mark.parametrize("name", QUALITY)
def test_pictures_of_quality_are_drawn_both_ways(name):
    *values, options = QUALITY[name]
    assert png(getattr(plots, name)(*values, **options))
    assert getattr(interactive, name)(*values, **options).to_json()


def test_learning_curves_side_by_side_look_alike():
    """A law has one colour in all panels, also where another is missing."""
    figure = plots.learning_curves({"one": {"law": CURVE, "series": CURVE, "free": CURVE}, "two": {"law": CURVE, "free": CURVE}})
    first, second = ({line.get_label(): line.get_color() for line in ax.lines} for ax in figure.axes)
    assert second == {name: first[name] for name in ("law", "free")}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["law", "series", "free"]


def test_stresses_on_a_screen(states):
    F, stress = states
    E = (F.swapaxes(1, 2) @ F - np.eye(3)) / 2
    hostile = "<img src=x onerror=alert(1)>"
    path = plots.Path(hostile, np.array([0.0, 1.0]), F[:2], stress[:2])
    for figure in (
        interactive.parity(stress, {hostile: stress}),
        interactive.error_by_strain(E, stress, {hostile: 1.1 * stress}),
        interactive.paths([path], {hostile: lambda F: F}, bands={hostile: lambda F: F}),
    ):
        shown = [str(trace.name) for trace in figure.data] + [str(note.text) for note in figure.layout.annotations]
        assert not any("<img" in text for text in shown)
        assert any("&lt;img" in text for text in shown)


def test_both_kinds_offer_the_same_pictures():
    """Every function that returns a Plotly figure has a matplotlib one of its name, with the same arguments but a title."""
    for name in interactive.__all__:
        ours = set(inspect.signature(getattr(plots, name)).parameters) - {"title"}
        assert ours == set(inspect.signature(getattr(interactive, name)).parameters), name


# ---- crystals -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diamond():
    """Silicon in its primitive cell of two atoms."""
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice([[0, 2.73, 2.73], [2.73, 0, 2.73], [2.73, 2.73, 0]]), ["Si", "Si"], [[0, 0, 0], [0.25] * 3])


def test_a_crystal_is_shown_in_its_conventional_cell(diamond):
    from constitutive.plots.crystal import view

    cell = view(diamond)
    assert len(cell.atoms) == 18  # 8 corners, 6 faces, 4 inside
    np.testing.assert_allclose(np.linalg.norm(cell.vectors, axis=1), 5.46)
    np.testing.assert_allclose(np.linalg.norm(np.diff(cell.edges, axis=1)[:, 0], axis=1), 5.46)
    np.testing.assert_allclose(np.linalg.norm(np.diff(cell.bonds, axis=1)[:, 0], axis=1), 5.46 * np.sqrt(3) / 4)
    assert len(cell.bonds) == 16  # each of the four inner atoms has its four


def test_symmetry_elements_are_drawn_and_counted(diamond):
    screen = interactive.crystal(diamond)
    names = [trace.name for trace in screen.data]
    assert {"4-fold axes (3)", "3-fold axes (4)", "2-fold axes (6)", "mirror planes (9)"} < set(names)
    assert all(trace.visible == "legendonly" for trace in screen.data if trace.type == "mesh3d")
    assert png(plots.crystal(diamond, mirrors=True))
