"""Results as files for ParaView."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ufl
from dolfinx import fem, io

from constitutive.errors import SolveError
from constitutive.fem import compat
from constitutive.fem.collective import on_first_rank
from constitutive.fem.coupled_material import CoupledMaterial
from constitutive.fem.user_material import UserMaterial


def write_fields(
    path: str | Path, law: UserMaterial, names: Sequence[str] = ("cauchy_stress", "mises_stress"), *, time: float = 0.0
) -> Path:
    """Write the unknowns (displacement, electric potential, temperature) and results for ParaView; collective.

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
            file.write_function([*_nodal(law), *(law.field(name, "cells") for name in names)], time)
    else:
        with compat.vtx_writer(mesh.comm, path, [*_nodal(law), *(law.field(name, "nodes") for name in names)]) as file:
            file.write(time)
    return path


def _nodal(law: UserMaterial) -> list[fem.Function]:
    """Displacement in three components, and electric potential and temperature where the law has them, on the geometry's own nodes."""
    mesh, u = law.mesh, law.u
    padded = ufl.as_vector([u[k] if k < u.ufl_shape[0] else ufl.as_ufl(0.0) for k in range(3)])
    parts = {"displacement": padded}
    if isinstance(law, CoupledMaterial):
        scalars = {"electric_potential": law.phi, "temperature_difference": law.T}
        parts |= {name: part for name, part in scalars.items() if part is not None}
    found = []
    for name, part in parts.items():
        space = fem.functionspace(mesh, ("Lagrange", compat.geometry_degree(mesh), part.ufl_shape))
        values = fem.Function(space, name=name)
        values.interpolate(fem.Expression(part, compat.interpolation_points(space)))
        values.x.scatter_forward()
        found.append(values)
    return found
