"""Pictures of finite-element results: drawn off-screen by PyVista, on rank 0, of the whole mesh."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from dolfinx import fem
from dolfinx.plot import vtk_mesh

from constitutive.errors import DependencyError, SolveError

INK, EDGE, GHOST = "#1b1f24", "#3a4048", "#9aa3ad"
COLOURS = "viridis"
VIEW = (-0.6, -1.0, 0.55)


@dataclass(frozen=True)
class Panel:
    """One view of a mesh.

    Attributes
    ----------
    u : dolfinx.fem.Function
        Displacement: a vector Function on a Lagrange space.
    values : dolfinx.fem.Function
        Scalar to colour by: one value per cell (``law.field(...)``), or on a Lagrange space of degree 1.
    label : str
        What the colours mean, with the unit.
    title : str
        Above the view.
    warp : float
        Magnification of the displacement.
    limits : (float, float), optional
        Ends of the colour scale; those of the values where not given.
    colours : str
        A matplotlib colour map.
    axes : array (3, 3), optional
        Crystal → lab: draws the crystal's axes as arrows.
    """

    u: Any
    values: Any
    label: str
    title: str = ""
    warp: float = 1.0
    limits: tuple[float, float] | None = None
    colours: str = COLOURS
    axes: Any = None


def draw(
    path: str | Path, panels: Panel | Sequence[Panel], *, size: tuple[int, int] = (1100, 800), view: Any = None, zoom: float = 1.08
) -> Path:
    """Draw panels side by side into a PNG file.

    Collective: every rank calls it, rank 0 draws.

    Parameters
    ----------
    path : str or Path
        The file to write.
    panels : Panel or sequence
        What to draw.
    size : (int, int)
        Pixels of one panel.
    view : optional
        Direction from the focus to the camera, (x, y, z).
    zoom : float
        How much of the panel the mesh fills; compact bodies need less, to keep clear of the colour bar.

    Returns
    -------
    Path
        The file; on every rank.

    Raises
    ------
    DependencyError
        PyVista is not installed.
    SolveError
        The values live on a space that cannot be drawn.
    """
    panels = [panels] if isinstance(panels, Panel) else list(panels)
    comm = panels[0].u.function_space.mesh.comm
    grids = [gathered(panel) for panel in panels]
    if comm.rank == 0:
        _render(Path(path), panels, grids, size, view, zoom)
    comm.barrier()
    return Path(path)


def gathered(panel: Panel) -> Any:
    """The whole mesh on rank 0 as a PyVista grid with ``displacement`` and ``values``; None on the other ranks.

    Parameters
    ----------
    panel : Panel

    Returns
    -------
    pyvista.UnstructuredGrid or None
    """
    V = panel.u.function_space
    comm = V.mesh.comm
    pieces = comm.gather(_piece(panel), root=0)
    if comm.rank:
        return None
    pyvista = require_pyvista()
    grids = []
    for cells, types, points, displacement, values in pieces:
        grid = pyvista.UnstructuredGrid(cells, types, points)
        grid.point_data["displacement"] = displacement
        (grid.cell_data if len(values) == grid.n_cells else grid.point_data)["values"] = values
        grids.append(grid)
    if len(grids) == 1:
        return grids[0]
    merged = pyvista.merge(grids)
    return merged.clean(tolerance=1e-9 * merged.length)  # nodes that ranks share are one: no edges are drawn between the parts


@cache
def require_pyvista() -> Any:
    """PyVista, once it has drawn a first picture in a process of its own: a broken OpenGL ends the process that draws.

    Returns
    -------
    module

    Raises
    ------
    DependencyError
        It is missing or cannot draw; the message says what to install.
    """
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")  # VTK tries X first and complains
    try:
        import pyvista
    except ImportError as error:
        raise DependencyError("pictures of meshes need PyVista: pip install 'constitutive[plot]'") from error
    first_picture = "import pyvista; p = pyvista.Plotter(off_screen=True); p.add_mesh(pyvista.Sphere()); p.screenshot()"
    serial = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_COMM", "PMIX", "PMI_"))}
    tried = subprocess.run([sys.executable, "-c", first_picture], capture_output=True, text=True, env=serial)
    if tried.returncode:
        raise DependencyError(
            f"PyVista is installed but cannot draw without a window (exit code {tried.returncode}): install OpenGL for that, "
            "on Debian `apt install libegl1 libegl-mesa0`, with conda `conda install -c conda-forge vtk`"
        )
    return pyvista


def _piece(panel: Panel) -> tuple[np.ndarray, ...]:
    """Cells that the rank owns: connectivity, types, points, displacement, values."""
    V = panel.u.function_space
    owned = np.arange(V.mesh.topology.index_map(V.mesh.topology.dim).size_local, dtype=np.int32)
    cells, types, points = vtk_mesh(V, owned)
    displacement = np.zeros((len(points), 3))
    size = V.dofmap.index_map_bs
    displacement[:, :size] = panel.u.x.array.reshape(-1, size)[: len(points)]
    return cells, types, points, displacement, _scalars(panel, owned)


def _scalars(panel: Panel, owned: np.ndarray) -> np.ndarray:
    space = panel.values.function_space
    if panel.values.ufl_shape != ():
        raise SolveError(f"colours need a scalar; {panel.label!r} has the shape {panel.values.ufl_shape}")
    if space.ufl_element().degree == 0:
        return np.asarray(panel.values.x.array[space.dofmap.list[owned].ravel()])
    target = fem.Function(fem.functionspace(space.mesh, ("Lagrange", panel.u.function_space.ufl_element().degree)))
    target.interpolate(panel.values)
    return np.asarray(target.x.array)


def _render(path: Path, panels: Sequence[Panel], grids: Sequence[Any], size: tuple[int, int], view: Any, zoom: float) -> None:
    pyvista = require_pyvista()
    path.parent.mkdir(parents=True, exist_ok=True)
    window = (size[0] * len(panels), size[1])
    plotter = pyvista.Plotter(shape=(1, len(panels)), off_screen=True, border=False, window_size=window)
    for column, (panel, grid) in enumerate(zip(panels, grids, strict=True)):
        plotter.subplot(0, column)
        plotter.set_background("white")
        _draw_panel(plotter, panel, grid)
        plotter.view_vector(view if view is not None else VIEW, viewup=(0, 0, 1))
        plotter.reset_camera(bounds=grids[0].bounds)
        plotter.camera.zoom(zoom)
        plotter.camera.focal_point = tuple(np.subtract(plotter.camera.focal_point, (0, 0, 0.06 * grids[0].length)))
    plotter.enable_anti_aliasing("ssaa")
    aside = path.with_suffix(".part.png")
    plotter.screenshot(str(aside))
    plotter.close()
    aside.replace(path)


def _surface(grid: Any) -> Any:
    """The surface of a grid, one facet for each face of a cell: the edges drawn are those of the mesh."""
    from vtkmodules.vtkFiltersGeometry import vtkDataSetSurfaceFilter  # PyVista's own call differs between its versions

    surface = vtkDataSetSurfaceFilter()
    surface.SetInputData(grid)
    surface.SetNonlinearSubdivisionLevel(0)
    surface.Update()
    return require_pyvista().wrap(surface.GetOutput())


def _draw_panel(plotter: Any, panel: Panel, grid: Any) -> None:
    deformed = _surface(grid.warp_by_vector("displacement", factor=panel.warp))
    bar = {
        "title": f"{panel.label}\n",
        "color": INK,
        "font_family": "arial",
        "title_font_size": 30,
        "label_font_size": 26,
        "fmt": "%.3g",
        "n_labels": 4,
        "position_x": 0.2,
        "position_y": 0.03,
        "width": 0.6,
        "height": 0.09,
    }  # fmt: skip; the line feed keeps the title off the numbers
    plotter.add_mesh(
        deformed, scalars="values", cmap=panel.colours, clim=panel.limits, scalar_bar_args=bar, smooth_shading=False,
        ambient=0.35, diffuse=0.7, specular=0.1, show_edges=True, edge_color=EDGE, edge_opacity=0.5, copy_mesh=True,
    )  # fmt: skip
    plotter.add_mesh(_surface(grid).extract_feature_edges(30), color=GHOST, line_width=2)
    if panel.title:
        plotter.add_text(panel.title, position=(0.04, 0.92), viewport=True, font_size=18, color=INK, font="arial")
    if panel.axes is not None:
        _draw_crystal_axes(plotter, np.asarray(panel.axes), grid)


def _draw_crystal_axes(plotter: Any, R: np.ndarray, grid: Any) -> None:
    pyvista = require_pyvista()
    low, high = np.array(grid.bounds).reshape(3, 2).T
    length = 0.28 * float(np.min(high - low))
    origin = np.array([low[0] + 0.1 * length, low[1], high[2] + 1.1 * length])
    for direction, name, tone in zip(R.T, ("100", "010", "001"), ("#c1443c", "#3f8f4f", "#3767b1"), strict=True):
        plotter.add_mesh(pyvista.Arrow(start=origin, direction=direction, scale=length, shaft_radius=0.04, tip_radius=0.11), color=tone)
        place = (origin + 1.25 * length * direction)[None]
        plotter.add_point_labels(
            place, [name], text_color=tone, font_size=26, font_family="arial", shape=None, show_points=False, always_visible=True
        )
