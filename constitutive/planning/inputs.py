"""Input files for the strains of a plan: one folder a strain, the plan, and the line that brings the results back.

Every program gets the strained cell with the atoms at their affine places, to be relaxed at fixed cell, and prints the stress. What only
the user knows (pseudopotentials, cut-off, the potential) is marked ``TODO``. The k-grid is that of the reference cell for
all strains, Γ-centred: a grid that changes between strains would put jumps into the stress.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

import numpy as np
from ase import Atoms

from constitutive.data.plan import PLAN_FILE, Plan
from constitutive.errors import DataError
from constitutive.files import write_text
from constitutive.units import FORCE_UNITS, RYDBERG

KSPACING = 0.15  # 1/Å, of the k-grid: 2π/(15 × 2.8 Å)


@final
@dataclass(frozen=True)
class InputOptions:
    """What the input files of a program hold beside the cells.

    Attributes
    ----------
    kspacing
        Largest distance of k-points along each reciprocal vector, 1/Å (with the factor 2π); None: 0.15.
    cutoff
        Cut-off energy of plane waves, eV; None leaves a TODO.
    force
        Force to which the ions are relaxed, eV/Å.
    """

    kspacing: float | None = None
    cutoff: float | None = None
    force: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("kspacing", "force", "cutoff"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise DataError(f"{name}: found {value}; needed a positive number")


Emitter = Callable[[Atoms, tuple[int, int, int], InputOptions], Mapping[str, str]]


def write_inputs(plan: Plan, code: str, folder: str | os.PathLike[str], options: InputOptions | None = None) -> Plan:
    """Write the input files of a program for every strain of a plan.

    Parameters
    ----------
    plan
        The strains.
    code
        One of `CODES`.
    folder
        A folder that does not exist yet or is empty.
    options
        k-grid, cut-off, forces.

    Returns
    -------
    The plan as it was written into the folder, with the names of the input files.

    Raises
    ------
    DataError
        The program is unknown or takes no such option, or the folder holds something or cannot be written.
    """
    if code not in CODES:
        raise DataError(f"plan: found program {code!r}; needed one of {', '.join(CODES)}")
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target}: found a file or a folder that is not empty; needed a new one, so that no run is overwritten")
    options = options or InputOptions()
    for name, taken in (("kspacing", CODES[code].kpoints), ("cutoff", CODES[code].cutoff)):
        if getattr(options, name) is not None and not taken:
            raise DataError(f"plan: found --{name} for {CODES[code].title}; needed none: its input files hold no such number")
    grid = k_grid(np.asarray(plan.structure.lattice.matrix), options.kspacing or KSPACING)
    texts = [CODES[code].emit(_atoms(plan, number), grid, options) for number in range(len(plan))]
    settings = {**plan.settings, "k_grid": list(grid)} if CODES[code].kpoints else plan.settings
    written = replace(plan, code=code, inputs=tuple(texts[0]), settings=settings)
    try:
        for number, files in enumerate(texts):
            (target / plan.folder(number)).mkdir(parents=True)
            for name, text in files.items():
                write_text(target / plan.folder(number) / name, text)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error}); needed a writable folder") from error
    for name, text in CODES[code].shared.items():
        write_text(target / name, text)
    write_text(target / "README.md", _readme(written, target))
    written.save(target / PLAN_FILE)  # last: a folder with a plan is complete
    return written


def k_grid(lattice: np.ndarray, spacing: float) -> tuple[int, int, int]:
    """Numbers of k-points along the reciprocal vectors, of a spacing of at most ``spacing`` (1/Å, with the factor 2π).

    Examples
    --------
    >>> import numpy as np
    >>> k_grid(np.eye(3) * 4.0, 0.15)
    (11, 11, 11)
    """
    lengths = np.linalg.norm(2 * np.pi * np.linalg.inv(lattice), axis=0)
    first, second, third = (max(1, int(np.ceil(length / spacing - 1e-9))) for length in lengths)
    return first, second, third


def _atoms(plan: Plan, number: int) -> Atoms:
    symbols = [site.species_string for site in plan.structure]
    try:
        return Atoms(symbols, cell=plan.cell(number), scaled_positions=plan.structure.frac_coords, pbc=True)
    except KeyError as error:
        raise DataError(f"plan: found the species {error}; needed chemical elements: input files hold no partly occupied sites") from error


def _readme(plan: Plan, folder: Path) -> str:
    notes = "".join(f"{note}\n\n" for note in plan.notes)
    return (
        f"# {plan.name}: {len(plan)} strained cells for {CODES[plan.code].title}\n\n"
        f"{CODES[plan.code].advice}\n\n{notes}"
        f"Run the program in each folder `{plan.folder(0)}` to `{plan.folder(len(plan) - 1)}` and leave its output there. Then\n\n"
        f"    constitutive convert {folder} -o data.json\n\n"
        "matches the results with the plan by the numbers of the folders, and names those that are missing or failed.\n"
        "The ions are relaxed at fixed cell; don't let the program change the cell.\n"
    )


# -- the programs ------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Program:
    """How the input of a program is written.

    Attributes
    ----------
    title
        Its name.
    emit
        Files of one strained cell.
    shared
        Files that all strains share.
    advice
        What is left to do, for the README.
    kpoints
        Whether it takes a k-grid.
    cutoff
        Whether the files state a cut-off.
    """

    title: str
    emit: Emitter
    advice: str
    shared: Mapping[str, str] = field(default_factory=dict)
    kpoints: bool = True
    cutoff: bool = True


def _written(atoms: Atoms, format_name: str, **options: object) -> str:
    from ase.io import write  # not needed to make a plan

    text = io.StringIO()
    write(text, atoms, format=format_name, **options)
    return text.getvalue()


def _vasp(atoms: Atoms, grid: tuple[int, int, int], options: InputOptions) -> Mapping[str, str]:
    cutoff = f"ENCUT = {options.cutoff:g}" if options.cutoff else "# TODO ENCUT = 1.3 times the largest ENMAX of the POTCAR"
    incar = (
        f"PREC = Accurate\n{cutoff}\nEDIFF = 1E-7\nISMEAR = 0; SIGMA = 0.05  # TODO ISMEAR = 1, SIGMA = 0.2 for a metal\n"
        f"IBRION = 2; NSW = 100; ISIF = 2; EDIFFG = -{options.force:g}\n"
        "LREAL = .FALSE.; ADDGRID = .TRUE.; LWAVE = .FALSE.; LCHARG = .FALSE.\n"
    )
    kpoints = f"Gamma-centred, the grid of the reference cell\n0\nGamma\n{grid[0]} {grid[1]} {grid[2]}\n0 0 0\n"
    return {"POSCAR": _written(atoms, "vasp", direct=True), "INCAR": incar, "KPOINTS": kpoints}


def _espresso(atoms: Atoms, grid: tuple[int, int, int], options: InputOptions) -> Mapping[str, str]:
    cutoff = options.cutoff / RYDBERG if options.cutoff else 60.0
    names = {symbol: f"{symbol}.upf" for symbol in dict.fromkeys(atoms.get_chemical_symbols())}
    data = {
        "control": {
            "calculation": "relax", "prefix": "strain", "outdir": "./out", "pseudo_dir": "../pseudo", "tprnfor": True, "tstress": True,
            "forc_conv_thr": options.force / FORCE_UNITS["Ry/bohr"], "etot_conv_thr": 1e-6, "nstep": 100,
        },
        "system": {
            "ecutwfc": round(cutoff, 4), "ecutrho": round(8 * cutoff, 4), "occupations": "smearing", "smearing": "mv", "degauss": 0.01,
        },
        "electrons": {"conv_thr": 1e-10},
    }  # fmt: skip
    return {"pw.in": _written(atoms, "espresso-in", input_data=data, pseudopotentials=names, kpts=grid, koffset=(0, 0, 0))}


def _lammps(atoms: Atoms, grid: tuple[int, int, int], options: InputOptions) -> Mapping[str, str]:
    symbols = list(dict.fromkeys(atoms.get_chemical_symbols()))
    data = _written(atoms, "lammps-data", specorder=symbols, masses=True, atom_style="atomic", units="metal", force_skew=True)
    script = (
        "units metal\natom_style atomic\nboundary p p p\nbox tilt large\natom_modify map array\nread_data cell.data\n"
        "include ../potential.lammps\n"
        "thermo_style custom step pe pxx pyy pzz pxy pxz pyz lx ly lz xy xz yz\nthermo_modify format float %.12g\n"
        f"min_modify norm two line quadratic\nminimize 0 {options.force:g} 5000 50000\n"
        f"write_dump all custom relaxed.dump id type element xs ys zs modify element {' '.join(symbols)}\n"
    )
    return {"cell.data": data, "in.lammps": script}


def _abinit(atoms: Atoms, grid: tuple[int, int, int], options: InputOptions) -> Mapping[str, str]:
    symbols = list(dict.fromkeys(atoms.get_chemical_symbols()))
    numbers = [symbols.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    force = options.force / FORCE_UNITS["Ha/bohr"]
    ecut = f"ecut {options.cutoff:g} eV" if options.cutoff else "ecut 40 Ha  # TODO"
    cell = "\n".join(" ".join(f"{v:.14f}" for v in row) for row in atoms.cell)
    places = "\n".join(" ".join(f"{v:.14f}" for v in row) for row in atoms.get_scaled_positions(wrap=False))
    kinds = list(dict.fromkeys(int(z) for z in atoms.numbers))
    text = (
        f"acell 1.0 1.0 1.0 angstrom\nrprim\n{cell}\nnatom {len(atoms)}\nntypat {len(symbols)}\nznucl {' '.join(map(str, kinds))}\n"
        f"typat {' '.join(map(str, numbers))}\nxred\n{places}\n"
        f'pp_dirpath "../pseudo"\npseudos "{", ".join(f"{s}.psp8" for s in symbols)}"\n'
        f"{ecut}\nngkpt {grid[0]} {grid[1]} {grid[2]}\nnshiftk 1\nshiftk 0 0 0\nionmov 2\noptcell 0\nntime 100\n"
        f"tolmxf {force:.3e}\ntoldff {force / 20:.3e}\nnstep 100\nchksymtnons 0\n"
    )
    return {"run.abi": text}


def _cp2k(atoms: Atoms, grid: tuple[int, int, int], options: InputOptions) -> Mapping[str, str]:
    rows = "\n".join(f"      {name} " + " ".join(f"{v:.14f}" for v in row) for name, row in zip("ABC", atoms.cell, strict=True))
    places = "\n".join(
        f"      {symbol} " + " ".join(f"{v:.14f}" for v in row)
        for symbol, row in zip(atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False), strict=True)
    )
    return {
        "run.inp": (
            "&GLOBAL\n  PROJECT strain\n  RUN_TYPE GEO_OPT\n&END GLOBAL\n&MOTION\n  &GEO_OPT\n"
            f"    MAX_FORCE [eV*angstrom^-1] {options.force:g}\n  &END GEO_OPT\n&END MOTION\n"
            "&FORCE_EVAL\n  METHOD QUICKSTEP\n  STRESS_TENSOR ANALYTICAL\n"
            "  @INCLUDE ../method.inc\n  &PRINT\n    &STRESS_TENSOR ON\n    &END STRESS_TENSOR\n"
            "    &FORCES ON\n    &END FORCES\n  &END PRINT\n"
            f"  &SUBSYS\n    &CELL\n{rows}\n      PERIODIC XYZ\n    &END CELL\n    &COORD\n      SCALED\n{places}\n    &END COORD\n"
            "    @INCLUDE ../kinds.inc\n  &END SUBSYS\n&END FORCE_EVAL\n"
            f"# k-points of the reference cell, for method.inc: SCHEME MACDONALD {grid[0]} {grid[1]} {grid[2]} 0 0 0\n"
        )
    }


def _extxyz(atoms: Atoms, grid: tuple[int, int, int], options: InputOptions) -> Mapping[str, str]:
    return {"cell.extxyz": _written(atoms, "extxyz")}


CODES: Mapping[str, Program] = {
    "vasp": Program(
        "VASP", _vasp,
        "Put a POTCAR into each folder (in the order of the elements of the POSCAR), and settle the lines with TODO in INCAR.",
    ),
    "espresso": Program(
        "Quantum ESPRESSO", _espresso,
        "Put the pseudopotentials into `pseudo/` under the names in `pw.in`; run `pw.x -in pw.in > pw.out`. Unless --cutoff states it, "
        "ecutwfc is a first guess: check that the stress has converged.",
    ),
    "lammps": Program(
        "LAMMPS", _lammps, "Write `pair_style` and `pair_coeff` into `potential.lammps`; run `lmp -in in.lammps` in each folder.",
        {"potential.lammps": "# TODO, such as\n# pair_style sw\n# pair_coeff * * Si.sw Si\n"},
        kpoints=False, cutoff=False,
    ),
    "abinit": Program(
        "ABINIT", _abinit,
        "Put the pseudopotentials into `pseudo/` under the names in `run.abi`; run `abinit run.abi` (it writes run.abo).",
    ),
    "cp2k": Program(
        "CP2K", _cp2k,
        "Settle the method in `method.inc` (basis, cut-off, k-points) and the kinds in `kinds.inc`; run `cp2k -o run.out run.inp`. "
        "CP2K's output is not read: write energy, forces and stress of the last state to `result.extxyz` in the same folder.",
        {"method.inc": "# TODO &DFT …, with the k-points at the end of run.inp\n", "kinds.inc": "# TODO &KIND …\n"},
        cutoff=False,
    ),
    "extxyz": Program(
        "any program", _extxyz,
        "Compute energy, forces and stress of each `cell.extxyz`, ions relaxed, and write `result.extxyz` beside it (ASE: `atoms.write`).",
        kpoints=False, cutoff=False,
    ),
}  # fmt: skip
