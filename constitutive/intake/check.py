"""The intake check: what is wrong with a data set, found by the residual of a small series under each hypothesis."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.averages import averaged
from constitutive.data.reference_cell import reference_faults
from constitutive.fitting.polynomial_basis import LaueGroup, determined_degree, highest_degree, trivial_group
from constitutive.fitting.problem import problem_of
from constitutive.fitting.robust import RobustFit, reference_stress_error
from constitutive.intake.coupled import check_fields, has_fields
from constitutive.intake.diagnosis import (
    group_finding,
    lost_findings,
    outlier_findings,
    reading_findings,
    reference_findings,
    scale_findings,
    undetermined_reference,
)
from constitutive.intake.energies import with_energies, without_own_slope
from constitutive.intake.findings import Finding, IntakeReport, in_order
from constitutive.intake.group_test import GroupTest, group_test, problem_read
from constitutive.intake.groups import candidate_groups, declared_group, group_option, lattice_by_columns
from constitutive.intake.hypotheses import Hypothesis, reading, rotations_matter
from constitutive.intake.ions import clamped_mixture, larger_kind
from constitutive.intake.largest_group import group_residuals
from constitutive.intake.mixed_reference import mixed_reference
from constitutive.intake.offset import lab_offset
from constitutive.intake.pairing import other_pairing
from constitutive.intake.reading_fit import plain_fit, raw_samples, robust_fit
from constitutive.intake.repeated_states import repeated_states
from constitutive.intake.rotation_free import RotationFree, lost_rotation
from constitutive.intake.samples import coverage, duplicates
from constitutive.intake.search import Candidate, penalty, scan, stress_rows
from constitutive.intake.temperatures import has_several_temperatures, samples_of_one_temperature
from constitutive.tensors.packing import to_mandel

FEWEST_TO_CHECK = 4
FEW_SAMPLES = 16
MOST_SAMPLES = 160  # samples looked at; of more, an even choice
GOOD = 0.08  # residual of the plain reading below which no constant rotation and no other group is searched for
SAME_FIT = 1.5  # residual with the lattice read by columns, relative to that as given, up to which it fits as well
CERTAINTY_OF_REFERENCE_FAULT = 0.97  # of a reference cell that is no bulk crystal or of another size
POORLY_READ = 0.2  # residual of the best reading from which other pairs of strain and stress are tried
NO_READING = 0.4  # residual of the best reading above which no reading is accepted
HIGHEST_DEGREE = 6
ROUNDING = 1e-5  # residuals below which readings are not told apart
THIRD_ORDER = 10.0  # stress of third order over that of second, relative to the strain, at most: C111 / 2 C11 is 2 (Si) to 4 (Cu)
TAKEN_ON = 14  # readings fitted robustly


def check(data: StressStrainData) -> IntakeReport:
    """Find what is wrong with a data set.

    Parameters
    ----------
    data : StressStrainData
        As read from the file (``StressStrainData.load(path, plausible=False)``), samples in their order.

    Returns
    -------
    IntakeReport
        Findings in the order of importance, none for good data.
    """
    if has_fields(data):
        return check_fields(data)
    if has_several_temperatures(data):
        return _at_one_temperature(data)
    report = _Check(data).report()
    turned = lattice_by_columns(data)
    if turned is None:
        return report
    other = _Check(turned).report()
    return report if other.residual > SAME_FIT * report.residual + 1e-3 else _of_columns(other)


def _at_one_temperature(data: StressStrainData) -> IntakeReport:
    """The check of the samples at one temperature of several; a stress at F = I is thermal stress there, which such a law holds."""
    numbers, temperature = samples_of_one_temperature(data)
    report = check(data.select(numbers).replace(temperature=temperature))
    findings = tuple(
        replace(f, samples=tuple(int(numbers[k]) for k in f.samples)) for f in report.findings if f.fault != "reference_stress"
    )
    left = f"the other temperatures: the {len(numbers)} samples at {temperature:g} K were looked at"
    return replace(report, findings=findings, undecided=(*report.undecided, left))


def _of_columns(report: IntakeReport) -> IntakeReport:
    """The report on a reference cell with rows and columns exchanged, with that as its first finding."""
    cells = next((f for f in report.findings if f.fault == "transposed_cell"), None)
    message = (
        f"found a structure that has its symmetry ({report.declared_group}), as the data do, only with its lattice vectors read by "
        "columns; needed them in rows; exchange them"
    )
    mend = "--transpose-lattice" + (" --transpose-cell" if cells else "")
    rest = [f for f in report.findings if f.fault != "transposed_cell"]
    return replace(report, findings=in_order([Finding("transposed_cell", 0.97, (), message, mend), *rest]))


class _Check:
    """One run of the check: what each step found, and the fits already made."""

    def __init__(self, data: StressStrainData) -> None:
        data = with_energies(data)
        self.findings: list[Finding] = [Finding(f.fault, CERTAINTY_OF_REFERENCE_FAULT, (), f.message, "") for f in reference_faults(data)]
        self.undecided: list[str] = []
        frames = repeated_states(data)
        places: np.ndarray = np.arange(len(data))
        if frames is not None:
            self.findings.append(frames.finding(data))
            places = np.sort(np.unique(frames.label, return_index=True)[1])
            data = averaged(data)
        self.whole = data
        mixed, clamped, unknown = clamped_mixture(data)
        repeated, at_rest, distinct = duplicates(data, clamped)
        self.findings += repeated + mixed
        self.undecided += [*at_rest, *([unknown] if unknown else [])]
        weighed = np.ones(len(data), dtype=bool) if data.stress_weights is None else data.stress_weights > 0
        chosen = np.nonzero(distinct & larger_kind(clamped) & weighed)[0]
        if len(chosen) > MOST_SAMPLES:
            chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_SAMPLES).astype(int)]
        self.data = data.select(chosen)
        self.numbers = np.asarray(places)[chosen]  # in the file
        self.declared = declared_group(data)
        self.groups: dict[str, LaueGroup] = {"": self.declared or trivial_group()}
        self.fits: dict[Hypothesis, RobustFit] = {}
        self.degrees: dict[tuple[int, int], int] = {}

    def report(self) -> IntakeReport:
        declared = self.declared.symbol if self.declared else ""
        strain = self.data.green_lagrange_strain
        if len(self.data) < FEWEST_TO_CHECK or float(np.abs(strain).max()) < 1e-7:
            self.undecided.append(f"everything else: {len(self.data)} distinct strained samples, needed {FEWEST_TO_CHECK}")
            return IntakeReport(in_order(self.findings), "", declared, 0.0, {}, tuple(self.undecided))
        if any(f.fault == "reference_cell" for f in self.findings):
            self.undecided.append("everything else, until the reference cell is the undeformed one")
            return IntakeReport(in_order(self.findings), "", declared, 0.0, {}, tuple(self.undecided))
        mixed = self._mixed_reference()
        if mixed is not None:
            return mixed
        self._bring_energies_to_the_stress()
        best = self._repaired(self._without_offset(self._best_reading()))
        fit = self._fit(best)
        lost = lost_rotation(self.data, self.groups[""], fit, self._named)
        if lost is not None:
            return self._without_rotation(lost)
        steps = group_residuals(self.data, best, fit.kept, self.declared)
        test = self._test(best, fit, self.declared)
        wrong = bool(best.group) or (test is not None and test.contradicted)
        largest = steps.largest(None if wrong else self.declared, partial(self._contradicts, best, fit))
        if wrong and largest is not None:
            name = self._named(largest)
            best = self._choose([best] if best.group else [replace(best, group=name)], self._scan(name, rotations=False))
            fit = self._fit(best)
        self._judge(best, fit, test, largest)
        self._cannot_tell()
        symbol = largest.symbol if largest else ""
        return IntakeReport(in_order(self.findings), symbol, declared, fit.residual, steps.table(), tuple(self.undecided))

    def _mixed_reference(self) -> IntakeReport | None:
        """The report on samples of two reference cells; nothing else can be determined from them together."""
        if self.declared is None:
            return None
        found = mixed_reference(problem_of(self.data, self.declared.rotations))
        if found is None:
            return None
        self.findings.append(found.finding(self.numbers))
        self.undecided.append("everything else, until all samples refer to one cell")
        symbol = self.declared.symbol
        return IntakeReport(in_order(self.findings), symbol, symbol, found.misfit_of_two, {}, tuple(self.undecided))

    def _without_offset(self, best: Hypothesis) -> Hypothesis:
        """Take off a constant stress in the lab frame, if there is one, and look again."""
        group = self.groups[best.group]
        degree = self._degree(group, HIGHEST_DEGREE)
        found = lab_offset(self.data, best, group, degree, self._fit(best))
        if found is None:
            return best
        finding, self.data = found
        self.findings.append(finding)
        self.fits.clear()
        return self._best_reading()

    def _bring_energies_to_the_stress(self) -> None:
        """Take a slope of W that the stress does not have out of W."""
        plain, group = Hypothesis(), self.groups[""]
        degree = self._degree(group, 4)
        self.data, remark = without_own_slope(self.data, group, degree, robust_fit(self.data, plain, group, degree))
        self.undecided += [remark] if remark else []

    def _repaired(self, best: Hypothesis) -> Hypothesis:
        """Pair the stresses with their own samples, where they are in another order, and look again."""
        if self._fit(best).residual < POORLY_READ:
            return best
        read = reading(self.data, "given", "", "lab")
        S = np.einsum("iab,jb->ija", read.to_second[:, :6], stress_rows(self.data))
        found = other_pairing(read.x, S, self.groups[""])
        if found is None:
            return best
        self.findings.append(found.finding(self.numbers))
        stress = getattr(self.data, self.data.measure)[found.order]
        own = self.data.replace(**{self.data.measure: stress})
        trials = [own] if own.W is None else [own, own.replace(W=own.W[found.order])]  # W may go with F or with the stress
        degree = self._degree(self.groups[""], 3)
        self.data = min(trials, key=lambda data: plain_fit(data, Hypothesis(), self.groups[""], degree).residual)
        self.fits.clear()
        return self._best_reading()

    def _error(self, hypothesis: Hypothesis, fit: RobustFit) -> float:
        """Standard error of the stress at zero strain."""
        group = self.groups[hypothesis.group]
        degree = highest_degree(group, len(self.data), limit=HIGHEST_DEGREE, share=0.45)
        return reference_stress_error(raw_samples(self.data, hypothesis), group, degree, fit)

    def _test(self, best: Hypothesis, fit: RobustFit, group: LaueGroup | None) -> GroupTest | None:
        """The samples, read as is best, against a group; None where no group is declared or nothing fits."""
        if group is None or fit.residual > NO_READING or fit.size <= 0:
            return None
        offset = bool(reference_findings(fit, self._coarser(best), self._error(best, fit)))
        return group_test(problem_read(self.data, best, fit, group.rotations, offset=offset))

    def _contradicts(self, best: Hypothesis, fit: RobustFit, group: LaueGroup) -> bool:
        test = self._test(best, fit, group)
        return test is not None and test.contradicted

    def _named(self, group: LaueGroup) -> str:
        """The name of a group in the readings; a new one where it has none yet."""
        known = (name for name, other in self.groups.items() if name and other is group)
        name = next(known, None) or _unique(group.symbol, self.groups)
        self.groups[name] = group
        return name

    def _judge(self, best: Hypothesis, fit: RobustFit, test: GroupTest | None, largest: LaueGroup | None) -> None:
        self.findings += reading_findings(best, fit, self._fit, self.data)
        if best.group:
            self.findings.append(group_finding(best, fit, self._fit, test, group_option(self.whole, largest)))
        scale, undecided = scale_findings(self._with_plain_slope(best, fit), self.data, self._lacking(best))
        error = self._error(best, fit)
        self.findings += scale + self._reference(fit, self._coarser(best), error) + outlier_findings(fit, self.numbers)
        self.undecided += undetermined_reference(fit, error)
        self.undecided += undecided
        if fit.residual > NO_READING and not any(f.is_sure for f in self.findings):
            self._nothing_fits(fit)
        x = reading(self.data, best.deformation, best.measure, best.frame).x
        self._cover(x, self.groups[best.group])

    def _without_rotation(self, lost: RotationFree) -> IntakeReport:
        """The report on samples whose rotation is not that of their stress."""
        option = group_option(self.whole, lost.group) if lost.hypothesis.group else ""
        scale, undecided = scale_findings(lost.fit, self.data)
        self.findings += [*lost_findings(lost, self.data, option), *scale, *self._reference(lost.fit, lost.coarse)]
        self.findings += outlier_findings(lost.fit, self.numbers)
        self._cover(lost.x, lost.group)
        self.undecided += undecided
        self._cannot_tell()
        declared = self.declared.symbol if self.declared else ""
        return IntakeReport(in_order(self.findings), lost.group.symbol, declared, lost.fit.residual, {}, tuple(self.undecided))

    def _cover(self, x: Float[np.ndarray, "n 6"], group: LaueGroup) -> None:
        """What the strains leave open; not reported for a slab, whose stress out of its plane has no meaning."""
        if any(f.fault == "vacuum" for f in self.findings):
            return
        found, remarks = coverage(x, group)
        self.findings += found
        self.undecided += remarks

    def _nothing_fits(self, fit: RobustFit) -> None:
        few = f"; with {len(self.data)} samples no more can be determined" if len(self.data) < FEW_SAMPLES else ""
        message = (
            f"found a stress that follows from no energy of the strain, however it is read (residual {fit.residual:.2g}); needed F and the "
            f"stress of the same states of one crystal; check that samples are paired, and F against its reference cell{few}"
        )
        self.findings.append(Finding("objectivity", 0.6, (), message, ""))

    def _reference(self, fit: RobustFit, coarse: RobustFit, error: float = 0.0) -> list[Finding]:
        """The stress of the reference cell, unless one was found already."""
        known = any(f.fault == "reference_stress" for f in self.findings)
        return [] if known else reference_findings(fit, coarse, error)

    def _degree(self, group: LaueGroup, limit: int) -> int:
        """The highest power of the strain that the samples determine under a group."""
        key = (id(group), limit)
        if key not in self.degrees:
            self.degrees[key] = determined_degree(group, to_mandel(self.data.green_lagrange_strain), limit=limit, share=0.45)
        return self.degrees[key]

    def _compared(self, hypothesis: Hypothesis) -> float:
        """The residual by which readings are compared: of a series of degree 2, at least what the terms of third order that it lacks make.

        A transposed F and another stress measure change the stress by such terms only.
        """
        return max(self._fit(hypothesis).residual, self._lacking(hypothesis), ROUNDING)

    def _with_plain_slope(self, best: Hypothesis, fit: RobustFit) -> RobustFit:
        """The fit with ΣW / Σ½ S:E for the ratio of W to the work of the stress, where a series of degree 2 gives a ratio farther from one.

        Strains of one size have energies of one size, whose differences are of third order.
        """
        samples = raw_samples(self.data, best)
        if samples.energy is None or not self._lacking(best) or not np.isfinite(fit.slope):
            return fit
        work = float(np.einsum("ni,ni->", samples.stress[:, :6], samples.x)) / 2
        ratios = (fit.slope, float(samples.energy.sum()) / (work or 1e-300))
        sign = np.sign(fit.stiffness)
        return replace(fit, slope=min(ratios, key=lambda ratio: abs(np.log(ratio * sign)) if ratio * sign > 0 else np.inf))

    def _lacking(self, hypothesis: Hypothesis) -> float:
        """Relative size of the terms of third order, where the series is of degree 2."""
        if self._degree(self.groups[hypothesis.group], HIGHEST_DEGREE) > 2:
            return 0.0
        return THIRD_ORDER * float(np.sqrt((self.data.green_lagrange_strain**2).sum((1, 2)).mean()))

    def _fit(self, hypothesis: Hypothesis) -> RobustFit:
        if hypothesis not in self.fits:
            group = self.groups[hypothesis.group]
            degree = self._degree(group, HIGHEST_DEGREE)
            self.fits[hypothesis] = robust_fit(self.data, hypothesis, group, degree)
        return self.fits[hypothesis]

    def _coarser(self, hypothesis: Hypothesis) -> RobustFit:
        """The fit one degree lower: how much what it finds depends on the degree."""
        group = self.groups[hypothesis.group]
        return robust_fit(self.data, hypothesis, group, max(self._degree(group, HIGHEST_DEGREE) - 1, 2))

    def _best_reading(self) -> Hypothesis:
        plain = Hypothesis()
        candidates = self._scan("", rotations=False)
        best = self._choose([plain], candidates)
        if self._fit(best).residual < GOOD:
            return best
        best = self._choose([plain, best], self._scan("", rotations=True))
        if self._fit(best).residual < GOOD / 2:
            return best
        return self._other_groups(best)

    def _other_groups(self, best: Hypothesis) -> Hypothesis:
        """Readings without the declared group, where these fit much better."""
        if self.declared is None or len(self.data) < FEW_SAMPLES:
            return best
        plain = self._choose([best, *self._plain_groups()], [])
        if plain.group or self._fit(plain).residual < GOOD:
            return plain
        return self._choose([plain], self._scan("-1", rotations=True))

    def _plain_groups(self) -> list[Hypothesis]:
        """The plain reading under the candidate groups that fit it best."""
        self.groups["-1"] = trivial_group()
        names = ["-1"]
        for group in candidate_groups(self.data):
            names.append(self._named(group))
        return sorted((Hypothesis(group=name) for name in names), key=self._quick)[:6]

    def _quick(self, hypothesis: Hypothesis) -> float:
        group = self.groups[hypothesis.group]
        degree = self._degree(group, 4)
        return plain_fit(self.data, hypothesis, group, degree).residual

    def _scan(self, name: str, *, rotations: bool) -> list[Candidate]:
        group = self.groups[name]
        degree = self._degree(group, 4)
        return scan(self.data, group, degree, name=name, rotations=rotations)

    def _choose(self, given: list[Hypothesis], candidates: list[Candidate]) -> Hypothesis:
        """The best of some readings by their robust fits, each with its penalty."""
        kinds: dict[tuple, Hypothesis] = {}
        for candidate in candidates:
            kinds.setdefault(candidate.hypothesis.faults, candidate.hypothesis)
        pool = dict.fromkeys([*given, *(c.hypothesis for c in candidates[:TAKEN_ON]), *list(kinds.values())[:TAKEN_ON]])
        return min(pool, key=lambda h: self._compared(h) * penalty(h))

    def _cannot_tell(self) -> None:
        if not rotations_matter(self.data):
            self.undecided.append("transposed F and objectivity: every F is symmetric, so that neither can show")
        if self.data.lattice is None:
            self.undecided.append("transposed cell and LAMMPS's frame: the data hold no reference cell")
        if self.declared is None:
            self.undecided.append("group: neither a structure nor a point group is declared")


def _unique(symbol: str, taken: dict[str, LaueGroup]) -> str:
    """A name for a group that is not yet used: the symbol, with primes for other orientations of the same class."""
    while symbol in taken:
        symbol += "'"
    return symbol
