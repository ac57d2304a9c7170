"""Elastic constants beside published ones, and moduli by direction at rest and at finite strain."""

from __future__ import annotations

import numpy as np

from constitutive.elasticity import QUANTITIES, UNITS, DirectionalModuli
from constitutive.plots import interactive, span
from constitutive.plots.numbers import MINUS
from constitutive.plots.shapes import TITLES
from constitutive.report import facts
from constitutive.report.known import ORDERS, Known, Section
from constitutive.report.markup import Content, Markup, figure, table, tag

ISOTROPIC = 0.01  # a quantity that varies less gets a line of text instead of a picture
SURFACES = {
    "youngs_modulus": "Young's modulus: the distance of the surface from the origin along n is E(n), and so is its colour.",
    "shear_modulus": "Shear modulus of the plane across n: largest (left) and smallest (right) over all directions m of shear in it.",
    "poisson_ratio": "Poisson's ratio when pulled along n: largest (left) and smallest (right) over all directions m across n; a "
    "negative value is drawn opposite to n.",
    "linear_compressibility": "Linear compressibility: shortening along n per pressure; a negative value is drawn opposite to n.",
}


def elastic_constants(known: Known) -> Section:
    """Constants of order 2 and 3 beside published ones, and those of order 4 that the card states."""
    sets = [facts.constants(known.material, order) for order in ORDERS]
    names = [name for found in sets for name in found.names]
    values = np.concatenate([found.values for found in sets])
    errors = facts.constant_errors(known.material, sets)
    others = facts.published(known.material)
    caption = (
        "Derivatives of the strain energy by the Green–Lagrange strain at zero strain (Brugger's definition), in the standard axes "
        "of the crystal. Measured values are at room temperature, computed ones at 0 K; the law is as good as the simulation behind it."
    )
    picture = interactive.elastic_constants(names, values, errors, published={name: found.values for name, found in others.items()})
    content: list[Content] = [figure("elastic-constants", picture, caption), _constants_table(names, values, errors, others)]
    if others:
        sources = [f"[{k}] {name}: {found.source}. Read {found.read_from}." for k, (name, found) in enumerate(others.items(), start=1)]
        content.append(tag("ul", [tag("li", line) for line in sources], class_="sources"))
    return Section("constants", "Elastic constants", content + _fourth_order(known))


def _constants_table(names: list[str], values: np.ndarray, errors: np.ndarray | None, others: dict[str, facts.Published]) -> Markup:
    """One line a constant; a number refers to the list of sources below."""
    head = ["constant", "this law (GPa)", *(["± 90 % (GPa)"] if errors is not None else [])]
    head += ["published (GPa)", "source", f"law {MINUS} published (GPa)"] if others else []
    rows = []
    for k, name in enumerate(names):
        own = [f"{values[k]:.1f}"] + ([f"{errors[k]:.1f}" if np.isfinite(errors[k]) else "not determined"] if errors is not None else [])
        found = [(number, entry.values[name]) for number, entry in enumerate(others.values(), start=1) if name in entry.values]
        beside = [
            ", ".join(f"{value:.6g}" for _, value in found),
            ", ".join(f"[{number}]" for number, _ in found),
            ", ".join(f"{values[k] - value:+.1f}" for _, value in found),
        ]
        rows.append([_indexed(name), *map(_signed, [*own, *(beside if others else [])])])
    return table(head, rows, numbers=1)


def _fourth_order(known: Known) -> list[Content]:
    """Constants of order 4 on the card: many, so in columns."""
    stated = known.material.card.get("constants_GPa", {}).get("4", {})
    try:
        entries = [
            (name, "not determined" if error is None else f"{float(value):.0f} ± {1.645 * float(error):.0f}")
            for name, (value, error) in stated.items()
        ]
    except (TypeError, ValueError, AttributeError):
        return []
    if not entries:
        return []
    items = [tag("li", _indexed(name), " ", _signed(text)) for name, text in entries]
    caption = "Order 4, in the frame of the data (GPa, with 90 % intervals); data of a few per cent strain determine them loosely."
    return [tag("p", caption), tag("ul", items, class_="columns")]


def _indexed(name: str) -> Content:
    return (name[0], tag("sub", name[1:])) if name[1:].isdigit() else name


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def directional(known: Known) -> Section:
    """Surfaces, sections, pole figures, averages, extremes and sound."""
    states = facts.states(known.material)
    rest, *strained = states
    spans = {quantity: span((states[name] for name in (rest, *strained[:1])), quantity) for quantity in SURFACES}
    content: list[Content] = [tag("h3", "At rest"), *_solids(states[rest], spans, "at rest")]
    if strained:
        remark = f"The same at {strained[0]}, for a small further load; colours and axes as at rest."
        content += [tag("h3", f"At finite strain, {strained[0]}"), tag("p", remark)]
        content += _solids(states[strained[0]], spans, f"at {strained[0]}", "-strained")
    content.append(tag("h3", "Sections, at rest and at finite strain"))
    for quantity in SURFACES:
        single = quantity in ("youngs_modulus", "linear_compressibility")
        chosen = states if single else dict(list(states.items())[:2])  # two curves each: no more than two
        states_drawn = " and ".join(name for name in chosen if name != rest) or "no other state, none is stable"
        caption = f"Sections of {TITLES[quantity]} through the coordinate planes: at rest, and for a small further load at {states_drawn}."
        content.append(figure(f"sections-{quantity.replace('_', '-')}", interactive.sections(chosen, quantity), caption))
    content += [tag("h3", "Averages and extremes"), _averages(states), *(_extremes(name, moduli) for name, moduli in states.items())]
    return Section("directional", "Moduli by direction", content)


def _solids(moduli: DirectionalModuli, spans: dict[str, tuple[float, float]], where: str, suffix: str = "") -> list[Markup]:
    """The surfaces and the pole figures of one state, on given scales."""
    pictures = {}
    for quantity, caption in SURFACES.items():
        identity = f"surface-{quantity.replace('_', '-')}{suffix}"
        pictures[quantity] = figure(identity, interactive.surface(moduli, quantity, span=spans[quantity]), f"{caption} Here {where}.")
    poles = []
    for quantity, name in (("youngs_modulus", "Young's modulus"), ("linear_compressibility", "Linear compressibility")):
        identity = f"pole-figure{suffix}" if quantity == "youngs_modulus" else f"pole-figure-compressibility{suffix}"
        caption = f"{name} {where} over all directions of the half sphere, equal-area projection along z; triangles mark the extremes."
        poles.append(figure(identity, interactive.pole_figure(moduli, quantity, span=spans[quantity]), caption))
    pairs = [tag("div", pictures["youngs_modulus"], poles[0], class_="pair"), pictures["shear_modulus"], pictures["poisson_ratio"]]
    low, high = moduli.extremes("linear_compressibility")
    if high.value - low.value < ISOTROPIC * abs(high.value):
        ends = f"{low.value:.4g}" if high.value - low.value < 1e-6 * high.value else f"{low.value:.4g} to {high.value:.4g}"
        return [*pairs, tag("p", f"The linear compressibility {where} is the same in all directions: {ends} 1/TPa.")]
    return [*pairs, tag("div", pictures["linear_compressibility"], poles[1], class_="pair")]


def _averages(states: dict[str, DirectionalModuli]) -> Markup:
    rows = []
    for name, moduli in states.items():
        a = moduli.averages
        sound = "" if moduli.density is None else ", ".join(f"{v:.0f}" for v in moduli.sound_velocities(np.array([1.0, 0.0, 0.0])))
        cells = (
            f"{a.bulk_voigt:.1f} / {a.bulk_reuss:.1f} / {a.bulk_hill:.1f}",
            f"{a.shear_voigt:.1f} / {a.shear_reuss:.1f} / {a.shear_hill:.1f}",
            f"{a.youngs_hill:.1f}",
            _signed(f"{a.poisson_hill:.3f}"),
            f"{moduli.universal_anisotropy:.3f}",
            sound,
        )
        rows.append((tag("span", name, class_="whole"), *cells))
    head = ("state", "bulk: V / R / H (GPa)", "shear: V / R / H (GPa)", "E, Hill (GPa)", "ν, Hill", "Aᵁ", "sound along x (m/s)")
    return tag("div", table(head, rows, numbers=1), tag("p", "V / R / H: the averages of Voigt, Reuss and Hill; Aᵁ: universal anisotropy."))


def _extremes(state: str, moduli: DirectionalModuli) -> Markup:
    rows = []
    for quantity in QUANTITIES:
        low, high = moduli.extremes(quantity)
        if high.value - low.value < 1e-9 * abs(high.value):
            rows.append((TITLES[quantity], f"{low.value:.5g} {UNITS[quantity]}", "everywhere", ""))
            continue
        for word, extreme in (("smallest", low), ("largest", high)):
            across = "" if extreme.across is None else _vector(extreme.across)
            value = _signed(f"{extreme.value:.5g} {UNITS[quantity]}")
            rows.append((f"{word} {TITLES[quantity]}", value, _vector(extreme.direction), across))
    return table((f"extremes, {state}", "value", "along n", "across, m"), rows, numbers=1)


def _vector(n: np.ndarray) -> str:
    return _signed("(" + ", ".join(f"{component:.3f}" for component in np.round(n, 3) + 0.0) + ")")
