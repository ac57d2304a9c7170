"""Checkpoints: written on any number of ranks, read on any other, and never incomplete.

Each is a new file beside the old one; a small JSON file that names it is replaced in one move once all ranks have
written. A process killed at any moment so leaves the previous state. The mesh is the user's own, made again in the
same way: values travel by the cells' input order.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem import compat
from constitutive.fem.collective import on_first_rank
from constitutive.files import write_text

LATEST = "latest.json"
VERSION = 1
SAME_PLACE = 1e-9  # of the mesh's extent


class Latest(TypedDict, total=False):
    """What ``latest.json`` holds: the format, the number and file of the state, the load reached, the size of the unknown.

    Attributes
    ----------
    version : int
        Of the format.
    number : int
        Of the state: checkpoints are counted.
    file : str
        Name of its file in the folder.
    load : float
        Part of the load reached.
    unknowns : int
        Size of the displacement over all ranks.
    also : list of str
        Names of further functions, such as velocities.
    numbers : dict
        Further numbers, such as the time.
    """

    version: int
    number: int
    file: str
    load: float
    unknowns: int
    also: list[str]
    numbers: dict[str, float]


def write(
    u: fem.Function,
    load: float,
    folder: str | Path,
    also: Mapping[str, fem.Function] | None = None,
    numbers: Mapping[str, float] | None = None,
) -> Path:
    """Write a solution and the load that it belongs to; collective.

    Parameters
    ----------
    u : dolfinx.fem.Function
        The unknown.
    load : float
        Part of the load reached.
    folder : str or Path
        Made where it does not exist; it has to be the same for all ranks.
    also : dict, optional
        Further functions of the same space, by name.
    numbers : dict, optional
        Further numbers.

    Returns
    -------
    Path
        The file of the state.

    Raises
    ------
    SolveError
        The folder cannot be made or written: on all ranks.
    """
    folder = Path(folder)
    comm = u.function_space.mesh.comm
    old, target = on_first_rank(comm, lambda: _make_place(folder))
    compat.write_checkpoint(
        target, [(u, "unknown"), (_positions(u), "positions"), *((function, name) for name, function in (also or {}).items())]
    )
    comm.Barrier()
    number = 1 + (old["number"] if old else 0)
    content = Latest(
        version=VERSION,
        number=number,
        file=target.name,
        load=load,
        unknowns=_unknowns(u),
        also=sorted(also or ()),
        numbers=dict(numbers or {}),
    )
    on_first_rank(comm, lambda: _put_in_force(folder, content, old))
    return target


def require_cells_everywhere(u: fem.Function) -> None:
    """Require that checkpoints can be written: their package fails where a rank owns no cell; collective.

    Parameters
    ----------
    u : Function
        The unknown.

    Raises
    ------
    SolveError
        A rank owns none.
    """
    mesh = u.function_space.mesh
    owned = mesh.topology.index_map(mesh.topology.dim).size_local
    if not mesh.comm.allreduce(owned, op=MPI.MIN):
        raise SolveError("checkpoints cannot be written where a rank owns no cell of the mesh: take fewer ranks, or no checkpoint")


def _make_place(folder: Path) -> tuple[Latest | None, Path]:
    """Make the folder; the state that stands there and the file of the next one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = _latest(folder)
        target = folder / f"state-{1 + (old['number'] if old else 0)}.bp"
        if target.exists():
            shutil.rmtree(target)  # left by a process that was killed while writing
        (folder / f"{LATEST}.new").touch()  # a folder that is there but cannot be written is found before the ranks write
        (folder / f"{LATEST}.new").unlink()
    except OSError as error:
        raise SolveError(f"the checkpoint folder {folder} cannot be made or written: {error}; give another one") from error
    return old, target


def _put_in_force(folder: Path, content: Latest, old: Latest | None) -> None:
    write_text(folder / LATEST, json.dumps(content), SolveError)
    if old and old["file"] != content["file"]:
        shutil.rmtree(folder / old["file"], ignore_errors=True)


def read(u: fem.Function, folder: str | Path) -> float:
    """Take a solution from a checkpoint; collective.

    Parameters
    ----------
    u : dolfinx.fem.Function
        The unknown, changed in place.
    folder : str or Path
        The checkpoint's.

    Returns
    -------
    float
        Part of the load reached there.

    Raises
    ------
    SolveError
        There is none, or it belongs to another mesh, element or version.
    """
    folder = Path(folder)
    comm = u.function_space.mesh.comm
    saved = on_first_rank(comm, lambda: _usable(folder))
    expected = _unknowns(u)
    if saved["version"] != VERSION or saved["unknowns"] != expected:
        raise SolveError(
            f"the checkpoint in {folder} has {saved['unknowns']} unknowns (format {saved['version']}), this problem "
            f"{expected} (format {VERSION}): make the same mesh and element again"
        )
    there = fem.Function(u.function_space)
    compat.read_checkpoint(folder / saved["file"], there, "positions")
    _require_same_places(u, there.x.array, folder)
    compat.read_checkpoint(folder / saved["file"], u, "unknown")
    u.x.scatter_forward()
    return float(saved["load"])


def read_also(also: Mapping[str, fem.Function], folder: str | Path) -> dict[str, float]:
    """Take further functions and numbers from a checkpoint, after its solution; collective.

    Parameters
    ----------
    also : dict
        Functions by name, changed in place.
    folder : str or Path
        The checkpoint's.

    Returns
    -------
    dict of float
        The numbers.

    Raises
    ------
    SolveError
        The checkpoint does not hold one of them.
    """
    folder = Path(folder)
    comm = next(iter(also.values())).function_space.mesh.comm
    saved = on_first_rank(comm, lambda: _usable(folder))
    missing = sorted(set(also) - set(saved["also"] or ()))
    if missing:
        raise SolveError(f"the checkpoint in {folder} holds no {', '.join(missing)}: it is not one of a run in time")
    for name, function in also.items():
        compat.read_checkpoint(folder / saved["file"], function, name)
        function.x.scatter_forward()
    return saved["numbers"]


def _usable(folder: Path) -> Latest:
    saved = _latest(folder)
    if saved is None or not (folder / saved["file"]).exists():
        raise SolveError(f"no checkpoint in {folder}: it needs a {LATEST} and the state that it names")
    return saved


def _positions(u: fem.Function) -> fem.Function:
    """Where each entry of the unknown sits, as entries of the same space: by these one mesh is distinguished from another."""
    function = fem.Function(u.function_space)
    function.x.array[:] = _places(u.function_space)
    return function


def _places(space: fem.FunctionSpace) -> np.ndarray:
    """A number for the place of each local entry of a space; of mixed ones part by part."""
    size = space.dofmap.index_map_bs
    if space.num_sub_spaces and size == 1:
        found = np.zeros(space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts)
        for k in range(space.num_sub_spaces):
            part, entries = space.sub(k).collapse()
            found[np.array(entries)] = _places(part)
        return found
    weights = np.array([1.0, np.sqrt(2.0), np.sqrt(3.0)])
    return np.repeat(space.tabulate_dof_coordinates() @ weights, size)


def _require_same_places(u: fem.Function, found: np.ndarray, folder: Path) -> None:
    expected = _positions(u).x.array
    comm = u.function_space.mesh.comm
    extent = comm.allreduce(float(np.ptp(expected)) if expected.size else 0.0, op=MPI.MAX)
    off = comm.allreduce(float(np.abs(found - expected).max(initial=0.0)), op=MPI.MAX)
    if not off <= SAME_PLACE * max(extent, 1e-300):
        raise SolveError(
            f"the checkpoint in {folder} was written on another mesh (nodes are off by {off:.3g}): make the mesh again in the "
            "same way; one that is generated anew in each run has to be read from a file"
        )


def _unknowns(u: fem.Function) -> int:
    dofmap = u.function_space.dofmap
    return int(dofmap.index_map.size_global * dofmap.index_map_bs)


def _latest(folder: Path) -> Latest | None:
    path = folder / LATEST
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Latest(**{key: content.get(key) for key in Latest.__annotations__})  # type: ignore[typeddict-item] # checked in read
    except (json.JSONDecodeError, AttributeError) as error:
        raise SolveError(f"{path} is damaged: {error}; remove the folder and solve from the start") from error
