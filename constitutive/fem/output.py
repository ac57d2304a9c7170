"""Results as files for ParaView."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ufl
from dolfinx import fem, io

from constitutive.errors import SolveError
from constitutive.fem import compat
from constitutive.fem.collective import on_first_rank
from constitutive.fem.user_material import UserMaterial


def write_fields(
    path: str | Path, law: UserMaterial, names: Sequence[str] = ("cauchy_stress", "mises_stress"), *, time: float = 0.0
) -> Path:
    """Write the displacement and results for ParaView; collective.

    Parameters
    ----------
    path : str or Path
        A name ending in ``.pvd`` gives VTK files with results by cells, ``.bp`` VTX files (needs ADIOS2) with results at nodes.
    law : UserMaterial
        Whose results.
    names : sequence of str
        Results, see ``UserMaterial.field``; stresses in the law's unit.
    time : float
        Written into the file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SolveError
        Another ending.
    """
    path = Path(path)
    mesh = law.mesh
    if path.suffix not in (".pvd", ".bp"):
        raise SolveError(f"{path}: results are written to .pvd (VTK) or .bp (VTX)")
    on_first_rank(mesh.comm, lambda: path.parent.mkdir(parents=True, exist_ok=True))
    if path.suffix == ".pvd":
        with io.VTKFile(mesh.comm, str(path), "w") as file:
            file.write_function([_nodal_displacement(law), *(law.field(name, "cells") for name in names)], time)
    else:
        with compat.vtx_writer(mesh.comm, path, [_nodal_displacement(law), *(law.field(name, "nodes") for name in names)]) as file:
            file.write(time)
    return path


def _nodal_displacement(law: UserMaterial) -> fem.Function:
    """Displacement on the geometry's own nodes, in three components."""
    mesh, u = law.mesh, law.u
    space = fem.functionspace(mesh, ("Lagrange", compat.geometry_degree(mesh), (3,)))
    displacement = fem.Function(space, name="displacement")
    padded = ufl.as_vector([u[k] if k < u.ufl_shape[0] else ufl.as_ufl(0.0) for k in range(3)])
    displacement.interpolate(fem.Expression(padded, compat.interpolation_points(space)))
    displacement.x.scatter_forward()
    return displacement
