"""HTML in which every text is escaped, every attribute quoted, and every number of a figure plain JSON."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from constitutive.plain import Json

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Markup:
    """A piece of finished HTML. Only this module makes it; text of any other kind is escaped.

    Attributes
    ----------
    text : str
        HTML.
    """

    text: str


Content: TypeAlias = object  # a Markup, a str, a number, or an iterable of these
PACKED = "application/gzip"
LONG = 500  # numbers of an array that is written short
_VOID = {"meta", "br", "img", "hr"}


def render(content: Content) -> str:
    """The HTML of some content.

    Parameters
    ----------
    content : Markup, text, number, or iterable of these

    Returns
    -------
    str
        Text is escaped, finished HTML is kept.
    """
    if isinstance(content, Markup):
        return content.text
    if isinstance(content, str) or not isinstance(content, Iterable):
        return html.escape(str(content), quote=True)
    return "".join(render(part) for part in content)


def tag(name: str, /, *content: Content, **attributes: str | bool | None) -> Markup:
    """An element; attributes are given with ``_`` for ``-``, and with a trailing ``_`` where the name is a keyword of Python.

    Parameters
    ----------
    name : str
        Of the element.
    *content
        What stands inside; text is escaped.
    **attributes
        None and False leave an attribute out, True writes its name alone.

    Returns
    -------
    Markup

    Examples
    --------
    >>> render(tag("a", "C11 < C12", href="#constants", class_="link"))
    '<a href="#constants" class="link">C11 &lt; C12</a>'
    """
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


def packed(text: str, identity: str | None = None) -> Markup:
    """Text compressed by gzip, in base64, in a script element that no browser runs; the page's script unpacks it.

    Parameters
    ----------
    text : str
    identity : str, optional
        The element's ``id``.

    Returns
    -------
    Markup
    """
    letters = base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
    return tag("script", letters, type=PACKED, id=identity)


def unpacked(letters: str) -> str:
    """The text of :func:`packed`."""
    return gzip.decompress(base64.b64decode(letters)).decode()


def short(value: Json) -> Json:
    """JSON of a Plotly figure with its long arrays as numbers of five digits, more of which would not be visible."""
    if isinstance(value, dict) and "bdata" in value:
        array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        digits = 5 if array.size > LONG else 12
        numbers = [float(f"{x:.{digits}g}") if np.isfinite(x) else None for x in array.ravel()]
        shape = [int(n) for n in str(value.get("shape", array.size)).split(",")]
        return np.array(numbers, dtype=object).reshape(shape).tolist()
    if isinstance(value, dict):
        return {key: short(entry) for key, entry in value.items()}
    return [short(entry) for entry in value] if isinstance(value, list) else value


def figure(identity: str, picture: go.Figure, caption: Content) -> Markup:
    """A Plotly figure with its caption; the page's script draws it when it comes into view."""
    document = short(json.loads(picture.to_json()))
    for trace in document["data"]:
        if trace["type"] == "surface":
            trace.pop("customdata", None)  # directions: the page's script computes them
    solid = any(name.startswith("scene") for name in document["layout"])
    return tag(
        "figure",
        tag("div", class_="plot", style=f"height:{int(document['layout'].get('height', 380))}px"),
        tag("img", class_="still", alt="") if solid else "",
        packed(json.dumps({"data": document["data"], "layout": document["layout"]}, allow_nan=False, separators=(",", ":"))),
        tag("figcaption", caption),
        id=identity,
        data_figure="solid" if solid else "flat",
    )
