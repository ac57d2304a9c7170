"""What differs between DOLFINx 0.9 and 0.11, in one place."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from dolfinx import fem
from dolfinx.mesh import Mesh, MeshTags
from mpi4py import MPI

from constitutive.errors import DataError, DependencyError


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


def read_msh(path: Path, comm: MPI.Comm) -> tuple[Mesh, MeshTags | None]:
    """Read a mesh of gmsh's format with the tags of its cells; collective.

    Parameters
    ----------
    path : Path
    comm : MPI communicator

    Returns
    -------
    mesh, tags
        None where the cells have none.

    Raises
    ------
    DependencyError
        gmsh's Python module is missing.
    """
    try:
        import gmsh  # optional, and it loads a large library
    except (ImportError, OSError) as error:
        how = "`apt install python3-gmsh`, or pip or conda"
        raise DependencyError(f"meshes of gmsh and Neper need gmsh's Python module ({error}): {how}") from error
    reader = importlib.import_module("dolfinx.io.gmshio" if importlib.util.find_spec("dolfinx.io.gmshio") else "dolfinx.io.gmsh")
    problem, dimension = "", 0
    if comm.rank == 0:
        gmsh.initialize(readConfigFiles=False)
        gmsh.option.setNumber("General.Terminal", 0)
        try:
            gmsh.open(str(path))
            dimension = gmsh.model.getDimension()
        except Exception as error:  # noqa: BLE001 - gmsh raises Exception itself
            problem = str(error) or "gmsh cannot read it"
    problem, dimension = comm.bcast((problem, dimension))
    try:
        if problem or dimension not in (2, 3):
            raise DataError(f"{path}: {problem or f'a mesh of dimension {dimension}; needed are cells in the plane or in space'}")
        found = reader.model_to_mesh(gmsh.model, comm, 0, gdim=dimension)
    finally:
        if comm.rank == 0:
            gmsh.finalize()
    return (found.mesh, found.cell_tags) if hasattr(found, "cell_tags") else (found[0], found[1])
