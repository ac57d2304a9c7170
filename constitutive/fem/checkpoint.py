"""Checkpoints: written on any number of ranks, read on any other, and never half there.

Each is a new file beside the old one; a small JSON file that names it is replaced in one move once all ranks have
written. A process killed at any moment so leaves the previous state. The mesh is the user's own, made again in the
same way: values travel by the cells' input order.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem import compat
from constitutive.files import write_text

if TYPE_CHECKING:
    from constitutive.fem.problem import Problem

LATEST = "latest.json"
VERSION = 1
SAME_PLACE = 1e-9  # of the mesh's extent


def write(problem: Problem, folder: str | Path) -> Path:
    """Write the state of a problem; collective.

    Returns
    -------
    Path
        The file of the state.
    """
    folder = Path(folder)
    comm = problem.mesh.comm
    if comm.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
    comm.Barrier()
    old = _latest(folder)
    number = 1 + (old["number"] if old else 0)
    target = folder / f"state-{number}.bp"
    if comm.rank == 0 and target.exists():
        shutil.rmtree(target)  # left by a process that was killed while writing
    comm.Barrier()
    compat.write_checkpoint(target, [(problem.u, "unknown"), (_positions(problem.u), "positions")])
    comm.Barrier()
    if comm.rank == 0:
        latest = {"version": VERSION, "number": number, "file": target.name, **_description(problem)}
        write_text(folder / LATEST, json.dumps(latest), SolveError)
        if old and old["file"] != target.name:
            shutil.rmtree(folder / old["file"], ignore_errors=True)
    comm.Barrier()
    return target


def read(problem: Problem, folder: str | Path) -> float:
    """Take a problem to the state of a checkpoint; collective.

    Raises
    ------
    SolveError
        There is none, or it belongs to another mesh, element or version.
    """
    folder = Path(folder)
    saved = _latest(folder)
    if saved is None or not (folder / saved["file"]).exists():
        raise SolveError(f"no checkpoint in {folder}: it needs a {LATEST} and the state that it names")
    expected = _description(problem)
    if saved.get("version") != VERSION or saved["unknowns"] != expected["unknowns"]:
        raise SolveError(
            f"the checkpoint in {folder} has {saved['unknowns']} unknowns (format {saved.get('version')}), this problem "
            f"{expected['unknowns']} (format {VERSION}): make the same mesh and element again"
        )
    there = fem.Function(problem.u.function_space)
    compat.read_checkpoint(folder / saved["file"], there, "positions")
    _require_same_places(problem, there.x.array, folder)
    compat.read_checkpoint(folder / saved["file"], problem.u, "unknown")
    problem.u.x.scatter_forward()
    problem.resume_at(float(saved["load"]))
    return problem.load


def _positions(u: Any) -> Any:
    """Where each entry of the unknown sits, as entries of the same space: what tells one mesh from another."""
    function = fem.Function(u.function_space)
    size = u.function_space.dofmap.index_map_bs
    x = u.function_space.tabulate_dof_coordinates()
    weights = np.array([1.0, np.sqrt(2.0), np.sqrt(3.0)])
    function.x.array[:] = np.repeat(x @ weights, size)
    return function


def _require_same_places(problem: Problem, found: np.ndarray, folder: Path) -> None:
    expected = _positions(problem.u).x.array
    comm = problem.mesh.comm
    extent = comm.allreduce(float(np.ptp(expected)) if expected.size else 0.0, op=MPI.MAX)
    off = comm.allreduce(float(np.abs(found - expected).max(initial=0.0)), op=MPI.MAX)
    if not off <= SAME_PLACE * max(extent, 1e-300):
        raise SolveError(
            f"the checkpoint in {folder} was written on another mesh (nodes are off by {off:.3g}): make the mesh again in the "
            "same way; one that is generated anew in each run has to be read from a file"
        )


def _description(problem: Problem) -> dict[str, Any]:
    dofmap = problem.u.function_space.dofmap
    return {"load": problem.load, "unknowns": int(dofmap.index_map.size_global * dofmap.index_map_bs)}


def _latest(folder: Path) -> dict[str, Any] | None:
    path = folder / LATEST
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SolveError(f"{path} is damaged: {error}; remove the folder and solve from the start") from error
