"""Meshes, supports and results that several examples share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import basix.ufl
import numpy as np
from dolfinx import fem, mesh
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.image import imread
from mpi4py import MPI

from constitutive.fem.pictures import Panel, draw

Places = Callable[[np.ndarray], np.ndarray]


def grid(axes: list[np.ndarray], keep: Callable[[np.ndarray], np.ndarray] | None = None, comm: MPI.Comm = MPI.COMM_WORLD) -> mesh.Mesh:
    """Quadrilaterals or hexahedra between the given coordinates of each axis; ``keep`` says by their middles which stay."""
    counts = [len(axis) - 1 for axis in axes]
    shape = [n + 1 for n in counts]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    first = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 1, len(axes))
    corners = np.array([[(k >> axis) & 1 for axis in range(len(axes))] for k in range(2 ** len(axes))])  # DOLFINx's order: x fastest
    cells = np.ravel_multi_index(tuple(np.moveaxis(first + corners, -1, 0)), shape).astype(np.int64)
    if keep is not None:
        cells = cells[keep(points[cells].mean(axis=1))]
        used, cells = np.unique(cells, return_inverse=True)
        points, cells = points[used], cells.reshape(-1, 2 ** len(axes))
    if comm.rank:
        cells, points = cells[:0], points[:0]
    shape_of_cell = "quadrilateral" if len(axes) == 2 else "hexahedron"
    return mesh.create_mesh(comm, cells=cells, x=points, e=basix.ufl.element("Lagrange", shape_of_cell, 1, shape=(len(axes),)))


def graded(start: float, end: float, fine: float, coarse: float, growth: float = 1.25) -> np.ndarray:
    """Coordinates from ``start`` to ``end`` in steps that grow from ``fine`` to at most ``coarse``."""
    steps = [fine]
    while sum(steps) < abs(end - start):
        steps.append(min(steps[-1] * growth, coarse))
    x = np.concatenate([[0.0], np.cumsum(steps)])
    return start + (end - start) * x / x[-1]


def tagged(m: mesh.Mesh, tag_of: Callable[[np.ndarray], np.ndarray]) -> mesh.MeshTags:
    """Tags of all cells by their middles."""
    index = m.topology.index_map(m.topology.dim)
    cells = np.arange(index.size_local + index.num_ghosts, dtype=np.int32)
    return mesh.meshtags(m, m.topology.dim, cells, tag_of(mesh.compute_midpoints(m, m.topology.dim, cells)).astype(np.int32))


def held(V: fem.FunctionSpace, component: int, where: Places, value: fem.Constant | float = 0.0) -> fem.DirichletBC:
    """One component of the displacement at the nodes for which ``where`` is true."""
    sub, _ = V.sub(component).collapse()
    dofs = fem.locate_dofs_geometrical((V.sub(component), sub), where)
    if isinstance(value, fem.Constant):
        return fem.dirichletbc(value, dofs[0], V.sub(component))
    given = fem.Function(sub)
    given.x.array[:] = value
    return fem.dirichletbc(given, dofs, V.sub(component))


def gathered(function: fem.Function) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and values of a Function, from all ranks, in one order whatever their number."""
    V = function.function_space
    owned, size = V.dofmap.index_map.size_local, V.dofmap.index_map_bs
    parts = V.mesh.comm.allgather((V.tabulate_dof_coordinates()[:owned], function.x.array[: owned * size].reshape(-1, size)))
    x, values = np.concatenate([x for x, _ in parts]), np.concatenate([values for _, values in parts])
    order = np.lexsort(np.round(x, 9).T)
    return x[order], values[order]


def gathered_cells(function: fem.Function) -> tuple[np.ndarray, np.ndarray]:
    """Corners (cells, corners, dimension) and values (cells, corners, size) of a discontinuous linear Function, from all ranks."""
    V = function.function_space
    owned, size = V.mesh.topology.index_map(V.mesh.topology.dim).size_local, V.dofmap.index_map_bs
    dofs = V.dofmap.list[:owned]
    parts = V.mesh.comm.allgather((V.tabulate_dof_coordinates()[dofs], function.x.array.reshape(-1, size)[dofs]))
    x, values = np.concatenate([x for x, _ in parts]), np.concatenate([values for _, values in parts])
    order = np.lexsort(np.round(x.mean(axis=1), 9).T)
    return x[order], values[order]


def triangles_of(cells: int) -> np.ndarray:
    """Two triangles for each quadrilateral whose corners are numbered four by four, as matplotlib's Triangulation takes them."""
    return (4 * np.arange(cells)[:, None, None] + np.array([[0, 1, 2], [1, 3, 2]])).reshape(-1, 3)


def view(panel: Panel, folder: Path, **options: Any) -> np.ndarray | None:
    """A mesh as an image without margins and colour bar (give the panel its limits), for a figure; None on ranks other than 0."""
    path = draw(folder / "view.png", replace(panel, title=""), **options)
    if panel.u.function_space.mesh.comm.rank:
        return None
    image = imread(path)
    path.unlink()
    image = image[: int(0.83 * len(image)), :, :3]  # the bar is below
    inked = (image < 0.99).any(axis=2)
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def of_one_size(images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Images with white around them, all of the size of the largest: at one scale, with titles at one height."""
    images = list(images)
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    found = []
    for image in images:
        up, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        around = ((up, height - image.shape[0] - up), (left, width - image.shape[1] - left), (0, 0))
        found.append(np.pad(image, around, constant_values=1.0))
    return found


def show_view(axis: Any, image: np.ndarray, title: str) -> None:
    """Put such an image on an axis."""
    axis.imshow(image)
    axis.set_title(title)
    axis.set_axis_off()


def colour_bar(figure: Any, axes: Any, label: str, limits: tuple[float, float], colours: str) -> None:
    """A colour bar below axes that show images."""
    scale = ScalarMappable(Normalize(*limits), colours)
    figure.colorbar(scale, ax=axes, location="bottom", shrink=0.7, aspect=35, pad=0.03).set_label(label)
