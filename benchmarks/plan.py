"""What a plan is worth: constants beside finite differences, laws of planned strains beside random ones, laws improved by their posterior.

Beside the last stands the error that `build` stops by, and the true one.

    ./dev python benchmarks/plan.py [--constants] [--laws] [--improve] [--crystals silicon_sw copper] [--samples 50] [--seeds 5]
        [--unseen 600] [--effort quick]

Stresses are computed by LAMMPS with the potentials of the sets in materials/. Without an option all tables are printed.
"""

import argparse
from pathlib import Path

import numpy as np
from make_sets import POTENTIALS, make, random_deformations, relaxed_stress

from constitutive import calibrate, shipped
from constitutive.data import StressStrainData
from constitutive.elasticity.constants import elastic_constants, independent_places, name_of
from constitutive.fitting import PolynomialBasis
from constitutive.kinematics import second_piola_from_cauchy
from constitutive.planning import Ball, make_plan, next_strains, stretch_of
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
STEP = 2e-3  # of the differences: at half of it the splines of the copper potential show, at three times the fifth order
SIZE = 0.10  # |E| of the laws' domain


def crystal(name):
    """Structure and LAMMPS's settings of a shipped crystal."""
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


START, BATCH, MOST = 20, 10, 80  # samples of the first plan, of each batch, and at the end
GOALS = (0.01, 0.003)


def true_error(law, ahead):
    """Relative error of S at unseen strains."""
    wanted = ahead.stress("second_piola_kirchhoff")
    return float(np.linalg.norm(law.second_piola_kirchhoff(ahead.F) - wanted) / np.linalg.norm(wanted))


def improve_curves(names, seeds, unseen, effort):
    """Print errors by number of samples of laws improved by their posterior and of laws of random strains; and the stop's honesty."""
    pairs = []
    for name in names:
        structure, style, file, elements = crystal(name)
        ahead = make(structure, random_deformations(unseen, SIZE, np.random.default_rng(10_000)), style, file, elements, name)
        for seed in range(seeds):
            grown, random = (
                make_plan(structure, START, size=SIZE, seed=seed).F,
                random_deformations(MOST, SIZE, np.random.default_rng(seed)),
            )
            given = {
                "improved": make(structure, grown, style, file, elements, name),
                "random": make(structure, random, style, file, elements, name),
            }
            found = {"improved": {}, "random": {}}
            for count in range(START, MOST + 1, BATCH):
                for kind, data in given.items():
                    law = calibrate(data.head(count), effort=effort, allow=("error",), seed=seed)
                    found[kind][count] = true_error(law, ahead)
                    pairs.append((kind, law.report.held_out_error, found[kind][count]))
                    if kind == "improved" and count < MOST:
                        x = np.asarray(to_mandel(data.green_lagrange_strain))
                        more = stretch_of(next_strains(law, x, BATCH, region=Ball(SIZE), seed=seed + count).x)
                        grown = np.concatenate([grown, more])
                        new = make(structure, more, style, file, elements, name)
                        given[kind] = data.replace(F=grown, cauchy=np.concatenate([data.cauchy, new.cauchy]))
            print_curves(name, seed, found)
    print_honesty(pairs)


def print_curves(name, seed, found):
    """Errors by number of samples, and the samples that each goal takes."""
    print(f"{name}, seed {seed}: samples, error of S improved, random (%)", flush=True)
    for count, error in found["improved"].items():
        print(f"  {count:4d}  {100 * error:7.3f}  {100 * found['random'][count]:7.3f}")
    for goal in GOALS:
        need = {kind: next((count for count, error in errors.items() if error <= goal), None) for kind, errors in found.items()}
        print(
            f"  {100 * goal:g} % takes {need['improved'] or f'over {MOST}'} improved, {need['random'] or f'over {MOST}'} random", flush=True
        )


def print_honesty(pairs):
    """The error at samples left out, by which `build` stops, against the true one."""
    for kind in ("improved", "random"):
        ratio = np.array([estimated / true for which, estimated, true in pairs if which == kind])
        within = np.mean((ratio > 1 / 1.5) & (ratio < 1.5))
        print(
            f"estimated over true error, {kind}, {len(ratio)} laws: median {np.median(ratio):.2f}, 80 % from {np.quantile(ratio, 0.1):.2f} "
            f"to {np.quantile(ratio, 0.9):.2f}, within a factor 1.5 in {100 * within:.0f} %, less by more in "
            f"{100 * np.mean(ratio < 1 / 1.5):.0f} %"
        )


def laws(names, samples, seeds, unseen, effort):
    """Print errors of S of laws calibrated on random strains (as make_sets.py) and on planned ones, and the ratio of their medians."""
    ratios = []
    for name in names:
        structure, style, file, elements = crystal(name)
        ahead = make(structure, random_deformations(unseen, SIZE, np.random.default_rng(10_000)), style, file, elements, name)
        errors = {"random": [], "planned": []}
        for seed in range(seeds):
            F = {
                "random": random_deformations(samples, SIZE, np.random.default_rng(seed)),
                "planned": make_plan(structure, samples, size=SIZE, seed=seed).F,
            }
            for kind, deformations in F.items():
                law = calibrate(make(structure, deformations, style, file, elements, name), effort=effort)
                errors[kind].append(true_error(law, ahead))
        median = {kind: 100 * float(np.median(values)) for kind, values in errors.items()}
        ratios.append(median["planned"] / median["random"])
        print(f"{name}, N = {samples}: median {median['random']:.3f} % random, {median['planned']:.3f} % planned, ratio {ratios[-1]:.2f}")
        for kind, values in errors.items():
            print(f"  {kind:8s}", *(f"{100 * value:.3f}" for value in values), flush=True)
    print(f"geometric mean of the ratios: {np.exp(np.mean(np.log(ratios))):.2f}")


def main():
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constants", action="store_true")
    parser.add_argument("--laws", action="store_true")
    parser.add_argument("--improve", action="store_true")
    parser.add_argument("--effort", default="full", choices=["full", "quick"])
    parser.add_argument("--crystals", nargs="*", default=["silicon_sw", "copper"], choices=sorted(POTENTIAL))
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--unseen", type=int, default=600)
    options = parser.parse_args()
    every = not (options.constants or options.laws or options.improve)
    if options.constants or every:
        constants(options.crystals)
    if options.laws or every:
        laws(options.crystals, options.samples, options.seeds, options.unseen, options.effort)
    if options.improve or every:
        improve_curves(options.crystals, options.seeds, options.unseen, options.effort)


if __name__ == "__main__":
    assert Path(POTENTIALS).is_dir(), f"{POTENTIALS}: not found; needed LAMMPS's potentials"
    main()
