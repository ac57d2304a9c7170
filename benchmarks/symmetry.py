"""How often the right point group is found: against spglib's and pymatgen's own lists, under noise and strain, and how fast.

    ./dev python benchmarks/symmetry.py [--every N]      all 230 space groups, or each N-th
    ./dev python benchmarks/symmetry.py --large          large cells only

Counts are of crystals made to order (general positions of two species in a random lattice of the right metric), so that the right
answer is known without any tool. Times are ratios within one run.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import spglib
from pymatgen.core import Structure
from pymatgen.core.tensors import Tensor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from constitutive.errors import SymmetryError
from constitutive.symmetry import Cell, cell_condition, find_symmetry, periodicity, quartz, random_crystal, scan_tolerances
from constitutive.symmetry import operations as ops
from constitutive.symmetry.bonds import find_bonds
from constitutive.symmetry.space_groups import hall_number
from constitutive.symmetry.tolerance_scan import SYMPRECS

out = Console(highlight=False, width=110)
CELLS = {
    "as is": lambda seed: np.eye(3, dtype=int),
    "1×1×2 supercell": lambda seed: np.diag([1, 1, 2]),
    "another basis": lambda seed: basis(seed),
}


def basis(seed):
    rng, M = np.random.default_rng(seed), np.eye(3, dtype=int)
    for _ in range(3):
        i, j = rng.permutation(3)[:2]
        step = np.eye(3, dtype=int)
        step[i, j] = rng.choice([-1, 1])
        M = step @ M
    return M


def in_basis(cell, M, R):
    grid = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    fractions = grid @ np.linalg.inv(M)
    inside = grid[((fractions > -1e-9) & (fractions < 1 - 1e-9)).all(axis=1)]
    positions = np.concatenate([(cell.positions + shift) @ np.linalg.inv(M) for shift in inside])
    many = len(inside)
    return replace(
        cell, lattice=M @ cell.lattice @ R.T, positions=positions, kinds=np.tile(cell.kinds, many), weights=np.tile(cell.weights, many)
    )


def structure_of(cell):
    return Structure(cell.lattice, [cell.names[k - 1] for k in cell.kinds], cell.positions)


def is_right(operations, wanted):
    try:
        return ops.same_set(ops.distinct(np.asarray(operations)), wanted.operations)
    except SymmetryError:
        return False


def detection(numbers):
    """Right point groups of the whole list of operations, by tool and cell."""
    table = Table("cell", "ours", "spglib's list", "pymatgen's list", title="Right point groups", title_justify="left")
    seconds = dict.fromkeys(("ours", "pymatgen"), 0.0)
    for name, make in CELLS.items():
        right = np.zeros(3, dtype=int)
        for number in numbers:
            made, R = random_crystal(number), Rotation.from_quat(np.random.default_rng(number).normal(size=4)).as_matrix()
            cell, wanted = in_basis(made.cell, make(number), R), made.point_group.rotated(R)
            start = time.perf_counter()
            report = find_symmetry(cell)
            middle = time.perf_counter()
            analyzer = SpacegroupAnalyzer(structure_of(cell), symprec=0.01)
            theirs = [op.rotation_matrix for op in analyzer.get_point_group_operations(cartesian=True)]
            seconds["ours"] += middle - start
            seconds["pymatgen"] += time.perf_counter() - middle
            right += [is_right(x, wanted) for x in (report.point_group.operations, report.raw_operations, theirs)]
        table.add_row(name, *(f"{count} of {len(numbers)}" for count in right))
    out.print(table)
    out.print(f"Time of ours over pymatgen's: {seconds['ours'] / seconds['pymatgen']:.2f}\n")


def noise(numbers):
    """Share of crystals whose point group is found, by noise on the coordinates and tolerance."""
    tolerances = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1)
    headings = ("noise (Å, rms per component)", *(f"symprec {t:g}" for t in tolerances))
    table = Table(*headings, title="Point group found under noise", title_justify="left")
    for sigma in (0.0, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2):
        found = np.zeros(len(tolerances), dtype=int)
        for number in numbers:
            made, rng = random_crystal(number), np.random.default_rng(number)
            shift = rng.normal(size=made.cell.positions.shape) * sigma @ np.linalg.inv(made.cell.lattice)
            noisy = replace(made.cell, positions=made.cell.positions + shift)
            found += [label(noisy, tolerance) == made.point_group.symbol for tolerance in tolerances]
        table.add_row(f"{sigma:g}", *(f"{100 * count / len(numbers):.0f} %" for count in found))
    out.print(table)
    out.print()


def label(cell, tolerance):
    try:
        return find_symmetry(cell, tolerance).point_group.symbol
    except SymmetryError:
        return "none"


def strain(numbers):
    """Cells strained along z: label kept at symprec 0.01, raw operations' |RᵀR − 1|, and whether the strain was reported."""
    headings = ("strain", "label kept", "largest |RᵀR − 1| of spglib's", "of ours", "strain reported")
    table = Table(*headings, title="Strained cells at symprec 0.01", title_justify="left")
    cubic = [n for n in numbers if n >= 195] or [225]
    for size in (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2):
        kept, reported, raw, exact = 0, 0, 0.0, 0.0
        for number in cubic:
            made = random_crystal(number)
            cell = replace(made.cell, lattice=made.cell.lattice @ np.diag([1, 1, 1 + size]))
            report = find_symmetry(cell)
            if report.point_group.symbol == made.point_group.symbol:
                kept += 1
                raw = max(raw, ops.orthogonality_error(report.raw_operations))
                exact = max(exact, ops.orthogonality_error(report.point_group.operations))
                reported += cell_condition(report).strained
        table.add_row(f"{100 * size:g} %", f"{kept} of {len(cubic)}", f"{raw:.1e}", f"{exact:.1e}", f"{reported} of {kept}")
    out.print(table)
    out.print()


def frames():
    """Sign of C14 of quartz in the IEEE frame, over choices of cell: ours and pymatgen's."""
    C = np.diag([86.7, 86.7, 107.2, 57.9, 57.9, 39.9])
    C[0, 1] = C[1, 0] = 7.0
    C[:2, 2] = C[2, :2] = 11.9
    C[0, 3] = C[3, 0] = C[4, 5] = C[5, 4] = 17.9
    C[1, 3] = C[3, 1] = -17.9
    pairs = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    full = C[pairs[:, :, None, None], pairs]
    signs = {"ours": [], "pymatgen": []}
    cell = find_symmetry(quartz()).cell
    for seed in range(12):
        other = in_basis(cell, basis(seed) if seed else np.eye(3, dtype=int), np.eye(3))
        R = find_symmetry(other).frames.ieee
        signs["ours"].append(np.einsum("a,b,c,d,abcd->", R[0], R[0], R[1], R[2], full))
        rotation = Tensor.get_ieee_rotation(structure_of(other))
        T = np.asarray(rotation)
        signs["pymatgen"].append(np.einsum("a,b,c,d,abcd->", T[0], T[0], T[1], T[2], full))
    for name, values in signs.items():
        positive, negative = sum(v > 0 for v in values), sum(v < 0 for v in values)
        out.print(f"C14 of quartz in the IEEE frame over 12 cells, {name}: {positive} positive, {negative} negative")
    out.print()


def dense_crystal(number, sites, seed=0):
    """A crystal of a space group with many general positions in a cubic or orthorhombic cell, 16 Å³ an atom."""
    database = spglib.get_symmetry_from_database(hall_number(number))
    points = np.random.default_rng(seed).random((sites, 3))
    positions = np.concatenate([(database["rotations"] @ x + database["translations"]) % 1 for x in points])
    shape = np.ones(3) if number >= 195 else np.array([1.0, 1.1, 1.3])
    lattice = np.diag(shape * (16 * len(positions) / shape.prod()) ** (1 / 3))
    return Cell(lattice, positions, np.ones(len(positions), dtype=np.int32), ("Si",), np.full(len(positions), 14.0))


def bonds_by_images(cell, centres):
    """Number of bonds, by looking at every image of every atom from each of some atoms."""
    cutoff = 3.0 * (cell.volume / len(cell.positions)) ** (1 / 3)
    grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    wrapped = cell.positions % 1.0
    images = ((wrapped[:, None] + grid) @ cell.lattice).reshape(-1, 3)
    squared = [((images - wrapped[i] @ cell.lattice) ** 2).sum(axis=1) for i in centres]
    return sum(int(((s < cutoff**2) & (s > 1e-6)).sum()) for s in squared)


def seconds(function, *arguments, **options):
    start = time.process_time()
    result = function(*arguments, **options)
    return time.process_time() - start, result


def large_cells():
    """Processor time of each part for cells of 1,000 and 3,000 atoms; and of the former ways: all tolerances, all images."""
    headings = ("space group", "atoms", "group", "frames", "scan", "all ten tolerances", "vacuum", "bonds, k-d tree / all images")
    table = Table(*headings, title="Large cells (s of processor time)", title_justify="left")
    for number, sites in ((1, 1000), (1, 3000), (2, 500), (2, 1500), (19, 250), (221, 20), (225, 16)):
        cell = dense_crystal(number, sites)
        found, report = seconds(find_symmetry, cell)
        framed, _ = seconds(lambda report=report: report.frames)
        scanned, _ = seconds(scan_tolerances, report)
        one_by_one = sum(seconds(label, cell, tolerance)[0] for tolerance in SYMPRECS)
        vacuum, _ = seconds(periodicity, cell)
        some = np.arange(0, len(cell.positions), max(1, len(cell.positions) // 50))
        tree, bonds = seconds(find_bonds, cell, some)
        images, count = seconds(bonds_by_images, cell, some)
        assert len(bonds.even) == count
        times = (f"{t:.2f}" for t in (found, framed, scanned, one_by_one, vacuum))
        table.add_row(report.space_group, str(len(cell.positions)), *times, f"{tree / images:.3f}")
    out.print(table)
    out.print()


def displaced_cells():
    """Processor time for supercells whose atoms are displaced at random, by the displacement (rms of each component)."""
    from ase.build import bulk

    headings = ("crystal", "atoms", "displacement (Å)", "group", "frames", "scan", "found up to, and above")
    table = Table(*headings, title="Displaced atoms (s of processor time)", title_justify="left")
    crystals = {"silicon": bulk("Si", cubic=True), "rock salt": bulk("NaCl", "rocksalt", a=5.64, cubic=True)}
    for (name, crystal), cells, sigma in product(crystals.items(), (5, 7), (0.01, 0.02, 0.03, 0.05)):
        atoms = crystal.repeat((cells, cells, cells))
        atoms.rattle(sigma, seed=0)
        found, report = seconds(find_symmetry, atoms)
        framed, _ = seconds(lambda report=report: report.frames)
        scanned, scan = seconds(scan_tolerances, report)
        above = [f"{step.space_group} at {step.symprec:g}" for step in scan.steps if step.symprec > scan.plateau[1]]
        above += [f"{tolerance:g} not scanned" for tolerance in scan.unscanned]
        groups = "; ".join([f"{report.space_group} to {scan.plateau[1]:g}", *above])
        table.add_row(name, str(len(atoms)), f"{sigma:g}", *(f"{t:.2f}" for t in (found, framed, scanned)), groups)
    out.print(table)
    out.print()


def command_line():
    """Wall time of the command for 96 atoms over that of starting Python with spglib and pymatgen."""
    from ase.build import bulk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "silicon.extxyz"
        bulk("Si").repeat((4, 4, 3)).write(path)
        command = [str(Path(sys.executable).with_name("constitutive")), "symmetry", str(path), "--json"]
        times = []
        for run in (command, [sys.executable, "-c", "import spglib, pymatgen.core, ase.io"]):
            best = np.inf
            for _ in range(3):
                start = time.perf_counter()
                subprocess.run(run, check=True, capture_output=True)
                best = min(best, time.perf_counter() - start)
            times.append(best)
    out.print(f"constitutive symmetry, 96 atoms: {times[0]:.2f} s, {times[0] / times[1]:.1f} × importing spglib, pymatgen and ASE alone")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take each N-th space group")
    parser.add_argument("--large", action="store_true", help="large cells only")
    options = parser.parse_args()
    numbers = list(range(1, 231, options.every))
    warnings.simplefilter("ignore")
    if options.large:
        large_cells()
        displaced_cells()
        return
    detection(numbers)
    noise(numbers[::4])
    strain(numbers)
    frames()
    large_cells()
    displaced_cells()
    command_line()


if __name__ == "__main__":
    main()
