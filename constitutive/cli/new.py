"""``constitutive new``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from constitutive import shipped
from constitutive.cli.console import emit, out
from constitutive.cli.options import JsonOption
from constitutive.errors import ConstitutiveError

README = """\
# {name}

From simulations of a crystal to a finite-element solve.

    data/          your simulations, and the one file made from them
    options.yaml   the options of every step, commented
    material/      the calibrated law (written by step 3)
    solve.py       a DOLFINx solve with it

1. `constitutive convert data/* -o data/data.json`: VASP, Quantum ESPRESSO, LAMMPS, ASE, extxyz, CSV … to one file
   (`constitutive convert --help` lists what is read; `data/example.json` is a stand-in to try the steps with).
2. `constitutive check data/data.json`: what is wrong with the data, and the option that corrects it.
3. `constitutive calibrate --config options.yaml`: the law, in `material/`.
4. `constitutive audit --config options.yaml`: does it satisfy its limits?
5. `constitutive report --config options.yaml`: one page with everything, `report.html`.
6. `python solve.py`: the law in DOLFINx.
"""

OPTIONS = """\
# Options of each command, read by `--config options.yaml`; what is given on the command line wins.
# `constitutive COMMAND --help` explains each one.

calibrate:
  data: data/example.json      # after `constitutive convert`: data/data.json
  out: material
  # train: 50                  # use the first samples only
  seed: 0                      # the same seed gives the same law
  # point-group: m-3m          # only for data without a structure, in standard axes
  # residual-stress: remove    # remove | keep; needed where the data carry more than 1 % at zero strain

audit:
  dir: material
  data: data/example.json

report:
  dir: material
  data: data/example.json
  out: report.html
  learning-curve: false        # true: calibrate again on fewer samples, minutes
"""

SOLVE = '''\
"""A block of the crystal, clamped at one end and stretched by 1 %, in DOLFINx."""

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from constitutive import Material
from constitutive.fem import Problem, UserMaterial

ORIENTATION = np.eye(3)  # crystal axes → lab axes
STRETCH = 0.01

domain = mesh.create_box(MPI.COMM_WORLD, [[0, 0, 0], [2, 1, 1]], [8, 4, 4], mesh.CellType.hexahedron)
V = fem.functionspace(domain, ("Lagrange", 1, (3,)))
u, v = fem.Function(V), ufl.TestFunction(V)
law = UserMaterial(u, Material.load("material"), orientation=ORIENTATION, unit="MPa")


def held(x: float, value: float) -> fem.DirichletBC:
    """All displacements at one end: along the bar by a value, across it zero."""
    facets = mesh.locate_entities_boundary(domain, 2, lambda p: np.isclose(p[0], x))
    shift = fem.Function(V)
    shift.x.array[0::3] = value
    return fem.dirichletbc(shift, fem.locate_dofs_topological(V, 2, facets))


result = Problem(law.residual(v), law, bcs=[held(0.0, 0.0), held(2.0, 2 * STRETCH)]).solve()
print(result)
'''


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(new)


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Make a commented project folder: a place for simulations, options for every step, a DOLFINx script.

    It holds a small example data set (silicon by DFT), so that every step can be tried at once.

    Exit codes: 0 made, 2 the folder is there already or cannot be written.

    [bold]Examples[/]

      [dim]constitutive new my_crystal[/]
      [dim]cd my_crystal && constitutive calibrate --config options.yaml[/]
    """
    files = write_project(folder)
    names = [str(file.relative_to(folder)) for file in files]

    def render() -> None:
        out.print(f"made {folder}:", *names, sep="\n  ")
        out.print(f"next: read {folder / 'README.md'}")

    emit(as_json, {"folder": str(folder), "files": names}, render)


def write_project(folder: Path) -> list[Path]:
    """Write a project folder: built aside, then named.

    Raises
    ------
    ConstitutiveError
        The folder is there already, or cannot be written.
    """
    if folder.exists():
        raise ConstitutiveError(f"{folder}: exists already; name a folder that does not exist; nothing was written")
    contents = {"README.md": README.format(name=folder.name), "options.yaml": OPTIONS, "solve.py": SOLVE}
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        (draft / "data").mkdir(parents=True)
        for name, text in contents.items():
            (draft / name).write_text(text, encoding="utf-8")
        shutil.copyfile(shipped("silicon") / "data.json", draft / "data" / "example.json")
        draft.rename(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise ConstitutiveError(f"{folder}: cannot be written ({error})") from error
    return sorted(file for file in folder.rglob("*") if file.is_file())
