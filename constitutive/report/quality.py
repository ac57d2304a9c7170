"""How good a law is: learning curve, accuracy, stress along paths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from constitutive.laws import Law
from constitutive.plots import Path, interactive, split_paths
from constitutive.report import facts
from constitutive.report.known import LAW, Known, Section
from constitutive.report.markup import Content, figure, table


def learning(known: Known) -> Section | None:
    """Error against the number of samples."""
    curves = known.curves or facts.stated_learning_curve(known.material)
    if not curves:
        return None
    caption = "Error on states that no law has seen, against the number of samples it was calibrated on."
    if not known.curves:
        caption += (
            " From the card: below all samples, one fit of the chosen kind from one start, on the samples not drawn; a calibration of as "
            "many samples makes a mean of networks, which errs less, as the point of all samples shows. Give the data to calibrate at each "
            "size."
        )
    else:
        caption += (
            " The band is the range over random choices of the samples. What symmetry buys is the horizontal distance between "
            f"the curves: samples. {known.curves_note}"
        )
    picture = interactive.learning_curve(curves)
    return Section("learning", "Learning curve", [figure("learning-curve", picture, caption)])


def accuracy(known: Known) -> Section | None:
    """Parity and errors by strain."""
    if known.data is None:
        return None
    data = known.data if known.held_out is None else known.held_out
    what = "samples that the laws were fitted to" if known.held_out is None else "held-out states that no law has seen"
    reference = data.stress("cauchy")
    predictions = {name: facts.cauchy(law, data.F) for name, law in known.laws.items()}
    rows = [(name, f"{_rms(p - reference):.4f}", f"{np.abs(p - reference).max():.4f}") for name, p in predictions.items()]
    captions = (
        f"Predicted against simulated Cauchy stress on {len(data)} {what}. Circles: normal components; crosses: shear.",
        f"Error of the Cauchy stress on these {len(data)} states against the size of their strain; lines are running medians.",
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
    """Stress along paths, with the uncertainty of the law where it has one."""
    shown, simulated = _paths(known)
    laws: dict[str, Callable[..., np.ndarray]] = {name: _bound(law) for name, law in known.laws.items()}
    interval = facts.interval_of(known.material)
    states = "circles are the simulation, never fitted" if simulated else "there is no simulation on these lines"
    band = "" if interval is None else " The band around the law is its own 90 % interval."
    caption = f"Cauchy stress along lines of deformation; {states}.{band} Of components that are equal one is drawn."
    picture = interactive.paths(shown, laws, bands={} if interval is None else {LAW: interval})
    content: list[Content] = [figure("stress-paths", picture, caption)]
    if interval is not None and simulated:
        caption = "The same states on the scale of the errors: simulation minus law, each component with the law's own 90 % interval."
        content.append(figure("path-errors", interactive.path_errors(shown, laws[LAW], interval), caption))
    return Section("paths", "Stress along paths", content)


def _paths(known: Known) -> tuple[list[Path], bool]:
    """Paths of the data where they are named there, else lines through the domain without a simulation."""
    held_out = None if known.data is None else known.data.paths_data()
    if known.data is None or held_out is None or not all("path" in row for row in known.data.paths):
        return facts.invented_paths(known.material), False
    names = [str(row["path"]) for row in known.data.paths]
    parameters = np.array([float(row.get("param", k)) for k, row in enumerate(known.data.paths)])
    return split_paths(names, parameters, held_out.F, held_out.stress("cauchy")), True


def _bound(law: Law) -> Callable[..., np.ndarray]:
    return lambda F: facts.cauchy(law, F)


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))
