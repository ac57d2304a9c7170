"""The strains that a solve visited, as a file from which `constitutive plan` and `constitutive improve` choose the next samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem

from constitutive.errors import MaterialError
from constitutive.fem.collective import agreed, on_first_rank
from constitutive.fem.fields import PointState, evaluate_points
from constitutive.fem.user_material import UserMaterial
from constitutive.files import replacing


def write_visited(path: str | Path, law: UserMaterial) -> Path:
    """Write the crystal's strain at every quadrature point with its volume; collective.

    Parameters
    ----------
    path : str or Path
        A name ending in ``.npz``.
    law : UserMaterial
        Whose cells, after a solve. All its cells hold one crystal.

    Returns
    -------
    Path
        The file: ``E`` (n, 3, 3), Green–Lagrange strains in crystal axes (infinitesimal where the law is), and ``weights`` (n,), the
        volumes in the mesh's length cubed; sorted by strain.

    Raises
    ------
    MaterialError
        Another ending, or the law holds several crystals.
    """
    file = Path(path)
    if file.suffix != ".npz":
        raise MaterialError(f"{file}: found ending {file.suffix!r}; needed .npz, as constitutive improve --visited reads it")
    names = sorted({region.crystal.name for region in law.evaluation.regions})
    if len(names) > 1:
        raise MaterialError(f"write_visited: found the crystals {', '.join(names)}; needed one: strains of others would be mixed in")
    E = evaluate_points(law.evaluation, PointState.quantities()["crystal_strain"][1], 9)
    comm = law.mesh.comm
    volumes = agreed(comm, lambda: _volumes(law))
    ours = np.isin(np.repeat(np.arange(law.points.cells), len(E) // max(law.points.cells, 1)), law.cells_with_law)
    parts = comm.gather((E[ours], volumes[ours]))

    def write() -> None:
        with replacing(file, MaterialError) as temporary, temporary.open("wb") as target:
            strains, weights = (np.concatenate([part[k] for part in parts or []]) for k in (0, 1))
            order = np.lexsort([weights, *np.round(strains.reshape(-1, 9), 9).T[::-1]])  # the same on any number of ranks
            np.savez(target, E=strains.reshape(-1, 3, 3)[order], weights=weights[order])

    on_first_rank(comm, write)
    return file


def _volumes(law: UserMaterial) -> np.ndarray:
    """Volume of each quadrature point of this rank, in the order of the points."""
    points = law.evaluation.points
    space = points.space(())
    function = fem.Function(space)
    weights = fem.assemble_vector(fem.form(ufl.TestFunction(space) * points.dx)).array
    return np.asarray(weights[points.dof_order(function)])
