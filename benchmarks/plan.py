"""What a plan is worth: constants beside finite differences, laws of planned strains beside random ones, laws improved by their posterior.

--stop prints the error that `build` stops by beside the true one.

    ./dev python benchmarks/plan.py [--constants] [--laws] [--improve] [--stop] [--crystals silicon_sw copper]
        [--samples 20 50 200] [--seeds 5] [--unseen 600] [--effort quick] [--picture FILE]

--picture draws the samples that --improve finds. Stresses are computed by LAMMPS with the potentials of the sets in materials/. Without an
option all tables are printed.
"""

import argparse
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from make_sets import POTENTIALS, make, random_deformations, relaxed_stress

from constitutive import calibrate, shipped
from constitutive.data import StressStrainData
from constitutive.elasticity.constants import elastic_constants, independent_places, name_of
from constitutive.fitting import PolynomialBasis
from constitutive.kinematics import second_piola_from_cauchy
from constitutive.planning import Ball, make_plan, next_strains, stretch_of
from constitutive.plots.style import BLUE, MUTED, ORANGE, new_figure, styled
from constitutive.simulate.building import error_of
from constitutive.simulate.reference import relax_reference
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

POTENTIAL = {
    "silicon_sw": ("sw", "Si.sw", ["Si"]),
    "copper": ("eam/alloy", "Cu_mishin1.eam.alloy", ["Cu"]),
    "silicon_carbide": ("vashishta", "SiC.vashishta", ["Si", "C"]),
    "gallium_nitride": ("sw", "GaN.sw", ["Ga", "N"]),
    "magnesium": ("eam/fs", "Mg_mm.eam.fs", ["Mg"]),
    "quartz": ("vashishta", "SiO.1990.vashishta", ["Si", "O"]),
}
ALLOYS = {  # ordered alloys by ASE's EMT: species, cell and places before the relaxation
    "copper_gold": ("CuAu", np.diag([2.8, 2.8, 3.6]), [[0, 0, 0], [0.5, 0.5, 0.5]]),  # L1_0, 4/mmm
    "copper_platinum": ("CuPt", 3.8 * np.array([[0.5, 0.5, 1], [1, 0.5, 0.5], [0.5, 1, 0.5]]), [[0, 0, 0], [0.5, 0.5, 0.5]]),  # L1_1, -3m
    "copper_platinum_2": (  # MoPt2 type, mmm
        "CuPt2",
        np.array([[2.75, 0, 0], [0, 8.2, 0], [1.375, 4.1, 1.9]]),
        [[0, 0, 0], [0, 1 / 3, 0], [0, 2 / 3, 0]],
    ),
}
STEP = 2e-3  # of the differences: at half of it the splines of the copper potential show, at three times the fifth order
SIZE = 0.10  # |E| of the laws' domain


@cache
def crystal(name):
    """Structure and settings of `make` of a shipped crystal, or of an alloy relaxed by EMT."""
    if name in ALLOYS:
        formula, cell, places = ALLOYS[name]
        atoms = Atoms(formula, cell=cell, scaled_positions=places, pbc=True, calculator=EMT())
        return relax_reference(atoms).structure, "emt", "", []
    style, file, elements = POTENTIAL[name]
    structure = StressStrainData.load(shipped(name) / "data.json").structure
    return structure, style, str(POTENTIALS / file), elements


def stresses(name, x):
    """Second Piola–Kirchhoff stresses (Mandel, GPa) at strains (Mandel)."""
    settings = crystal(name)
    F = stretch_of(x)
    sigma = np.array([relaxed_stress(settings[0], one, *settings[1:])[0] for one in F])
    return np.asarray(to_mandel(second_piola_from_cauchy(F, sigma)))


def by_differences(name, places):
    """Third-order constants C_IJK = ∂²S_I/∂E_J∂E_K by central differences in engineering strains (GPa), and the number of runs."""
    scale = np.array([1, 1, 1, 2, 2, 2]) ** 0.5  # Mandel per Voigt: stress divides, strain e_J = 2 E_ij for shears
    found, runs = {}, 0
    for place in places:
        i, j, k = place
        steps = np.array([[a, b] for a in (1, -1) for b in (1, -1)])
        x = np.zeros((4, 6))
        x[:, j] += steps[:, 0] * STEP / scale[j]
        x[:, k] += steps[:, 1] * STEP / scale[k]
        S = stresses(name, x)[:, i] / scale[i]
        runs += 4
        found[name_of(place)] = (S[0] - S[1] - S[2] + S[3]) / (4 * STEP**2)
    return found, runs


def by_plan(name, places):
    """The same from the planned strains, by a series of degree 2 to 5 with a free reference stress, and the number of runs."""
    structure = crystal(name)[0]
    rotations = PointGroup.from_structure(structure).laue_rotations
    plan = make_plan(structure, constants=3)
    x = np.asarray(to_mandel(plan.green_lagrange_strain))
    S = stresses(name, x)
    basis = PolynomialBasis(rotations, (2, 3, 4, 5), plan.size)
    A = basis(x[1:]).reshape(-1, len(basis.degree_of_column))
    law = basis.law(np.linalg.lstsq(A, (S[1:] - S[0]).ravel(), rcond=None)[0], 1.0)
    table = elastic_constants(law, 3)
    return {name_of(place): float(table[place]) for place in places}, len(plan) - 1


def constants(names):
    """Print third-order constants by differences and by plan."""
    for name in names:
        places = independent_places(PointGroup.from_structure(crystal(name)[0]).laue_rotations, 3)
        exact, many = by_differences(name, places)
        planned, few = by_plan(name, places)
        print(f"{name}: {many} runs of finite differences, {few} planned runs and the reference")
        for key, value in exact.items():
            print(f"  {key}  {value:10.1f}  {planned[key]:10.1f}  {100 * (planned[key] / value - 1):+6.2f} %")


SIZES = (8, 12, 16, 20, 26, 32, 40, 50, 64, 80, 100, 130, 160)  # samples of the first plan and after each batch
GOALS = (0.01, 0.003)


def true_error(law, ahead):
    """Relative error of S at unseen strains."""
    wanted = ahead.stress("second_piola_kirchhoff")
    return float(np.linalg.norm(law.second_piola_kirchhoff(ahead.F) - wanted) / np.linalg.norm(wanted))


def improve_curves(names, seeds, unseen, effort, picture=None):
    """Print errors by number of samples of laws improved by their posterior and of laws of random strains, and the samples they take."""
    shares, needs = [], {}
    for name in names:
        structure, style, file, elements = crystal(name)
        ahead = make(structure, random_deformations(unseen, SIZE, np.random.default_rng(10_000)), style, file, elements, name)
        need = []
        for seed in range(seeds):
            F = {
                "improved": make_plan(structure, SIZES[0], size=SIZE, seed=seed).F,
                "random": random_deformations(SIZES[-1], SIZE, np.random.default_rng(seed)),
            }
            found = {kind: learning_curve(name, kind, given, ahead, effort, seed) for kind, given in F.items()}
            need.append(print_curves(name, seed, found))
        median = np.nanmedian(need, axis=0)
        shares.append(median[0] / median[1])
        each = zip(GOALS, *median, strict=True)
        texts = (f"{100 * goal:g} % takes {a:.0f} samples improved, {b:.0f} random: {a / b:.2f}" for goal, a, b in each)
        title = f"{structure.composition.reduced_formula} ({PointGroup.from_structure(structure).laue_class})"
        needs[title] = median
        print(f"{title}: {'; '.join(texts)}", flush=True)
    middle = zip(GOALS, np.nanmedian(shares, axis=0), strict=True)
    print("median share of the samples over the crystals:", *(f"{100 * goal:g} % {share:.2f}" for goal, share in middle))
    if picture:
        improvement(needs).savefig(picture, dpi=200)


@styled
def improvement(needs):
    """Samples that each goal takes, improved and random: rows of crystals, given as arrays (2 kinds, goals)."""
    drawing = new_figure(6.7, 0.7 + 0.38 * len(needs))
    drawing.subplots(1, len(GOALS))
    places = np.arange(len(needs))[::-1]
    for k, (axes, goal) in enumerate(zip(drawing.axes, GOALS, strict=True)):
        improved, random = (np.array([need[kind][k] for need in needs.values()]) for kind in range(2))
        axes.hlines(places, improved, random, color=MUTED)
        axes.plot(improved, places, "o", color=BLUE, label="planned, then improved")
        axes.plot(random, places, "s", color=ORANGE, label="random, |E| uniform")
        axes.set(title=f"Samples for an error of {100 * goal:g} %", xlabel="samples", xlim=(0, None), ylim=(-0.6, len(needs) - 0.4))
        axes.set_yticks(places, list(needs) if k == 0 else [])
    drawing.axes[0].legend(loc="upper right")
    return drawing


def learning_curve(name, kind, F, ahead, effort, seed):
    """Errors by number of samples until the last goal is met."""
    structure, style, file, elements = crystal(name)
    data = make(structure, F if kind == "improved" else F[: SIZES[0]], style, file, elements, name)
    errors = {}
    for count, following in zip(SIZES, (*SIZES[1:], None), strict=True):
        law = calibrate(data, effort=effort, allow=("error", "wrong_group"), seed=seed)
        errors[count] = true_error(law, ahead)
        if following is None or errors[count] <= GOALS[-1]:
            return errors
        if kind == "random":
            more = F[count:following]
        else:
            x = np.asarray(to_mandel(data.green_lagrange_strain))
            more = stretch_of(next_strains(law, x, following - count, region=Ball(SIZE), seed=seed + count).x)
        new = make(structure, more, style, file, elements, name)
        data = data.replace(F=np.concatenate([data.F, more]), cauchy=np.concatenate([data.cauchy, new.cauchy]))
    return errors


def samples_for(errors, goal):
    """Samples at which the error first falls below a goal, on straight lines between double logarithms; NaN where it does not."""
    counts = list(errors)
    for before, after in pairwise(counts):
        if errors[after] <= goal:
            if errors[before] <= goal:
                return float(before)
            part = np.log(errors[before] / goal) / np.log(errors[before] / errors[after])
            return float(before * (after / before) ** part)
    return float(counts[0]) if errors[counts[0]] <= goal else np.nan


def print_curves(name, seed, found):
    """Errors by number of samples; the samples that each goal takes, improved and random."""
    print(f"{name}, seed {seed}: samples, error of S (%)", flush=True)
    for kind, errors in found.items():
        print(f"  {kind:8s}", *(f"{count}: {100 * error:.3f}" for count, error in errors.items()))
    need = [[samples_for(found[kind], goal) for goal in GOALS] for kind in ("improved", "random")]
    print("  samples for", *(f"{100 * g:g} %: {a:.0f} and {b:.0f};" for g, a, b in zip(GOALS, *need, strict=True)), flush=True)
    return need


FIRST, GROWTH, MOST = 20, 0.5, 120  # samples as `build` takes them
TARGETS = (0.01, 0.003)


def stops(names, seeds, unseen, effort):
    """Print the error by which `build` stops, that at samples left out, and the true one, after each batch and where it stops."""
    every, at_the_stop = [], {target: [] for target in TARGETS}
    for name in names:
        structure, style, file, elements = crystal(name)
        ahead = make(structure, random_deformations(unseen, SIZE, np.random.default_rng(10_000)), style, file, elements, name)
        for seed in range(seeds):
            open_targets, own = list(TARGETS), []
            data = make(structure, make_plan(structure, FIRST, size=SIZE, seed=seed).F, style, file, elements, name)
            while open_targets and len(data) <= MOST:
                law = calibrate(data, effort=effort, allow=("error", "wrong_group"), seed=seed)
                own.append((error_of(law, SIZE), law.report.held_out_error, true_error(law, ahead), len(data)))
                for target in [target for target in open_targets if own[-1][0] <= target]:
                    at_the_stop[target].append(own[-1])
                    open_targets.remove(target)
                x = np.asarray(to_mandel(data.green_lagrange_strain))
                more = stretch_of(next_strains(law, x, round(GROWTH * len(data)), region=Ball(SIZE), seed=seed + len(data)).x)
                new = make(structure, more, style, file, elements, name)
                data = data.replace(F=np.concatenate([data.F, more]), cauchy=np.concatenate([data.cauchy, new.cauchy]))
            every += own
            texts = (f"{count}: {100 * a:.3f} {100 * b:.3f} {100 * c:.3f}" for a, b, c, count in own)
            print(f"{name}, seed {seed}: samples: expected, left out, true (%)", "; ".join(texts), flush=True)
    print_honesty("all laws", np.array(every))
    for target, rows in at_the_stop.items():
        print_honesty(f"where the expected error is first below {100 * target:g} %", np.array(rows))


def print_honesty(title, rows):
    """Estimated over true errors."""
    if not len(rows):
        return
    for kind, estimated in (("expected", rows[:, 0]), ("at samples left out", rows[:, 1])):
        ratio = estimated / rows[:, 2]
        within = np.mean((ratio > 1 / 1.5) & (ratio < 1.5))
        print(
            f"{title}, {len(rows)}: error {kind} over the true one: median {np.median(ratio):.2f}, 80 % from {np.quantile(ratio, 0.1):.2f} "
            f"to {np.quantile(ratio, 0.9):.2f}, within a factor 1.5 in {100 * within:.0f} %"
        )


WITHOUT = 0.01  # of the unseen strains: those with the largest errors, beyond a jump of the ions


def errors_of(law, ahead):
    """Relative error of S at unseen strains, and without the worst 1 % of them."""
    wanted = ahead.stress("second_piola_kirchhoff")
    squares = np.sort(np.sum((law.second_piola_kirchhoff(ahead.F) - wanted) ** 2, axis=(1, 2)))
    return [float(np.sqrt(part.sum() / np.sum(wanted**2))) for part in (squares, squares[: -max(1, round(WITHOUT * len(squares)))])]


def laws(names, samples, seeds, unseen, effort):
    """Print errors of S of laws calibrated on random strains (as make_sets.py) and on planned ones, and the ratio of their medians."""
    for number in samples:
        ratios = []
        for name in names:
            structure, style, file, elements = crystal(name)
            ahead = make(structure, random_deformations(unseen, SIZE, np.random.default_rng(10_000)), style, file, elements, name)
            errors = {"random": [], "planned": []}
            for seed in range(seeds):
                F = {
                    "random": random_deformations(number, SIZE, np.random.default_rng(seed)),
                    "planned": make_plan(structure, number, size=SIZE, seed=seed).F,
                }
                for kind, deformations in F.items():
                    data = make(structure, deformations, style, file, elements, name)
                    errors[kind].append(errors_of(calibrate(data, effort=effort, allow=("error", "wrong_group")), ahead))
            table = {kind: 100 * np.array(values) for kind, values in errors.items()}
            median = {kind: np.median(values, axis=0) for kind, values in table.items()}
            ratios.append(median["planned"] / median["random"])
            print(
                f"{name}, N = {number}: median {median['random'][0]:.3f} % random, {median['planned'][0]:.3f} % planned, "
                f"ratio {ratios[-1][0]:.2f}; without the worst 1 % of unseen strains {median['random'][1]:.3f}, "
                f"{median['planned'][1]:.3f} %, ratio {ratios[-1][1]:.2f}; "
                f"worst over median, planned {table['planned'][:, 0].max() / median['planned'][0]:.2f}"
            )
            for kind, values in table.items():
                print(f"  {kind:8s}", *(f"{value:.3f}" for value in values[:, 0]), flush=True)
        mean = np.exp(np.mean(np.log(ratios), axis=0))
        print(f"N = {number}: geometric mean of the ratios {mean[0]:.2f}, without the worst 1 % {mean[1]:.2f}", flush=True)


def main():
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constants", action="store_true")
    parser.add_argument("--laws", action="store_true")
    parser.add_argument("--improve", action="store_true")
    parser.add_argument("--stop", action="store_true")
    parser.add_argument("--effort", default="full", choices=["full", "quick"])
    parser.add_argument("--crystals", nargs="*", default=["silicon_sw", "copper"], choices=sorted({**POTENTIAL, **ALLOYS}))
    parser.add_argument("--samples", type=int, nargs="*", default=[50], help="of --laws")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--unseen", type=int, default=600)
    parser.add_argument("--picture", type=Path, help="of --improve")
    options = parser.parse_args()
    every = not (options.constants or options.laws or options.improve or options.stop)
    if options.constants or every:
        constants(options.crystals)
    if options.laws or every:
        laws(options.crystals, options.samples, options.seeds, options.unseen, options.effort)
    if options.improve or every:
        improve_curves(options.crystals, options.seeds, options.unseen, options.effort, options.picture)
    if options.stop or every:
        stops(options.crystals, options.seeds, options.unseen, options.effort)


if __name__ == "__main__":
    assert Path(POTENTIALS).is_dir(), f"{POTENTIALS}: not found; needed LAMMPS's potentials"
    main()
