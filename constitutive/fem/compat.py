"""What differs between DOLFINx 0.9 and 0.11, in one place."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from dolfinx import fem
from dolfinx.mesh import Mesh
from mpi4py import MPI

from constitutive.errors import DependencyError


def interpolation_points(space: fem.FunctionSpace) -> np.ndarray:
    """Reference points of a space's element: a method in 0.9, a property from 0.10 on.

    Parameters
    ----------
    space : FunctionSpace

    Returns
    -------
    array (points, dimension)
    """
    points = space.element.interpolation_points
    return np.asarray(points() if callable(points) else points)


def geometry_degree(mesh: Mesh) -> int:
    """Degree of the cells' geometry: of ``cmap`` in 0.9, of the first of ``cmaps`` where there may be several kinds.

    Parameters
    ----------
    mesh : Mesh

    Returns
    -------
    int
    """
    geometry = mesh.geometry
    return int(geometry.cmaps[0].degree if hasattr(type(geometry), "cmaps") else geometry.cmap.degree)


def cell_name(mesh: Mesh) -> str:
    """Name of a mesh's cells: "tetrahedron", "hexahedron" and so on.

    Parameters
    ----------
    mesh : Mesh

    Returns
    -------
    str
    """
    return str(mesh.basix_cell().name)


class Writer(Protocol):
    """What writes the present values of Functions into a file."""

    def write(self, time: float) -> None:
        """Write the functions as those of a time.

        Parameters
        ----------
        time : float
        """


def vtx_writer(comm: MPI.Comm, path: Path, functions: Sequence[fem.Function]) -> AbstractContextManager[Writer]:
    """Open a writer of VTX files for ParaView.

    Parameters
    ----------
    comm : MPI communicator
    path : Path
        With the suffix ``.bp``.
    functions : sequence of Function
        On one space.

    Returns
    -------
    context manager
        Its ``write(time)`` writes the functions.

    Raises
    ------
    DependencyError
        This DOLFINx was built without ADIOS2.
    """
    try:
        from dolfinx.io import VTXWriter
    except ImportError as error:
        raise DependencyError("this DOLFINx has no ADIOS2, which .bp files need; write .pvd instead") from error
    return VTXWriter(comm, str(path), list(functions))


def _checkpointing() -> ModuleType:
    """adios4dolfinx, or io4dolfinx, which follows it from DOLFINx 0.10 on."""
    for name in ("adios4dolfinx", "io4dolfinx"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise DependencyError(
        "checkpoints need adios4dolfinx (DOLFINx 0.9) or io4dolfinx (0.10 and newer): `apt install python3-adios4dolfinx`, or pip or conda"
    )


def write_checkpoint(path: Path, functions: list[tuple[fem.Function, str]]) -> None:
    """Write Functions by the input order of the cells; collective.

    Parameters
    ----------
    path : Path
        Folder of ADIOS2.
    functions : list of (Function, name)
    """
    package = _checkpointing()
    for function, name in functions:
        package.write_function_on_input_mesh(path, function, name=name)


def read_checkpoint(path: Path, function: fem.Function, name: str) -> None:
    """Read a Function that ``write_checkpoint`` wrote, on any number of ranks; collective.

    Parameters
    ----------
    path : Path
        Folder of ADIOS2.
    function : Function
        Read into.
    name : str
        Under which it was written.
    """
    _checkpointing().read_function(path, function, name=name)
