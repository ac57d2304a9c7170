"""Where a law may be used: stability, domain of validity, and the audit."""

from __future__ import annotations

from constitutive.plots import interactive
from constitutive.plots.numbers import MINUS
from constitutive.report import facts
from constitutive.report.known import Known, Section
from constitutive.report.markup import Content, figure, table, tag


def stability(known: Known) -> Section:
    """Where the crystal is stable."""
    content: list[Content] = [
        tag(
            "p",
            "The map shows the weakest direction of the acoustic tensor, relative to rest. Where it falls to zero (solid line) a plane "
            "wave has no real speed: the law loses strong ellipticity. The dashed line is the domain of validity. A law of one unit cell "
            "does not describe slip, cleavage or short-wave phonons, and a crystal can fail by these first.",
        )
    ]
    pictures = []
    for first, second in (("stretch along x", "stretch along y"), ("stretch along x", "shear xy")):
        plane = facts.stability(known.material, first, second)
        picture = interactive.stability_map(
            plane.x, plane.y, plane.margin, distance=plane.distance, xlabel=f"E, {first}", ylabel=f"E, {second}"
        )
        identity = f"stability-{second.replace(' ', '-')}"
        pictures.append(figure(identity, picture, f"Stability over {first} and {second}."))
    return Section("stability", "Stability", [*content, tag("div", pictures, class_="pair")])


def domain(known: Known) -> Section:
    """Where the law is valid."""
    if known.material.domain is None:
        return Section("domain", "Domain of validity", [tag("p", "This material states no domain: it was not calibrated on samples.")])
    caption = "How far the domain of validity goes along simple strains; outside it the law extrapolates, with a warning."
    content: list[Content] = [figure("domain-reach", interactive.domain(facts.reach(known.material)), caption)]
    if known.data is not None:
        inside = facts.inside(known.material, known.data.green_lagrange_strain)
        content.append(tag("p", f"{int(inside.sum())} of {len(inside)} samples are inside."))
    return Section("domain", "Domain of validity", content)


def audit_table(known: Known) -> Section:
    """Every property with its figure and limit."""
    rows: list[tuple[Content, ...]] = []
    for name, check in known.audit.checks.items():
        standing = tag("span", check.standing, class_=check.standing.replace(" ", "-"))
        compared = check.meaning + (f": {check.reason}" if check.reason else "")
        limit = _short(check.limit) if check.limit is not None or check.figure is None else "none"
        rows.append((tag("b", name.replace("_", " ")), standing, compared, _short(check.figure), limit))
        for part, value in check.details.items():
            long = isinstance(value, str) and len(value) > 12
            label = f"{part}: {_short(value)}" if long else part
            rows.append(("", "", tag("span", label, class_="part"), "" if long else tag("span", _short(value), class_="part"), ""))
    head = ("property", "", "compared", "figure", "limit")
    verdict = "Every property is within its limit." if known.audit.passed else f"Outside their limits: {', '.join(known.audit.broken)}."
    content: list[Content] = [tag("p", verdict)]
    advice = [tag("li", tag("b", name.replace("_", " ")), ": ", check.advice, ".") for name, check in known.audit.broken.items()]
    if advice:
        content.append(tag("ul", advice))
    return Section("audit", "Audit", [*content, table(head, rows, numbers=3, class_="audit")])


def _short(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return (f"{value:.3g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}").replace("-", MINUS)
