"""One self-contained HTML page about a material: it opens without a network, and its figures can be rotated."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files

from constitutive import __version__
from constitutive.audit import Audit, audit
from constitutive.data import StressStrainData
from constitutive.material import Material
from constitutive.report.known import Known, Section
from constitutive.report.learning import baselines, curves
from constitutive.report.markup import Content, Markup, packed, render, tag
from constitutive.report.sections import SECTIONS

__all__ = ["Known", "gather", "page", "report"]

Progress = Callable[[str, float], None]


def report(
    material: Material,
    data: StressStrainData | None = None,
    *,
    unseen: StressStrainData | None = None,
    learning_curve: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> str:
    """The page about a material.

    Parameters
    ----------
    material : Material
        What to report on.
    data : StressStrainData, optional
        What it was calibrated on; with it come accuracy, baselines and the learning curve.
    unseen : StressStrainData, optional
        States that the law was not calibrated on, for its errors; the held-out paths of the data where none are given.
    learning_curve : bool
        Calibrate again on fewer samples, and draw the errors.
    seed : int
        Of the baselines and of the choice of samples.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    str
        HTML, UTF-8.
    """
    return page(gather(material, data, unseen=unseen, learning_curve=learning_curve, seed=seed, progress=progress), progress=progress)


def gather(
    material: Material,
    data: StressStrainData | None = None,
    *,
    unseen: StressStrainData | None = None,
    learning_curve: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Known:
    """Audit a material, fit its baselines and its learning curve: the slow part of a report.

    Parameters
    ----------
    material, data, unseen, learning_curve, seed, progress
        As for :func:`report`.

    Returns
    -------
    Known
        What :func:`page` is written from.
    """
    show = progress or _silent
    show("auditing", 0.05)
    audited = audit(material, data, unseen=unseen, seed=seed)
    if data is None:
        return Known(material, data, audited, unseen=unseen)
    show("fitting the baselines", 0.15)
    others = baselines(material, data, seed)
    found, note = curves(material, data, unseen, others, seed, show) if learning_curve else ({}, "")
    return Known(material, data, audited, others, found, unseen, note)


def _silent(_what: str, _fraction: float) -> None:
    """No progress."""


def page(known: Known, *, progress: Progress | None = None) -> str:
    """The HTML of a report from what was gathered.

    Parameters
    ----------
    known : Known
        What :func:`gather` returned.
    progress : callable, optional
        Called with what is being written and the fraction done.

    Returns
    -------
    str
        HTML, UTF-8; it loads nothing from elsewhere.
    """
    show = progress or _silent
    sections = []
    for k, write in enumerate(SECTIONS):
        show(f"writing: {write.__name__.replace('_', ' ')}", 0.7 + 0.3 * k / len(SECTIONS))
        section = write(known)
        if section is not None:
            sections.append(section)
    return _document(known, sections)


def _document(known: Known, sections: list[Section]) -> str:
    from plotly.offline import get_plotlyjs

    plotly, script = get_plotlyjs(), _resource("page.js")
    title = f"{known.material.name or 'Material'}: constitutive report"
    links = [tag("li", tag("a", section.title, href=f"#{section.identity}")) for section in sections]
    body = [tag("section", tag("h2", section.title), section.content, id=section.identity) for section in sections]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy([plotly, script])),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"constitutive {__version__}"),
        tag("title", title),
        tag("style", Markup(_resource("page.css"))),
    )
    main = tag("main", _header(known, known.audit), body, _footer(known))
    button = tag("button", "Print", id="print", type="button")
    layout = tag("div", tag("nav", tag("ol", links), button, aria_label="Sections"), main, class_="layout")
    code = [packed(plotly, "plotly"), Markup(f"<script>{script}</script>")]
    return "<!DOCTYPE html>\n" + render(tag("html", head, tag("body", layout, code), lang="en")) + "\n"


def _policy(scripts: list[str]) -> str:
    """What the browser may do for this page: run exactly these scripts, show what is inside it, and load nothing.

    Plotly compiles the bindings of its 3D shaders at run time, hence unsafe-eval; any other script element is refused.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"


def _resource(name: str) -> str:
    return (files("constitutive.report") / name).read_text(encoding="utf-8")


def _header(known: Known, audit: Audit) -> Markup:
    material = known.material
    formula = "" if material.structure is None else f"{material.structure.composition.reduced_formula}, "
    lead = f"{formula}point group {material.point_group.symbol}; a strain-energy law with closed-form stress and tangent."
    tiles = tag("div", _tiles(known, audit), class_="tiles")
    return tag("header", tag("h1", material.name or "Material"), tag("p", lead, class_="lead"), tiles)


def _tiles(known: Known, audit: Audit) -> list[Markup]:
    found = known.calibration
    tiles: list[tuple[Content, str]] = []
    if "held_out_error" in found:
        tiles.append((f"{100 * float(found['held_out_error']):.2g} %", "error of S on unseen samples"))
    if found.get("baseline_error") and found.get("held_out_error"):
        factor = float(found["baseline_error"]) / float(found["held_out_error"])
        tiles.append((f"{factor:.0f} ×", "the error without symmetry"))
    C = known.material.stiffness_voigt()
    tiles.append((f"{C[0, 0]:.1f} GPa", "C11 in the data's frame"))
    samples = known.material.card.get("data", {}).get("samples")
    if samples is not None:
        tiles.append((samples, "samples"))
    kept = sum(check.standing == "kept" for check in audit.checks.values())
    tiles.append(("passed" if audit.passed else "failed", f"audit, {kept} limits kept"))
    return [tag("div", tag("strong", value), tag("span", text), class_="tile") for value, text in tiles]


def _footer(known: Known) -> Markup:
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    law = type(known.material.law).__name__
    return tag("footer", f"Written by constitutive {__version__} on {when}; law: {law}. This page needs no network.")
