"""HTML in which every text is escaped, every attribute quoted, and every number of a figure plain JSON."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Markup:
    """A piece of finished HTML. Only this module makes it; text of any other kind is escaped."""

    text: str


Content: TypeAlias = object  # a Markup, a str, a number, or an iterable of these
_VOID = {"meta", "br", "img", "hr"}


def render(content: Content) -> str:
    """The HTML of some content."""
    if isinstance(content, Markup):
        return content.text
    if isinstance(content, str) or not isinstance(content, Iterable):
        return html.escape(str(content), quote=True)
    return "".join(render(part) for part in content)


def tag(name: str, /, *content: Content, **attributes: str | bool | None) -> Markup:
    """An element; attributes are given with ``_`` for ``-`` and a trailing ``_`` where Python keeps the word."""
    parts = [name]
    for key, value in attributes.items():
        if value is not None and value is not False:
            label = key.rstrip("_").replace("_", "-")
            parts.append(label if value is True else f'{label}="{html.escape(str(value), quote=True)}"')
    opening = f"<{' '.join(parts)}>"
    return Markup(opening if name in _VOID else f"{opening}{render(content)}</{name}>")


def table(head: Iterable[Content], rows: Iterable[Iterable[Content]], *, numbers: int = 99, class_: str = "") -> Markup:
    """A table; columns from ``numbers`` on are set to the right."""

    def row(cells: Iterable[Content], cell: str) -> Markup:
        return tag("tr", [tag(cell, content, class_="number" if k >= numbers else None) for k, content in enumerate(cells)])

    titles = list(head)
    top = tag("thead", row(titles, "th")) if titles else ""
    return tag("div", tag("table", top, tag("tbody", [row(r, "td") for r in rows]), class_=class_ or None), class_="scroll")


def nested(value: object) -> Content:
    """Plain data of any depth as text, lists and small tables."""
    if isinstance(value, Mapping):
        return table((), [(str(key).replace("_", " "), nested(entry)) for key, entry in value.items()], class_="facts")
    if isinstance(value, list | tuple):
        if all(isinstance(entry, int | float) for entry in value):
            size = max((abs(entry) for entry in value), default=0.0)
            return ", ".join(f"{entry if abs(entry) > 1e-12 * size else 0:.6g}" for entry in value)
        if all(isinstance(entry, list | tuple) and all(isinstance(x, int | float) for x in entry) for entry in value):
            return "; ".join(str(nested(entry)) for entry in value)  # a matrix, row by row
        return tag("ul", [tag("li", nested(entry)) for entry in value])
    if value is None:
        return "not stated"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def script_data(value: str) -> Markup:
    """JSON in a script element that no text inside can close: ``<``, ``>`` and ``&`` are written as escapes of JSON."""
    safe = value.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    safe = safe.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(f'<script type="application/json">{safe}</script>')


def figure(identity: str, picture: go.Figure, caption: Content) -> Markup:
    """A Plotly figure with its caption; the page's script draws it."""
    document = json.loads(picture.to_json())
    solid = any(name.startswith("scene") for name in document["layout"])
    return tag(
        "figure",
        tag("div", class_="plot", style=f"height:{int(document['layout'].get('height', 380))}px"),
        tag("img", class_="still", alt="") if solid else "",
        script_data(json.dumps({"data": document["data"], "layout": document["layout"]}, allow_nan=False)),
        tag("figcaption", caption),
        id=identity,
        data_figure="solid" if solid else "flat",
    )
