"""Orientations as a file states them, before they become rotations: what a row means, and for which grain it stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError

Columns = Literal["bunge", "kocks", "roe", "quaternion", "rodrigues", "axis-angle", "rotmat"]
WIDTH: dict[str, int] = {"bunge": 3, "kocks": 3, "roe": 3, "quaternion": 4, "rodrigues": 3, "axis-angle": 4, "rotmat": 9}
MEANING = {
    "bunge": "phi1 Phi phi2 in degrees",
    "kocks": "Psi Theta phi in degrees",
    "roe": "Psi Theta Phi in degrees",
    "quaternion": "w x y z",
    "rodrigues": "n tan(theta/2)",
    "axis-angle": "x y z and the angle in degrees",
    "rotmat": "the matrix crystal to lab, row by row",
}
_NEPER = {"euler-bunge": "bunge", "euler-kocks": "kocks", "euler-roe": "roe", **{name: name for name in get_args(Columns)}}


@dataclass(frozen=True)
class Table:
    """Orientations as a file states them.

    Attributes
    ----------
    columns : str
        What the numbers of a row are.
    tags : list of int
        Of grains, points or materials.
    values : array (n, m)
        One row for each tag; angles in degrees.
    passive : bool
        The file says that its rotations take sample to crystal.
    phases : list of str
        Phase of each row; empty where the file names none.
    skewed : list of str
        Phases whose crystal system makes a difference between x ∥ a and x ∥ a*.
    left_out : int
        Points without an orientation (not indexed).
    weights : array (n,)
        Share of each row in the whole; empty where the file gives none.
    """

    columns: Columns
    tags: list[int]
    values: Float[np.ndarray, "n m"]
    passive: bool = False
    phases: list[str] = field(default_factory=list)
    skewed: list[str] = field(default_factory=list)
    left_out: int = 0
    weights: Float[np.ndarray, " k"] = field(default_factory=lambda: np.zeros(0))

    def of_phase(self, phase: str, path: Path) -> Table:
        """The rows of one phase.

        Parameters
        ----------
        phase : str
            Name in the file.
        path : Path
            For the message.

        Returns
        -------
        Table

        Raises
        ------
        DataError
            There is no such phase, or the file names none.
        """
        rows = [k for k, name in enumerate(self.phases) if name == phase]
        if not rows:
            known = ", ".join(sorted(set(self.phases))) or "none (the file names no phases)"
            raise DataError(f"{path}: no rows of phase {phase!r}; its phases: {known}")
        skewed = [name for name in self.skewed if name == phase]
        weights = self.weights[rows] if len(self.weights) else self.weights
        tags = [self.tags[k] for k in rows]
        return replace(self, tags=tags, values=self.values[rows], phases=[phase] * len(rows), skewed=skewed, weights=weights)

    def drawn(self, count: int, seed: int) -> Table:
        """Rows drawn with replacement, each with the probability of its weight; the tags count from the first one.

        Parameters
        ----------
        count : int
        seed : int

        Returns
        -------
        Table

        Raises
        ------
        DataError
            The count or a weight is no such number.
        """
        weights = self.weights if len(self.weights) else np.ones(len(self.tags))
        if count < 1 or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise DataError(f"draw={count}: needed are at least one grain, and weights that are finite and not negative")
        rows = np.random.default_rng(seed).choice(len(self.tags), size=count, p=weights / weights.sum())
        first = min(self.tags)
        phases = [self.phases[k] for k in rows] if self.phases else []
        return replace(self, tags=list(range(first, first + count)), values=self.values[rows], phases=phases, weights=np.zeros(0))


def columns_of(text: str) -> tuple[Columns, bool]:
    """Meaning of a descriptor such as ``"bunge"``, or Neper's ``"euler-bunge:passive"``, and whether it is passive.

    Parameters
    ----------
    text : str

    Returns
    -------
    columns : str
    passive : bool

    Raises
    ------
    DataError
        It is none that is known.
    """
    name, _, convention = text.strip().lower().partition(":")
    if name not in _NEPER or convention not in ("", "active", "passive"):
        raise DataError(f"columns={text!r}: needed one of {', '.join(_NEPER)}, with ':passive' where the rotations take sample to crystal")
    return _NEPER[name], convention == "passive"


def is_number(text: str) -> bool:
    """Whether a word is a number.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(rows: list[list[str]], path: Path) -> np.ndarray:
    """The numbers of rows of words.

    Parameters
    ----------
    rows : list of list of str
    path : Path
        For the message.

    Returns
    -------
    array (n, m)

    Raises
    ------
    DataError
        A word is no number, rows differ in length, or there are none.
    """
    try:
        table = np.array(rows, dtype=float)
    except ValueError as error:
        raise DataError(f"{path}: a row has a text or another number of columns than the first") from error
    if table.ndim != 2 or not table.size:
        raise DataError(f"{path}: the table has no rows")
    return table


def whole(values: np.ndarray, where: str) -> list[int]:
    """Whole numbers of an array.

    Parameters
    ----------
    values : array (n,)
    where : str
        For the message.

    Returns
    -------
    list of int

    Raises
    ------
    DataError
        One is not whole.
    """
    odd = np.flatnonzero(~(np.isfinite(values) & (values == np.round(values))))
    if len(odd):
        raise DataError(f"{where}: row {int(odd[0]) + 1} holds {values[odd[0]]}, a whole number is needed")
    return [int(value) for value in values]
