"""Learning curves of every kind of law on random strains of eight crystals: what symmetry buys, in samples.

    ./dev python benchmarks/accuracy.py [--sets silicon_sw copper] [--sizes 8 20 50 200] [--seeds 5] [--json FILE] [--picture FILE]
    ./dev python benchmarks/accuracy.py --from FILE … [--picture FILE]      what was measured before, joined

Each law learns from N random samples of benchmarks/data/random_strains/<set> and is judged by the unseen strains beside them:
‖ΔS‖/‖S‖, Frobenius, over all of them. Medians and ranges over seeds. "calibrated" is what `constitutive calibrate` chooses by itself.
"""

import argparse
import itertools
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from constitutive.calibration.baselines import best_without_symmetry
from constitutive.calibration.cross_validation import split
from constitutive.calibration.outliers import find_outliers
from constitutive.calibration.selection import select
from constitutive.data import StressStrainData
from constitutive.fitting.leave_one_out import fit_series, series_choices
from constitutive.fitting.problem import FitProblem, problem_of
from constitutive.fitting.series_network import Shape, fit_network
from constitutive.laws import Domain
from constitutive.plots.quality import Curve, learning_curves
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import mandel_matrix, tangent_to_mandel

HOME = Path(__file__).resolve().parent / "data" / "random_strains"
out = Console(highlight=False, width=130)


def sets():
    return sorted(folder.name for folder in HOME.iterdir())


def problems(name):
    """Training pool and unseen samples under the crystal's group."""
    data, unseen = (StressStrainData.load(HOME / name / f"{part}.json.xz") for part in ("data", "unseen"))
    rotations = PointGroup.from_structure(data.structure).laue_rotations
    return problem_of(data, rotations), problem_of(unseen, rotations)


def best_series(problem, _seed):
    fits = [fit_series(problem, degrees) for degrees in series_choices(problem)]
    return min(fits, key=lambda fit: problem.relative_error(fit.left_out)).fit.predict


def sized(problem):
    return max(min(768 // len(problem.rotations), 48, 6 * len(problem) // 9) // 2, 1)


def network(problem, seed):
    return fit_network(problem, Shape((2,), sized(problem), 1e-5), seed).predict


def both(problem, seed):
    degrees = next((d for d in ((2, 3, 4), (2, 3), (2,)) if d in series_choices(problem)), (2,))
    return fit_network(problem, Shape(degrees, sized(problem), 1e-5), seed).predict


def calibrated(problem, seed):
    def quiet(*_):
        pass

    outliers = find_outliers(problem, seed, quiet)
    kept = problem.subset(outliers.kept)
    domain = Domain.of_strains(kept.x, kept.rotations)
    return select(kept, split(kept, seed), domain, seed, quiet, weights=outliers.weights).fit.predict


def unconstrained(problem, seed):
    return fit_network(problem.ungrouped(), best_without_symmetry(problem, split(problem, seed), seed).shape, seed).predict


def augmented(problem, seed):
    """The unconstrained network on all symmetry copies of the samples: symmetry taught, not built in."""
    D = np.asarray(mandel_matrix(problem.rotations))
    copies = [(problem.x @ d.T, problem.y @ d.T) for d in D]
    x, y = (np.concatenate(part) for part in zip(*copies, strict=True))
    taught = FitProblem(x, y, np.broadcast_to(np.eye(6), (len(x), 6, 6)).copy(), np.eye(3)[None])
    return fit_network(taught, Shape((), 48, 1e-4), seed, steps=100).predict  # a minute at 200 samples of a cubic crystal


def pymatgen_tensor(problem, _seed):
    """Pymatgen's pseudo-inverse fit of the second-order tensor to (S, E) pairs, without the structure's symmetry, then with it."""
    from pymatgen.analysis.elasticity import ElasticTensor, Strain, Stress

    from constitutive.tensors.packing import from_mandel

    strains, stresses = ([kind(t) for t in from_mandel(part)] for kind, part in ((Strain, problem.x), (Stress, problem.y)))
    with warnings.catch_warnings():  # pymatgen warns that this fit may be questionable for VASP's data: how good it is, the table says
        warnings.filterwarnings("ignore", "Pseudo-inverse fitting", UserWarning)
        C = tangent_to_mandel(np.asarray(ElasticTensor.from_pseudoinverse(strains, stresses)))
    D = np.asarray(mandel_matrix(problem.rotations))
    C = np.mean(D @ C @ D.transpose(0, 2, 1), axis=0)
    return lambda x: x @ C


LAWS = {
    "calibrated": calibrated,
    "series + network": both,
    "network": network,
    "series": best_series,
    "augmented": augmented,
    "unconstrained": unconstrained,
    "pymatgen tensor": pymatgen_tensor,
}


def measure(name, sizes, seeds, laws):
    """Errors by law and size: lists over seeds."""
    pool, unseen = problems(name)
    found = {law: {} for law in laws}
    for n in [n for n in sizes if n <= len(pool)]:
        for seed in range(seeds):
            part = pool.subset(np.random.default_rng(seed).permutation(len(pool))[:n])
            for law in laws:
                error = unseen.relative_error(LAWS[law](part, seed)(unseen.x))
                found[law].setdefault(n, []).append(error)
                print(f"{name} N={n} seed {seed} {law}: {100 * error:.3g} %", file=sys.stderr)
    return found


def samples_for(curve, error):
    """Samples at which a curve of medians first falls to an error, interpolated in logarithms; None if never."""
    points = sorted((n, float(np.median(errors))) for n, errors in curve.items())
    for (n0, e0), (n1, e1) in itertools.pairwise(points):
        if e1 <= error < e0:
            return float(np.exp(np.interp(np.log(error), [np.log(e1), np.log(e0)], [np.log(n1), np.log(n0)])))
    return float(points[0][0]) if points and points[0][1] <= error else None


def table(name, found):
    grid = Table(title=f"{name}: error of S on unseen strains, %, median (range)", title_justify="left", box=None, padding=(0, 2, 0, 0))
    sizes = sorted({n for curve in found.values() for n in curve})
    for column in ("law", *(f"N = {n}" for n in sizes)):
        grid.add_column(column, justify="left" if column == "law" else "right")
    for law, curve in found.items():
        grid.add_row(law, *(cell(curve.get(n, [])) for n in sizes))
    out.print(grid)
    out.print(what_symmetry_buys(found))


def cell(errors):
    """Median and range in percent; the value alone of one seed."""
    if len(errors) < 2:
        return f"{100 * errors[0]:.3g}" if errors else ""
    return f"{100 * np.median(errors):.3g} ({100 * min(errors):.2g}–{100 * max(errors):.2g})"


def what_symmetry_buys(found):
    """How many samples the laws without symmetry, and taught it by copies, need for what the symmetric one reaches with so many."""
    lines = []
    for law, manner in (("unconstrained", "without"), ("augmented", "with copies")):
        if not {"calibrated", law} <= set(found):
            continue
        texts = []
        for n, errors in sorted(found["calibrated"].items()):
            needed = samples_for(found[law], float(np.median(errors)))
            reached = f"{needed:.0f}" if needed else f"over {max(found[law])}"
            texts.append(f"{100 * np.median(errors):.2g} %: {n} with, {reached} {manner}")
        lines.append(f"what symmetry buys, in samples: {'; '.join(texts)}\n")
    return "".join(lines)


def joined(files):
    """Errors of several files by set, law and size."""
    results = {}
    for file in files:
        for name, found in json.loads(file.read_text()).items():
            for law, curve in found.items():
                known = results.setdefault(name, {}).setdefault(law, {})
                known |= {int(n): errors for n, errors in curve.items()}
    return dict(sorted(results.items()))


def picture(results, path):
    curves = {}
    for name, found in results.items():
        curves[name.replace("_", " ")] = panel = {}
        for law, curve in found.items():
            n = np.array(sorted(curve))
            errors = [np.array(curve[k]) for k in n]
            median, low, high = (np.array([take(e) for e in errors]) for take in (np.median, np.min, np.max))
            panel[law] = Curve(n.astype(float), median, low, high)
    learning_curves(curves).savefig(path, dpi=200)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=sets(), choices=sets())
    parser.add_argument("--sizes", nargs="+", type=int, default=[8, 20, 50, 200])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--laws", nargs="+", default=list(LAWS), choices=list(LAWS))
    parser.add_argument("--json", type=Path, help="write all errors there, after each set")
    parser.add_argument("--from", dest="earlier", type=Path, nargs="+", metavar="FILE", help="measure nothing: join such files")
    parser.add_argument("--picture", type=Path, help="learning curves of all sets")
    options = parser.parse_args()
    results = joined(options.earlier) if options.earlier else {}
    for name in options.sets if not options.earlier else ():
        results[name] = measure(name, options.sizes, options.seeds, options.laws)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))
    for name, found in results.items():
        table(name, found)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if options.picture:
        picture(results, options.picture)


if __name__ == "__main__":
    main()
