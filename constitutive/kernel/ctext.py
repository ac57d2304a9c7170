"""Pieces of C text: names, numbers without rounding, and tables that a source holds or is given."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError

Kind = Literal["double", "float"]


def printable(text: str) -> str:
    """A name as it may stand in a comment of C: letters, digits, blanks and ``._+-`` of it, 80 characters at most."""
    return re.sub(r"[^A-Za-z0-9 ._+-]", " ", text)[:80].strip() or "unnamed"


def sized(text: str, components: int) -> str:
    """C that is written for six components and the 21 entries of an upper triangle, for another number of components.

    Parameters
    ----------
    text : str
        Extents ``[6]``, ``[21]`` and ``[10]`` (four numbers and a weight for each component), and loops up to 6 and 21.
    components : int

    Returns
    -------
    str
        The text itself for six.
    """
    packed = components * (components + 1) // 2
    for six, other in (("[6]", f"[{components}]"), ("[21]", f"[{packed}]"), ("[10]", f"[{components + 4}]"),
                       ("< 6;", f"< {components};"), ("< 21;", f"< {packed};")):  # fmt: skip
        text = text.replace(six, other)
    return text


def hexadecimal(value: float) -> str:
    """A float as C reads it back without rounding.

    Raises
    ------
    MaterialError
        It is not finite.
    """
    if not np.isfinite(value):
        raise MaterialError(f"a parameter of the law is {value}; calibrate it again")
    return float(value).hex()


@dataclass(frozen=True)
class Table:
    """A constant two-dimensional array of a source.

    Attributes
    ----------
    name : str
        Its name in C.
    values : array (rows, columns)
        Finite numbers; one row of zeros at least.
    kind : {"double", "float"}
        Its type in C.
    """

    name: str
    values: Float[np.ndarray, "rows columns"]
    kind: Kind

    @property
    def constant(self) -> str:
        """Its definition with all numbers."""
        rows = ",\n    ".join("{" + ", ".join(map(float.hex, row)) + "}" for row in self.values.astype(float).tolist())
        return f"static const {self.kind} {self.name}[{len(self.values)}][{self.values.shape[1]}] = {{\n    {rows}}};\n"

    def reference(self, place: int) -> str:
        """Its definition as a part of the array ``numbers``, from the double at ``place`` on."""
        return f"#define {self.name} ((const {self.kind} (*)[{self.values.shape[1]}])(numbers + {place}))\n"

    @property
    def doubles(self) -> Float[np.ndarray, " n"]:
        """Its numbers, as many doubles as hold them (two of single precision in one)."""
        flat = np.ascontiguousarray(self.values, dtype=np.float64 if self.kind == "double" else np.float32).ravel()
        return np.pad(flat, (0, flat.nbytes % 8 // 4)).view(np.float64)


@dataclass
class Tables:
    """The tables of a source, gathered while its functions are written.

    A source can hold their numbers (:attr:`constants`), or take them from an array that its caller passes (:attr:`references` and
    :attr:`numbers`): then all laws of one shape share one compiled module.
    """

    tables: list[Table] = field(default_factory=list)

    def add(self, name: str, values: Float[np.ndarray, "rows columns"], kind: Kind = "double") -> None:
        """Add a table; an empty one gets a row of zeros, for C has no arrays of length 0.

        Raises
        ------
        MaterialError
            A number is not finite.
        """
        for value in np.asarray(values)[~np.isfinite(values)]:
            hexadecimal(float(value))  # raises
        self.tables.append(Table(name, values if len(values) else np.zeros((1, values.shape[1])), kind))

    @property
    def constants(self) -> str:
        """Definitions of all tables with their numbers."""
        return "".join(table.constant for table in self.tables)

    @property
    def references(self) -> str:
        """Definitions of all tables as parts of ``numbers``."""
        places = np.cumsum([0] + [len(table.doubles) for table in self.tables])
        return "".join(table.reference(int(place)) for table, place in zip(self.tables, places, strict=False))

    @property
    def numbers(self) -> Float[np.ndarray, " n"]:
        """The array to pass."""
        return np.concatenate([table.doubles for table in self.tables])
