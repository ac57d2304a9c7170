"""The sections of a report, each a function from what is known to its HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from constitutive.elasticity import QUANTITIES, UNITS, independent_places
from constitutive.plots import Path, interactive, span, split_paths
from constitutive.plots.shapes import TITLES
from constitutive.report import facts
from constitutive.report.markup import Markup, figure, nested, table, tag
from constitutive.tensors.packing import stress_from_voigt, stress_to_voigt

if TYPE_CHECKING:
    from constitutive.audit import Audit
    from constitutive.data import StressStrainData
    from constitutive.material import Material
    from constitutive.plots import Curve

LAW, LINEAR, FREE = "learned law", "linear elasticity", "unconstrained network"
ORDERS = (2, 3)
SURFACES = {
    "youngs_modulus": "Young's modulus: the distance of the surface from the origin along n is E(n).",
    "shear_modulus": "Shear modulus of the plane across n: the smallest over all directions of shear; around it the largest.",
    "poisson_ratio": "Poisson's ratio when pulled along n: the smallest over all directions across; around it the largest.",
}


@dataclass(frozen=True)
class Known:
    """Everything that a report is made of.

    Attributes
    ----------
    material : Material
    data : StressStrainData or None
        What it was calibrated on.
    baselines : dict
        Laws to compare with, by name.
    curves : dict
        Learning curves by law.
    audit : Audit
    """

    material: Material
    data: StressStrainData | None
    audit: Audit
    baselines: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)

    @property
    def laws(self) -> dict[str, Any]:
        """The law and its baselines by name, the law first."""
        return {LAW: self.material.law, **self.baselines}

    @property
    def calibration(self) -> dict[str, Any]:
        """What the card says of the calibration."""
        found = self.material.card.get("calibration", {})
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Section:
    """A part of the page: its identity in links, its title, its HTML."""

    identity: str
    title: str
    content: list[Any]


def crystal(known: Known) -> Section | None:
    """The cell, the group and its elements."""
    group = known.material.point_group
    rows: list[tuple[Any, Any]] = [
        ("point group", f"{group.symbol} ({group.full_symbol}; {group.schoenflies})"),
        ("Laue class", f"{group.laue_class}: what a strain energy sees"),
        ("crystal system", group.crystal_system),
        ("operations", group.order),
        ("elements", tag("ul", [tag("li", element.words) for element in group.elements])),
    ]
    for order in ORDERS:
        count = len(independent_places(np.asarray(group.laue_rotations), order))
        rows.append((f"independent constants, order {order}", count))
    content: list[Any] = []
    if known.material.structure is not None:
        from constitutive.symmetry.detection import find_symmetry

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
    card = {key: value for key, value in known.material.card.items() if key != "calibration"}
    rows: dict[str, Any] = {"material": known.material.name or "unnamed", **card}
    if known.data is not None:
        rows["data set"] = {
            "samples": len(known.data),
            "held-out states": len(known.data.paths),
            "stress measure": known.data.measure,
            "settings": known.data.settings,
            "provenance": known.data.provenance,
            **{key: value for key, value in (known.data.model_extra or {}).items() if isinstance(value, str)},
        }
    return Section("provenance", "Provenance", [nested({k: v for k, v in rows.items() if v not in (None, {}, [])})])


def choice(known: Known) -> Section | None:
    """Which law was chosen, and why."""
    found = known.calibration
    if not found:
        source = str(known.material.card.get("source", "elsewhere"))
        return Section("law", "The law", [tag("p", f"The law comes from {source}; nothing was fitted to samples.")])
    candidates = sorted(found.get("candidates", {}).items(), key=lambda item: item[1])
    rows = [(tag("b", name) if name == found.get("chosen") else name, f"{100 * error:.3g} %") for name, error in candidates]
    content: list[Any] = [
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


def learning(known: Known) -> Section | None:
    """Error against the number of samples."""
    curves = known.curves or facts.stated_learning_curve(known.material)
    if not curves:
        return None
    caption = "Error on states that no law has seen, against the number of samples it was calibrated on."
    if known.curves:
        caption += (
            " The band is the range over random choices of the samples. What symmetry buys is the horizontal distance between "
            "the curves: samples."
        )
    picture = interactive.learning_curve(curves)
    return Section("learning", "Learning curve", [figure("learning-curve", picture, caption)])


def accuracy(known: Known) -> Section | None:
    """Parity and errors by strain."""
    if known.data is None:
        return None
    held_out = known.data.paths_data()
    data = known.data if held_out is None else held_out
    what = "samples that the laws were fitted to" if held_out is None else "held-out states that no law has seen"
    reference = data.stress("cauchy")
    predictions = {name: facts.cauchy(law, data.F) for name, law in known.laws.items()}
    rows = [(name, f"{_rms(p - reference):.4f}", f"{np.abs(p - reference).max():.4f}") for name, p in predictions.items()]
    captions = (
        f"Predicted against simulated Cauchy stress on {len(data)} {what}. Circles: normal components; crosses: shear.",
        "Error of the stress of each state against the size of its strain; lines are running medians.",
    )
    strain = data.green_lagrange_strain
    return Section(
        "accuracy",
        "Accuracy",
        [
            table(("law", "rms error (GPa)", "largest error (GPa)"), rows, numbers=1),
            figure("parity", interactive.parity(reference, predictions), captions[0]),
            figure("error-by-strain", interactive.error_by_strain(strain, reference, predictions), captions[1]),
        ],
    )


def along_paths(known: Known) -> Section:
    """Stress along paths, with the uncertainty of the law where it knows one."""
    held_out = None if known.data is None else known.data.paths_data()
    if known.data is not None and held_out is not None and all("path" in row for row in known.data.paths):
        names = [str(row["path"]) for row in known.data.paths]
        parameters = np.array([float(row.get("param", k)) for k, row in enumerate(known.data.paths)])
        shown, told = split_paths(names, parameters, held_out.F, held_out.stress("cauchy")), "circles are the simulation, never fitted"
    else:
        shown, told = facts.invented_paths(known.material), "there is no simulation on these lines: circles are the law's own values"
    laws: dict[str, Callable[..., np.ndarray]] = {name: _bound(law) for name, law in known.laws.items()}
    bands = _bands(known.material)
    caption = f"Stress along lines of deformation; {told}."
    content = [figure("stress-paths", interactive.paths(shown, laws, bands=bands), caption)]
    if bands and held_out is not None:
        misses = [_miss(path, laws[LAW]) for path in shown]
        nothing: dict[str, Callable[..., np.ndarray]] = {LAW: np.zeros_like}
        picture = interactive.paths(misses, nothing, bands=bands, quantity="simulation − law")
        told = "The same states on the scale of the errors: simulation minus law (circles), and the law's own 90 % interval (band)."
        content.append(figure("path-errors", picture, told))
    return Section("paths", "Stress along paths", content)


def _miss(path: Path, law: Callable[..., np.ndarray]) -> Path:
    """A path of errors: simulation minus law, in the components that the path is drawn with."""
    kept = np.zeros(6)
    kept[path.components()] = 1
    error = np.asarray(stress_to_voigt(path.stress - law(path.F))) * kept
    return Path(path.name, path.parameter, path.F, np.asarray(stress_from_voigt(error)))


def _bound(law: Any) -> Callable[..., np.ndarray]:
    return lambda F: facts.cauchy(law, F)


def _bands(material: Material) -> dict[str, Callable[..., np.ndarray]]:
    interval = facts.interval_of(material)
    return {} if interval is None else {LAW: interval}


def elastic_constants(known: Known) -> Section:
    """Constants of order 2 and 3 beside published ones."""
    sets = [facts.constants(known.material, order) for order in ORDERS]
    names = [name for found in sets for name in found.names]
    values = np.concatenate([found.values for found in sets])
    errors = facts.constant_errors(known.material, sets)
    measured = facts.published(known.material)
    sources = {name: found.values for name, found in measured.items()}
    head = ["constant", "this law (GPa)", *(["90 % interval (± GPa)"] if errors is not None else []), *sources]
    rows = []
    for k, name in enumerate(names):
        own = [f"{values[k]:.1f}"] + ([f"{errors[k]:.1f}"] if errors is not None else [])
        rows.append([name, *own, *(f"{source[name]:.6g}" if name in source else "" for source in sources.values())])
    caption = (
        "Derivatives of the strain energy by the Green–Lagrange strain at zero strain (Brugger's definition), in the standard axes "
        "of the crystal. Measured values are at room temperature; the law is as good as the simulation behind it."
    )
    origins = tag("ul", [tag("li", f"{name}: {found.source}.") for name, found in measured.items()]) if measured else ""
    picture = interactive.elastic_constants(names, values, errors, published=sources)
    return Section("constants", "Elastic constants", [figure("elastic-constants", picture, caption), table(head, rows, numbers=1), origins])


def directional(known: Known) -> Section:
    """Surfaces, sections, pole figure, averages, extremes and sound."""
    states = facts.states(known.material)
    rest, *strained = states
    spans = {quantity: span((states[name] for name in (rest, *strained[:1])), quantity) for quantity in SURFACES}
    content: list[Any] = [tag("h3", "At rest"), _solids(states[rest], spans)]
    if strained:
        told = f"The same at {strained[0]}, for a small further load; colours and axes as at rest."
        content += [tag("h3", f"At finite strain, {strained[0]}"), tag("p", told), _solids(states[strained[0]], spans, "-strained")]
    content.append(tag("h3", "At rest and at finite strain"))
    for quantity in SURFACES:
        chosen = states if quantity == "youngs_modulus" else dict(list(states.items())[:2])  # two curves each: no more than two
        told = " and ".join(name for name in chosen if name != rest) or "no other state, none is stable"
        caption = f"Sections of {TITLES[quantity]} through the coordinate planes: at rest, and for a small further load at {told}."
        content.append(figure(f"sections-{quantity.replace('_', '-')}", interactive.sections(chosen, quantity), caption))
    content += [tag("h3", "Averages and extremes"), _averages(states), _extremes(states[rest])]
    return Section("directional", "Moduli by direction", content)


def _solids(moduli: Any, spans: dict[str, tuple[float, float]], suffix: str = "") -> Markup:
    """The surfaces and the pole figure of one state, on given scales."""
    solids = []
    for quantity, caption in SURFACES.items():
        picture = interactive.surface(moduli, quantity, span=spans[quantity])
        solids.append(figure(f"surface-{quantity.replace('_', '-')}{suffix}", picture, caption))
    caption = "Young's modulus over all directions of the half sphere, equal-area projection along z."
    pole = figure(f"pole-figure{suffix}", interactive.pole_figure(moduli, span=spans["youngs_modulus"]), caption)
    return tag("div", [solids[0], pole, *solids[1:]], class_="pair")


def _averages(states: dict[str, Any]) -> Markup:
    rows = []
    for name, moduli in states.items():
        a = moduli.averages
        sound = "" if moduli.density is None else ", ".join(f"{v:.0f}" for v in moduli.sound_velocities(np.array([1.0, 0.0, 0.0])))
        rows.append(
            (
                name,
                f"{a.bulk_voigt:.1f} / {a.bulk_reuss:.1f} / {a.bulk_hill:.1f}",
                f"{a.shear_voigt:.1f} / {a.shear_reuss:.1f} / {a.shear_hill:.1f}",
                f"{a.youngs_hill:.1f}",
                f"{a.poisson_hill:.3f}",
                f"{moduli.universal_anisotropy:.3f}",
                sound,
            )
        )
    head = ("state", "bulk: Voigt / Reuss / Hill (GPa)", "shear (GPa)", "E, Hill (GPa)", "ν, Hill", "A universal", "sound along x (m/s)")
    return table(head, rows, numbers=1)


def _extremes(moduli: Any) -> Markup:
    rows = []
    for quantity in QUANTITIES:
        low, high = moduli.extremes(quantity)
        if high.value - low.value < 1e-9 * abs(high.value):
            rows.append((TITLES[quantity], f"{low.value:.5g} {UNITS[quantity]}", "everywhere", ""))
            continue
        for word, extreme in (("smallest", low), ("largest", high)):
            across = "" if extreme.across is None else _vector(extreme.across)
            rows.append((f"{word} {TITLES[quantity]}", f"{extreme.value:.5g} {UNITS[quantity]}", _vector(extreme.direction), across))
    return table(("quantity", "value", "along n", "across, m"), rows, numbers=1)


def stability(known: Known) -> Section:
    """Where the crystal is stable."""
    content: list[Any] = [
        tag(
            "p",
            "The map shows the weakest direction of the acoustic tensor, relative to rest. Where it falls to zero (solid line) a plane "
            "wave has no real speed: the law loses strong ellipticity. The dashed line is the domain of validity. Data of one unit "
            "cell say nothing of slip, cleavage or phonons of short waves; these can come first.",
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
    """Where the law may be trusted."""
    if known.material.domain is None:
        return Section("domain", "Domain of validity", [tag("p", "This material states no domain: it was not calibrated on samples.")])
    caption = "How far the domain of validity goes along simple strains; outside it the law extrapolates, and says so."
    content: list[Any] = [figure("domain-reach", interactive.domain(facts.reach(known.material)), caption)]
    if known.data is not None:
        inside = facts.inside(known.material, known.data.green_lagrange_strain)
        content.append(tag("p", f"{int(inside.sum())} of {len(inside)} samples are inside."))
    return Section("domain", "Domain of validity", content)


def audit_table(known: Known) -> Section:
    """Every promise with its figure."""
    rows = []
    for name, promise in known.audit.promises.items():
        standing = tag("span", promise.standing, class_=promise.standing.replace(" ", "-"))
        details = tag("ul", [tag("li", f"{part}: {_short(value)}") for part, value in promise.details.items()]) if promise.details else ""
        told = promise.meaning + (f": {promise.reason}" if promise.reason else "")
        rows.append((tag("b", name.replace("_", " ")), standing, (told, details), _short(promise.figure), _short(promise.limit)))
    head = ("promise", "", "compared", "figure", "limit")
    outcome = "Every promise is kept." if known.audit.passed else "Broken: " + ", ".join(known.audit.broken) + "."
    return Section("audit", "Audit", [tag("p", outcome), table(head, rows, numbers=3)])


SECTIONS: tuple[Callable[[Known], Section | None], ...] = (
    crystal,
    provenance,
    choice,
    learning,
    accuracy,
    along_paths,
    elastic_constants,
    directional,
    stability,
    domain,
    audit_table,
)


def _short(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"


def _vector(n: np.ndarray) -> str:
    return "(" + ", ".join(f"{component:.3f}" for component in np.round(n, 3) + 0.0) + ")"


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("." if text and not text.endswith(".") else "")
