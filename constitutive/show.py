"""How objects show themselves in Jupyter: small tables of escaped text, no styles or scripts from anywhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

_CELL = 'style="text-align:left;padding:2px 12px 2px 0"'


def facts(title: str, rows: Mapping[str, Any]) -> str:
    """A title and a table of names and values.

    Parameters
    ----------
    title : str
        In bold.
    rows : mapping
        Values are shown as text; None is left out.
    """
    shown = {name: value for name, value in rows.items() if value is not None}
    return _frame(title, "".join(f"<tr>{_cell(name, 'th')}{_cell(value)}</tr>" for name, value in shown.items()))


def grid(title: str, rows: Iterable[Iterable[Any]], head: Iterable[Any] = ()) -> str:
    """A title and a table of cells, with a line of column titles where there are any."""
    top = "".join(_cell(name, "th") for name in head)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return _frame(title, (f"<tr>{top}</tr>" if top else "") + body)


def number(value: Any) -> str:
    """A number with five digits; other things as their text."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _frame(title: str, rows: str) -> str:
    return f"<div><b>{html.escape(title)}</b><table>{rows}</table></div>"


def _cell(value: Any, name: str = "td") -> str:
    return f"<{name} {_CELL}>{html.escape(number(value))}</{name}>"
