"""Numbers and objects as text: stresses in a unit that shows their leading digits, and plain HTML tables for Jupyter."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from constitutive.units import STRESS_UNITS

_SMALLEST = 0.1  # in the unit chosen, the largest number of a table
_DIGITS = 4
_ZERO = 1e-9  # relative to the largest number
_CELL = 'style="text-align:left;padding:2px 12px 2px 0"'


@dataclass(frozen=True)
class StressScale:
    """A unit for the stresses or stiffnesses of one table, and the digits that its largest number needs.

    Attributes
    ----------
    unit : str
        One of `STRESS_UNITS`.
    largest : float
        Largest absolute number of the table, in GPa.

    Examples
    --------
    >>> soft = StressScale.of(6.1e-6)  # GPa
    >>> soft.unit, soft.text(6.1234e-6), soft.cell(0.0)
    ('kPa', '6.123', '0')
    >>> StressScale.of(6.1e-6, "Pa").text(6.1234e-6)
    '6123'
    """

    unit: str
    largest: float

    @classmethod
    def of(cls, largest: float, unit: str | None = None) -> StressScale:
        """The scale of a table in a given unit, or in the first of GPa, MPa, kPa and Pa in which its largest number exceeds 0.1.

        Parameters
        ----------
        largest : float
            Largest absolute number, in GPa.
        unit : str, optional
            One of `STRESS_UNITS`.

        Returns
        -------
        StressScale

        Raises
        ------
        ValueError
            The unit is unknown.
        """
        size = abs(largest)
        if unit is not None and unit not in STRESS_UNITS:
            raise ValueError(f"unit {unit!r} found; one of {', '.join(STRESS_UNITS)} needed")
        fitting = (name for name, factor in STRESS_UNITS.items() if size * factor >= _SMALLEST)
        return cls(unit or next(fitting, "Pa" if size > 0 else "GPa"), size)

    @property
    def factor(self) -> float:
        """From GPa to the unit."""
        return STRESS_UNITS[self.unit]

    def text(self, value: float, digits: int = _DIGITS) -> str:
        """A number in the unit of the scale.

        Parameters
        ----------
        value : float
            GPa.
        digits : int
            Significant digits.

        Returns
        -------
        str
            Without the unit.
        """
        scaled = value * self.factor
        size = abs(scaled)
        return f"{scaled:.0f}" if 10 ** (digits - 1) <= size < 1e9 else f"{scaled:.{digits}g}"

    def cell(self, value: float) -> str:
        """A number as the entry of a table: as many decimals in all entries; 0 only where it vanishes.

        Parameters
        ----------
        value : float
            GPa.

        Returns
        -------
        str
            Without the unit.
        """
        size = self.largest * self.factor
        if abs(value) <= _ZERO * self.largest:
            return "0"
        decimals = _DIGITS - 1 - math.floor(math.log10(size)) if size > 0 else 0
        scaled = value * self.factor
        plain = f"{scaled:.{max(decimals, 3 if self.unit == 'GPa' else 0)}f}"
        return plain if float(plain) else f"{scaled:.1e}"


def facts(title: str, rows: Mapping[str, object]) -> str:
    """A title and a table of names and values.

    Parameters
    ----------
    title : str
        In bold.
    rows : mapping
        Values are shown as text; None is left out.

    Returns
    -------
    str
        HTML; all text is escaped.
    """
    shown = {name: value for name, value in rows.items() if value is not None}
    return _frame(title, "".join(f"<tr>{_cell(name, 'th')}{_cell(value)}</tr>" for name, value in shown.items()))


def grid(title: str, rows: Iterable[Iterable[object]], head: Iterable[object] = ()) -> str:
    """A title and a table of cells, with a line of column titles where there are any.

    Parameters
    ----------
    title : str
        In bold.
    rows : iterable of iterable
        Values are shown as text.
    head : iterable
        Titles of the columns.

    Returns
    -------
    str
        HTML; all text is escaped.
    """
    top = "".join(_cell(name, "th") for name in head)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return _frame(title, (f"<tr>{top}</tr>" if top else "") + body)


def number(value: object) -> str:
    """A number with five digits; other things as their text."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _frame(title: str, rows: str) -> str:
    return f"<div><b>{html.escape(title)}</b><table>{rows}</table></div>"


def _cell(value: object, name: str = "td") -> str:
    return f"<{name} {_CELL}>{html.escape(number(value))}</{name}>"
