"""Forms of which a law covers only some cells: the others need a term of the user's own, and all terms one set of tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.mesh import MeshTags, compute_midpoints
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem.user_material import UserMaterial

EVERYWHERE = ("otherwise", "everywhere", -1)


def require_covered(form: ufl.Form, u: fem.Function, laws: Sequence[UserMaterial]) -> None:
    """Require that cells on which no law holds have another term with the unknown; collective.

    Parameters
    ----------
    form : ufl.Form
        The residual.
    u : dolfinx.fem.Function
        The unknown.
    laws : sequence of UserMaterial
        Every law in the form.

    Raises
    ------
    SolveError
        Some have none: a material or a term of the form was forgotten, and the stiffness is zero there. Or a law is on another mesh.
    """
    if not laws:
        return
    for law in laws:
        if law.mesh.topology._cpp_object is not u.function_space.mesh.topology._cpp_object:
            raise SolveError(
                "the law's displacement is on another mesh than the unknown: give a law on a part of the unknown's mesh by cell_tags and "
                "{tag: material}; on a submesh the law, its displacement and its unknown live together, in a form of their own"
            )
    bare = np.ones(laws[0].points.cells, dtype=bool)
    for law in laws:
        bare[law.cells_with_law] = False
    comm = laws[0].mesh.comm
    if not comm.allreduce(bool(bare.any()), op=MPI.LOR):
        return
    stresses = {law.stress for law in laws}
    for integral in form.integrals():
        coefficients = set(ufl.algorithms.extract_coefficients(integral.integrand()))
        if integral.integral_type() == "cell" and u in coefficients and not stresses & coefficients:
            bare[_cells_of(integral, len(bare))] = False
    left = int(comm.allreduce(int(bare.sum()), op=MPI.SUM))
    if left:
        tags = sorted(set().union(*comm.allgather({int(tag) for law in laws for tag in law.tags_without_law(bare)})))
        which = f"the cell tags {tags[:8]} ({left} cells{_place(laws[0], bare)})" if tags else f"{left} cells{_place(laws[0], bare)}"
        raise SolveError(
            f"no material for {which}, and the form has no other term with the unknown there: name the material, or add a term of your own"
        )


def _cells_of(integral: ufl.Integral, cells: int) -> np.ndarray | slice:
    """Cells of an integral on this rank."""
    where = integral.subdomain_id()
    names = where if isinstance(where, tuple) else (where,)
    data = integral.subdomain_data()
    if any(name in EVERYWHERE for name in names):
        return slice(None)
    if isinstance(data, MeshTags):
        found = np.concatenate([data.find(name) for name in names])
    elif isinstance(data, (list, tuple)):  # pairs (identity, cells)
        found = np.concatenate([np.zeros(0, dtype=np.int32), *(np.asarray(part) for name, part in data if name in names)])
    else:
        return slice(None)
    return found[found < cells].astype(np.int64)


def _place(law: UserMaterial, bare: np.ndarray) -> str:
    if law.mesh.comm.size > 1 or not bare.any():
        return ""
    middle = compute_midpoints(law.mesh, law.mesh.topology.dim, np.flatnonzero(bare)[:1].astype(np.int32))[0]
    return f", the first at ({', '.join(f'{x:.4g}' for x in middle[: law.mesh.geometry.dim])})"


def with_shared_tags(form: ufl.Form) -> ufl.Form:
    """Give integrals over the whole mesh the tags of the others of their kind: DOLFINx compiles a form only where all have the same.

    Parameters
    ----------
    form : ufl.Form

    Returns
    -------
    ufl.Form
    """
    shared: dict[str, object] = {}
    for integral in form.integrals():
        if integral.subdomain_data() is not None:
            shared.setdefault(integral.integral_type(), integral.subdomain_data())
    pieces = [
        integral.reconstruct(subdomain_data=shared[integral.integral_type()])
        if integral.subdomain_data() is None and integral.integral_type() in shared and integral.subdomain_id() in EVERYWHERE
        else integral
        for integral in form.integrals()
    ]
    return ufl.Form(pieces)
