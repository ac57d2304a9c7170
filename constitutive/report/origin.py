"""Where a law comes from: the crystal, the data, the choice of the law."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from constitutive.elasticity import independent_places
from constitutive.plain import Json, JsonObject
from constitutive.plots import interactive
from constitutive.report.known import ORDERS, Known, Section
from constitutive.report.markup import Content, figure, nested, table, tag
from constitutive.symmetry import find_symmetry

ELSEWHERE = ("calibration", "constants_GPa", "rank_of_data", "residual_stress", "data")  # of the card: shown in other sections


def crystal(known: Known) -> Section | None:
    """The cell, the group and its elements."""
    group = known.material.point_group
    rows: list[tuple[Content, Content]] = [
        ("point group", f"{group.symbol} ({group.full_symbol}; {group.schoenflies})"),
        ("Laue class", f"{group.laue_class}: the symmetry of a strain energy"),
        ("crystal system", group.crystal_system),
        ("operations", group.order),
        ("elements", tag("ul", [tag("li", element.words) for element in group.elements])),
    ]
    for order in ORDERS:
        count = len(independent_places(np.asarray(group.laue_rotations), order))
        rows.append((f"independent constants, order {order}", count))
    content: list[Content] = []
    if known.material.structure is not None:
        found = find_symmetry(known.material.structure)
        formula = known.material.structure.composition.reduced_formula
        rows.insert(0, ("structure", f"{formula}, {found.space_group} (no. {found.space_group_number})"))
        caption = (
            "The conventional cell with the axes of the point group through its centre. Turn it with the mouse; the legend "
            "switches axes and mirror planes."
        )
        content.append(figure("crystal-cell", interactive.crystal(known.material.structure, group), caption))
    return Section("crystal", "Crystal and symmetry", [*content, table((), rows, class_="facts")])


def provenance(known: Known) -> Section:
    """Where the law comes from."""
    card = known.material.card
    rows: JsonObject = {"material": known.material.name or "unnamed", **_data_rows(known)}
    if "residual_stress" in card:
        rows["residual stress"] = _residual_stress(card["residual_stress"])
    if "rank_of_data" in card:
        rows["what the data fix"] = _rank(card["rank_of_data"])
    rows |= {key: value for key, value in card.items() if key not in ELSEWHERE}
    return Section("provenance", "Provenance", [nested({k: v for k, v in rows.items() if v not in (None, {}, [])})])


def _data_rows(known: Known) -> JsonObject:
    """The data set that the card names, and the one given: one row where they are the same."""
    stated = known.material.card.get("data", {})
    if known.data is None:
        return {"calibrated on": stated}
    at_hand = {
        "samples": len(known.data),
        "held-out states": 0 if known.held_out is None else len(known.held_out),
        "stress measure": known.data.measure,
        "settings": known.data.settings,
        "provenance": known.data.provenance,
        **{key: value for key, value in (known.data.model_extra or {}).items() if isinstance(value, str)},
    }
    if isinstance(stated, Mapping) and stated.get("sha256") == known.data.sha256:
        kept = {key: value for key, value in stated.items() if key not in ("samples", "measure")}
        return {"calibrated on": _said({**kept, **at_hand})}
    return {"calibrated on": stated, "data set of this report, another than that": _said(at_hand)}


def _said(rows: Mapping[str, Json]) -> JsonObject:
    return {key: value for key, value in rows.items() if value not in (None, {}, [], "")}


def _residual_stress(stated: Json) -> Json:
    """In a sentence: what was found at zero strain and what was done about it."""
    try:
        T = np.asarray(stated["stress_GPa"], dtype=float)
        words = {"zero": "nothing to remove", "keep": "kept in the law", "remove": "removed before fitting"}
        rule = words.get(str(stated["rule"]), str(stated["rule"]))
        found = ", ".join(f"{name} {T[i, j]:.3g}" for name, (i, j) in TENSOR.items() if abs(T[i, j]) > 1e-12)
    except (KeyError, TypeError, ValueError, IndexError):
        return stated
    source = f" ({stated['source']})" if stated.get("source") else ""
    return f"{rule}; stress at zero strain: {f'{found} GPa' if found else 'none'}{source}"


TENSOR = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2), "xz": (0, 2), "xy": (0, 1)}


def _rank(stated: Json) -> Json:
    """How many of the constants of each order the samples determine."""
    try:
        return "; ".join(f"{entry['fixed']} of {entry['of']} constants of order {order}" for order, entry in stated.items())
    except (KeyError, TypeError, AttributeError):
        return stated


def choice(known: Known) -> Section | None:
    """Which law was chosen, and why."""
    found = known.calibration
    if not found:
        source = str(known.material.card.get("source", "elsewhere"))
        return Section("law", "The law", [tag("p", f"The law comes from {source}; nothing was fitted to samples.")])
    candidates = sorted(found.get("candidates", {}).items(), key=lambda item: item[1])
    rows = [(tag("b", name) if name == found.get("chosen") else name, f"{100 * error:.3g} %") for name, error in candidates]
    content: list[Content] = [
        tag("p", "Chosen: ", tag("b", str(found.get("chosen", ""))), f". {_sentence(str(found.get('reason', '')))}"),
        table(("candidate", "error of S on unseen samples"), rows, numbers=1),
    ]
    notes = found.get("notes", [])
    if notes:
        content.append(tag("ul", [tag("li", str(note)) for note in notes]))
    worst = ", ".join(f"{entry['sample']} ({100 * entry['relative_error']:.2g} %)" for entry in found.get("worst_samples", []))
    if worst:
        content.append(tag("p", f"Samples that are predicted worst when left out: {worst}."))
    return Section("law", "The law, and why this one", content)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("." if text and not text.endswith(".") else "")
