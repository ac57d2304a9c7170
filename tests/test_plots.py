"""Pictures: what a figure shows is what the numbers say, and drawing leaves no trace in matplotlib's settings."""

import io

import matplotlib as mpl
import numpy as np
import pytest

from constitutive import plots


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
    from constitutive.plots.parity import running_median

    x, y = running_median(np.array([3.0, 1.0, 2.0]), np.array([30.0, 10.0, 20.0]), bins=1)
    assert (x.tolist(), y.tolist()) == ([2.0], [20.0])


def test_drawing_leaves_the_settings_alone(states):
    before = dict(mpl.rcParams)
    plots.parity(states[1], {"law": states[1]})
    assert dict(mpl.rcParams) == before


def test_a_figure_shows_itself_in_jupyter(states):
    assert plots.parity(states[1], {"law": states[1]})._repr_png_().startswith(b"\x89PNG")
