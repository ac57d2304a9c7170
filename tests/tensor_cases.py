"""Groups and helpers that the tests of tensors share."""

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from constitutive.symmetry import PointGroup
from constitutive.symmetry.tables import SYMBOLS
from constitutive.tensors import (
    average,
)

EXACT = 1e-12


GROUPS = {symbol: PointGroup.from_symbol(symbol) for symbol in SYMBOLS}


seeds = st.integers(0, 2**32 - 1)


symbols = st.sampled_from(SYMBOLS)
# Nye, Physical Properties of Crystals (1985), table 8
PIEZOELECTRIC = {
    "1": 18, "2": 8, "m": 10, "222": 3, "mm2": 5, "4": 4, "-4": 4, "422": 1, "4mm": 3, "-42m": 2, "3": 6, "32": 2, "3m": 4, "6": 4,
    "-6": 2, "622": 1, "6mm": 3, "-6m2": 1, "23": 1, "-43m": 1,
}  # fmt: skip


def rotation(seed: int) -> np.ndarray:
    return Rotation.from_quat(np.random.default_rng(seed).normal(size=4)).as_matrix()


def symmetric(seed: int, *batch: int) -> np.ndarray:
    T = np.random.default_rng(seed).normal(size=(*batch, 3, 3))
    return T + T.swapaxes(-1, -2)


def change(tensors: np.ndarray, group: object, **options: bool) -> float:
    """Largest change of tensors under the average over a group."""
    return float(np.abs(average(tensors, group, **options) - tensors).max(initial=0.0))
