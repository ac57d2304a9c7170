"""From the best reading of a file to findings: certainty, samples concerned, and the option that corrects the fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import ndtr

from constitutive.data import StressStrainData
from constitutive.data.checks import where
from constitutive.fitting.robust import RobustFit
from constitutive.intake.findings import HARMLESS, Finding, few_outliers
from constitutive.intake.group_test import GroupTest
from constitutive.intake.hypotheses import KNOWN_ORDERS, Hypothesis, order_text
from constitutive.intake.rotation_free import RotationFree
from constitutive.tensors.components import six_text
from constitutive.tensors.packing import from_mandel
from constitutive.units import EV_PER_CUBIC_ANGSTROM, PRESSURE_UNITS, pressure_factor

TYPICAL_STIFFNESS = 150.0  # GPa
TYPICAL_ATOMIC_STIFFNESS = 12.0  # eV: stiffness times volume per atom, 1.5 (Cs) to 60 (Os)
IMPLAUSIBLE = np.log(12.0)  # factor from the typical value beyond which a unit is wrong without further evidence
UNTESTED = 0.85  # highest certainty that a group is wrong which the group test does not rule out
SAME_UNIT = 0.12
LARGEST_ERROR = 0.1  # error of the stress at zero strain relative to the rms stress, above which it is not reported
KNOWN_UNIT = 0.08  # relative distance within which a ratio of units is recognised
COMMON_UNITS = ("GPa", "kbar", "MPa", "Pa", "bar", "atm", "eV/angstrom^3", "Ry/bohr^3", "Ha/bohr^3", "Mbar")


def certainty_of(ratio: float) -> float:
    """Certainty of a reading whose residual is `ratio` times smaller than without the fault: 0.5 at 1.6, 0.9 at 2.9.

    Parameters
    ----------
    ratio : float
        At least 1.

    Returns
    -------
    float
    """
    return float(np.clip(1 - np.exp(-1.2 * (ratio - 1)), 0.0, 0.999))


def reading_findings(best: Hypothesis, fit: RobustFit, fit_of: Callable[[Hypothesis], RobustFit], data: StressStrainData) -> list[Finding]:
    """One finding for each fault of the best reading but that of the group.

    Parameters
    ----------
    best : Hypothesis
    fit : RobustFit
        Of the best reading.
    fit_of : callable
        Fit of another reading.
    data : StressStrainData

    Returns
    -------
    list of Finding
    """
    found = []
    for fault in best.faults:
        if fault == "wrong_group":
            continue
        ratio = fit_of(best.without(fault)).residual / fit.residual
        message, mend = _describe(fault, best, data)
        message = f"found a residual {ratio:.3g} times smaller ({fit.residual:.2g}) {message}"
        found.append(Finding(fault, certainty_of(ratio), (), message, mend))
    return found


def group_finding(
    best: Hypothesis, fit: RobustFit, fit_of: Callable[[Hypothesis], RobustFit], test: GroupTest | None, option: str
) -> Finding:
    """The evidence against the declared group: the group test, which alone makes it certain; else how much better others fit.

    Parameters
    ----------
    best : Hypothesis
    fit : RobustFit
        Of the best reading.
    fit_of : callable
        Fit of another reading.
    test : GroupTest, optional
    option : str
        Of ``constitutive convert``, that declares the right group.

    Returns
    -------
    Finding
    """
    if test is not None and test.contradicted:
        return test.finding(option)
    ratio = fit_of(best.without("wrong_group")).residual / fit.residual
    message = (
        f"found a residual {ratio:.3g} times smaller ({fit.residual:.2g}) without assuming the declared group, under {best.group}; "
        "needed data of one crystal in the frame of its structure; give the right group or structure"
    )
    return Finding("wrong_group", min(certainty_of(ratio), UNTESTED), (), message, option)


def lost_findings(lost: RotationFree, data: StressStrainData, option: str) -> list[Finding]:
    """That the rotation is lost, and the faults that energy and principal stresses show besides.

    Parameters
    ----------
    lost : RotationFree
    data : StressStrainData
    option : str
        Of ``constitutive convert``, that declares the right group.

    Returns
    -------
    list of Finding
    """
    message = (
        f"found principal stresses that follow the strain (to {lost.fit.stress:.2g}) with axes that do not: the rotation in F is not the "
        "one in the stress; needed F and the stress of one and the same state; take both from the code's output"
    )
    found = [Finding("objectivity", 0.92, (), message, "")]
    for fault, gain in lost.gains.items():
        if fault == "wrong_group":
            text, mend = f"without assuming the declared group, under {lost.group.symbol}; needed data of one crystal", option
        else:
            text, mend = _describe(fault, lost.hypothesis, data)
        message = f"found energies and principal stresses {gain:.3g} times closer {text}"
        found.append(Finding(fault, min(certainty_of(gain), UNTESTED), (), message, mend))
    return found


def _describe(fault: str, best: Hypothesis, data: StressStrainData) -> tuple[str, str]:
    if fault == "transposed_deformation_gradient":
        return "with F transposed; needed F[i, j] = dx_i/dX_j; exchange its rows and columns", "--transpose-f"
    if fault == "transposed_cell":
        return "with the cells read by columns; needed lattice vectors in rows; exchange them", "--transpose-cell"
    if fault == "component_order":
        order = order_text(best.order)
        known = f" ({KNOWN_ORDERS[order]})" if order in KNOWN_ORDERS else ""
        return f"with the stress in the order {order}{known}; needed xx yy zz yz xz xy; reorder it", f"--order '{order}'"
    if fault == "stress_frame":
        return _describe_frame(best)
    if fault == "objectivity":
        text = "with a stress that turns with the crystal (R of F = R U); the stress as given does not follow the rotation in F"
        return f"{text}; needed both in one lab frame; turn it", "--stress-frame corotational"
    return f"reading the stress as {best.measure}; declared is {data.measure}; relabel it", f"--measure {best.measure}"


def _describe_frame(best: Hypothesis) -> tuple[str, str]:
    if best.frame == "lammps":
        text = "with the stress turned back from LAMMPS's frame (first cell vector along x, second in the xy plane)"
        return f"{text}; needed the frame of F; turn it", "--stress-frame lammps"
    from scipy.spatial.transform import Rotation  # deferred: SciPy's geometry takes 0.2 s to import

    vector = np.array(best.rotation)
    degrees = np.degrees(np.linalg.norm(vector))
    numbers = ",".join(f"{v:.5f}" for v in Rotation.from_rotvec(vector).as_matrix().ravel())
    text = f"with the stress turned by {degrees:.2f}° about [{', '.join(f'{v:.2f}' for v in vector / np.linalg.norm(vector))}]"
    return f"{text}; needed the frame of F; turn it back", f"--stress-frame {numbers}"


# --- unit and sign ---


def scale_findings(fit: RobustFit, data: StressStrainData, lacking: float = 0.0) -> tuple[list[Finding], list[str]]:
    """Sign and unit of the stress and of W; and what cannot be determined about them.

    Parameters
    ----------
    fit : RobustFit
    data : StressStrainData
    lacking : float
        Relative size of terms that the fit is too short for, by which W may differ from its prediction.

    Returns
    -------
    findings : list of Finding
    undecided : list of str
    """
    if fit.residual > 0.5:
        return [], ["unit and sign: no reading of the data fits well enough"]
    found, undecided = [], []
    ratio = fit.slope
    if fit.stiffness < 0:
        message = f"found compression growing under stretch (stiffness {fit.stiffness:.3g} GPa); needed tension positive; turn the sign"
        found.append(Finding("sign", 0.99, (), message, "--sign pressure"))
        ratio = -ratio
    if np.isnan(ratio):
        undecided.append("unit by energy: the data hold no W; only the magnitude of the stress was judged")
    elif fit.energy > 0.6:
        undecided.append("unit by energy: W does not follow the strain")
        ratio = float("nan")
    elif ratio < 0:
        message = "found W falling under strain, against the work of the stress; needed energy relative to F = I; turn its sign"
        found.append(Finding("sign", 0.97, (), message, "--energy-sign"))
        ratio = -ratio
    return found + _unit_findings(abs(fit.stiffness), ratio, fit, data, lacking), undecided


def _unit_findings(stiffness: float, ratio: float, fit: RobustFit, data: StressStrainData, lacking: float) -> list[Finding]:
    off = 0.0 if np.isnan(ratio) or ratio <= 0 else abs(np.log(ratio))
    if off > SAME_UNIT + 2 * fit.energy + lacking:
        return [_inconsistent(stiffness, ratio, data)]
    distance = _implausibility(stiffness, data)
    if distance < IMPLAUSIBLE:
        return []
    unit = min(_readings(data), key=lambda u: _implausibility(stiffness * _factor(u, data, "stress"), data))
    message = (
        f"found a stiffness of {stiffness:.3g} GPa, {np.exp(distance):.3g} times off the typical one; "
        f"needed the unit that the numbers are in; {_named(unit)} would be usual"
    )
    certainty = float(np.clip(0.75 + 0.3 * (distance - IMPLAUSIBLE), 0, 0.99))
    both = "" if data.W is None or unit in AS_EV else f" --energy-unit {unit}"
    return [Finding("unit", certainty, (), message, f"--unit {_option(unit, data)}{both}")]


# Units that were taken for eV/Å³, the unit that ASE's formats should hold: the factor to GPa of what is in a data set then.
AS_EV: Mapping[str, float] = {
    f"{unit} taken for eV/angstrom^3": pressure_factor(unit) / EV_PER_CUBIC_ANGSTROM for unit in ("kbar", "GPa", "bar", "MPa", "Pa")
}


def _readings(data: StressStrainData) -> tuple[str, ...]:
    """Units in which the stress may be: those taken for eV/Å³ where the data come from a format of ASE."""
    provenance = data.provenance if isinstance(data.provenance, dict) else {}
    of_ase = bool({"extxyz", "traj"} & set(provenance.get("formats", ())))
    return tuple(AS_EV) if of_ase else COMMON_UNITS


def _named(unit: str) -> str:
    source = unit.split(" taken for ")[0]
    return f"{unit} (convert the source again with --unit {source})" if unit in AS_EV else unit


def _option(unit: str, data: StressStrainData) -> str:
    """The value of --unit for the data set as it is."""
    if unit not in AS_EV:
        return unit
    return f"'{AS_EV[unit] * pressure_factor(_declared_unit(data, 'stress')):.8g} GPa'"


def _implausibility(stiffness: float, data: StressStrainData) -> float:
    """Distance of a stiffness in GPa from a crystal's typical one, as a logarithm; per atom where there is a structure.

    Without a structure the samples may be of a lattice of beams or a foam, as soft as it likes: then only hardness is judged.
    """
    if data.species is None or data.reference_volume is None:
        return max(0.0, float(np.log(max(stiffness, 1e-300) / TYPICAL_STIFFNESS)))
    atomic = stiffness * data.reference_volume / len(data.species) / EV_PER_CUBIC_ANGSTROM
    return abs(np.log(max(atomic, 1e-300) / TYPICAL_ATOMIC_STIFFNESS))


def _declared_unit(data: StressStrainData, quantity: str) -> str:
    units = data.units if isinstance(data.units, dict) else {"stress": data.units}
    return units.get(quantity, units["stress"])


def _factor(unit: str, data: StressStrainData, quantity: str) -> float:
    if unit in AS_EV:
        return AS_EV[unit]
    return pressure_factor(unit) / pressure_factor(_declared_unit(data, quantity))


def _inconsistent(stiffness: float, ratio: float, data: StressStrainData) -> Finding:
    """Stress and W disagree by `ratio`: which of the two, and which unit it is in."""
    stress_wrong = _implausibility(stiffness, data) > _implausibility(stiffness * ratio, data)
    quantity, factor = ("stress", ratio) if stress_wrong else ("W", 1 / ratio)
    candidates = {unit: _factor(unit, data, quantity) for unit in PRESSURE_UNITS}
    if quantity == "stress":
        candidates |= AS_EV
    if quantity == "W" and data.reference_volume is not None and data.species is not None:
        own = pressure_factor(_declared_unit(data, "W"))
        candidates["eV/cell"] = EV_PER_CUBIC_ANGSTROM / data.reference_volume / own
        candidates["eV/atom"] = EV_PER_CUBIC_ANGSTROM / (data.reference_volume / len(data.species)) / own
    unit = min(candidates, key=lambda u: abs(np.log(candidates[u] / factor)))
    known = abs(np.log(candidates[unit] / factor)) < KNOWN_UNIT
    named = f"the {quantity} is probably in {_named(unit)}" if known else "no common unit explains it"
    message = f"found W {ratio:.4g} times the energy that belongs to the stress; needed 1; {named}"
    option = "--unit" if quantity == "stress" else "--energy-unit"
    certainty = 0.97 if known else float(np.clip(0.5 + abs(np.log(ratio)), 0.5, 0.93))
    return Finding("unit", certainty, (), message, f"{option} {_option(unit, data)}" if known else "")


# --- what is left in the samples ---


def reference_findings(fit: RobustFit, coarse: RobustFit, error: float = 0.0) -> list[Finding]:
    """A stress in the reference cell larger than one hundredth of the rms stress, where the data determine it.

    Parameters
    ----------
    fit, coarse : RobustFit
        Of the best reading, and with a series of one degree less: the difference is part of the error.
    error : float
        Standard error of the stress at F = I (GPa), see `reference_stress_error`.

    Returns
    -------
    list of Finding
    """
    S0 = np.asarray(from_mandel(fit.reference_stress))
    ratio = float(np.linalg.norm(S0)) / fit.size
    moved = float(np.linalg.norm(fit.reference_stress - coarse.reference_stress)) / fit.size
    noise = max(fit.stress, min(moved, fit.stress * 2)) / 2
    if ratio < 0.01 or ratio < 4 * noise or fit.residual > 0.5 or ratio * fit.size < 3 * error or error > LARGEST_ERROR * fit.size:
        return []
    message = (
        f"found a stress of ({six_text(S0)}) GPa (xx yy zz yz xz xy) at F = I, known to {max(error, noise * fit.size):.2g} GPa, "
        f"{100 * ratio:.2g} % of the rms stress; needed at most 1 %; "
        "relax the reference cell, take it off, or state whether to keep it (calibrate --residual-stress keep|remove)"
    )
    certainty = certainty_of(1 + min((ratio - 0.005) / 0.005, ratio / max(noise, 1e-12) / 2))
    if error > 0:
        certainty = min(certainty, float(ndtr((ratio - 0.005) * fit.size / error)))
    return [Finding("reference_stress", certainty, (), message, "--remove-reference-stress crystal")]


def undetermined_reference(fit: RobustFit, error: float) -> list[str]:
    """That the samples do not determine the stress at zero strain.

    Parameters
    ----------
    fit : RobustFit
    error : float
        Standard error of the stress at F = I (GPa).

    Returns
    -------
    list of str
        Empty where they do.
    """
    if error <= LARGEST_ERROR * fit.size or fit.residual > 0.5:
        return []
    known = f"known to {error:.2g} GPa only" if np.isfinite(error) else "not determined"
    return [f"the stress at zero strain: {known} (rms stress {fit.size:.3g} GPa), no sample being near the unstrained cell; add that cell"]


def outlier_findings(fit: RobustFit, numbers: np.ndarray) -> list[Finding]:
    """Samples left out by the robust fit.

    A few are never a certain fault: the robust loss of the calibration leaves them out too, and they may be correct (another phase).

    Parameters
    ----------
    fit : RobustFit
    numbers : int array
        Of the samples in the file.

    Returns
    -------
    list of Finding
    """
    left_out = np.nonzero(~fit.kept)[0]
    if not left_out.size or fit.residual > 0.5:
        return []
    worst = left_out[np.argsort(-fit.deviations[left_out])]
    typical = float(np.median(fit.deviations[fit.kept]))
    samples = numbers[np.sort(left_out)]
    message = (
        f"found samples {where(numbers[worst])} off the rest, by up to {fit.deviations[worst[0]]:.2g} of their "
        f"stress (typical {typical:.1g}); "
        "needed runs like the others; recompute or drop them"
    )
    certainty = certainty_of(float(fit.deviations[worst[0]]) / max(8 * typical, 0.03) * 1.3)
    if few_outliers(len(samples), len(fit.kept)):
        certainty = min(certainty, HARMLESS)
    return [Finding("outliers", certainty, tuple(int(i) for i in samples), message, "--drop " + ",".join(str(int(i)) for i in samples))]
