"""Orientation tables of other programs."""

from pathlib import Path

import numpy as np
import pytest

from constitutive.errors import DataError
from constitutive.fem import (
    read_orientations,
    rotation_from_bunge,
)


def test_bunge_angles_turn_sample_to_crystal() -> None:
    """Rows of Bunge's matrix are crystal axes in the sample; ours is its transpose."""
    p1, P, p2 = np.radians([30.0, 40.0, 20.0])
    z = lambda a: np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])  # noqa: E731 - passive turn
    x = np.array([[1, 0, 0], [0, np.cos(P), np.sin(P)], [0, -np.sin(P), np.cos(P)]])
    np.testing.assert_allclose(rotation_from_bunge(np.array([30.0, 40.0, 20.0])), (z(p2) @ x @ z(p1)).T, atol=1e-15)
    np.testing.assert_allclose(rotation_from_bunge(np.array([90.0, 0.0, 0.0])) @ [1, 0, 0], [0, 1, 0], atol=1e-15)


TABLES = {
    "mtex.csv": "phi1, Phi, phi2\n90, 0, 0\n30, 40, 20\n",
    "mtex_quaternion.txt": "id a b c d\n1 0.70710678 0 0 0.70710678\n2 {q}\n",
    "damask.txt": "# a comment\n1_qu 2_qu 3_qu 4_qu\n0.70710678 0 0 0.70710678\n{q}\n",
    "damask.yaml": "material:\n- constituents: [{{O: [0.70710678, 0, 0, 0.70710678], v: 1.0, phase: Cu}}]\n"
    "- constituents: [{{O: [{c}], v: 1.0}}]\n",
    "neper.ori": "90 0 0\n30 40 20\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_others_give_the_same_rotations(name: str, tmp_path: Path) -> None:
    from scipy.spatial.transform import Rotation

    R = rotation_from_bunge(np.array([[90.0, 0.0, 0.0], [30.0, 40.0, 20.0]]))
    x, y, z, w = Rotation.from_matrix(R[1]).as_quat()
    q = [f"{value:.10f}" for value in (w, x, y, z)]
    text = TABLES[name] if "{" not in TABLES[name] else TABLES[name].format(q=" ".join(q), c=", ".join(q))
    (tmp_path / name).write_text(text)
    table = read_orientations(tmp_path / name, columns="bunge" if name == "neper.ori" else None)
    assert list(table) == ([0, 1] if name == "damask.yaml" else [1, 2])  # as DAMASK counts
    np.testing.assert_allclose(np.stack(list(table.values())), R, atol=1e-7)
    if name == "neper.ori":
        turned = read_orientations(tmp_path / name, columns="bunge", passive=True, first=0)
        np.testing.assert_allclose(turned[1], R[1].T, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n", "has no header"),
        ("phi1 Phi phi2\n", "no rows"),
        ("a b c d\n1 1 0 0\n", "has norm 1.414"),
        ("alpha beta\n1 2\n", "names neither"),
        ("phi1 Phi phi2\n1 2 x\n", "a text"),
        ("id phi1 Phi phi2\n1 0 0 0\n1 0 0 0\n", "occurs twice"),
        ("phi1 Phi phi2\n" + "0.1 0.2 0.3\n" * 20, "radians"),
        ("phi1 Phi phi2\nnan 0 0\n", "not finite"),
        ("", "empty"),
    ],
)
def test_bad_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_orientations(tmp_path / "table.txt")
