r"""Grains as meshes: a map of EBSD, a grid of DAMASK, a mesh of Neper.

A map's points are joined to grains where neighbours differ by less than a threshold, over all symmetry operations of
the crystal: the disorientation of :math:`R_1` and :math:`R_2` is :math:`\min_g \arccos\frac{1}{2}(\mathrm{tr}(R_1^T R_2\,g) - 1)`. Small
grains and points without an orientation go to the nearest grain; the orientation of a grain is the mean over its points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dolfinx.mesh import CellType, Mesh, MeshTags, compute_midpoints, create_box, create_rectangle, meshtags
from jaxtyping import Bool, Float, Int
from mpi4py import MPI
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from constitutive.errors import DataError
from constitutive.fem.compat import read_msh
from constitutive.fem.image_data import cell_array
from constitutive.fem.orientation_maps import PointMap, point_map
from constitutive.fem.orientations import check_rotations, crystal_turn, rotation_from_bunge
from constitutive.material import Material

Crystals = Material | Mapping[str, Material]
_HALF_TURNS = {"edax1": (1, 1, 0), "edax2": (1, -1, 0), "edax3": (1, 0, 0), "edax4": (0, 1, 0), "oxford": (1, 0, 0)}
FRAMES = ("same", *_HALF_TURNS)
CHUNK = 20_000  # pairs of neighbours at a time


@dataclass(frozen=True)
class GrainGrid:
    """A grid of points, each with the number of its grain.

    Attributes
    ----------
    tags : int array (nx, ny) or (nx, ny, nz)
        Grain of each point; the first axis is x.
    spacing : array (2,) or (3,)
        Distance of points along each axis, in the file's unit.
    origin : array (2,) or (3,)
        Corner of the grid, in the file's unit.
    """

    tags: Int[np.ndarray, "..."]
    spacing: Float[np.ndarray, " d"]
    origin: Float[np.ndarray, " d"]

    def mesh(
        self, comm: MPI.Comm, *, thickness: float | None = None, layers: int = 1, refine: int = 1, scale: float = 1.0
    ) -> tuple[Mesh, MeshTags]:
        """A mesh with a square or cube for each point, and the grains as tags of its cells; collective.

        Parameters
        ----------
        comm : MPI communicator
        thickness : float, optional
            Extrude a grid in the plane into hexahedra, in the file's unit; without it the mesh is one of quadrilaterals.
        layers : int
            Cells through the thickness.
        refine : int
            Cells for each point along each axis of the grid.
        scale : float
            Factor of all lengths, such as 1e-3 from micrometres to millimetres.

        Returns
        -------
        mesh, tags
            For ``UserMaterial(…, cell_tags=tags)``.

        Raises
        ------
        DataError
            A number is not positive, or a thickness is given for a grid in space.
        """
        plane = self.tags.ndim == 2
        if thickness is not None and not plane:
            found = f"this one has {self.tags.shape[2]} layers of points"
            raise DataError(f"thickness={thickness} is for a grid in the plane; {found}: leave it out")
        if min(layers, refine) < 1 or not scale > 0 or not (thickness is None or thickness > 0):
            raise DataError(f"layers={layers}, refine={refine}, scale={scale}, thickness={thickness}: each has to be positive")
        low, high = self.origin, self.origin + self.spacing * self.tags.shape
        counts = [refine * n for n in self.tags.shape]
        if plane and thickness is not None:
            low, high, counts = np.append(low, 0.0), np.append(high, thickness), [*counts, layers]
        corners = [scale * low, scale * high]
        if len(counts) == 2:
            m = create_rectangle(comm, corners, counts, CellType.quadrilateral)
        else:
            m = create_box(comm, corners, counts, CellType.hexahedron)
        return m, self._tagged(m, scale)

    def _tagged(self, m: Mesh, scale: float) -> MeshTags:
        index = m.topology.index_map(m.topology.dim)
        cells = np.arange(index.size_local + index.num_ghosts, dtype=np.int32)
        middle = compute_midpoints(m, m.topology.dim, cells)[:, : self.tags.ndim] / scale
        at = np.floor((middle - self.origin) / self.spacing).astype(int)
        at = np.clip(at, 0, np.array(self.tags.shape) - 1)
        return meshtags(m, m.topology.dim, cells, self.tags[tuple(at.T)].astype(np.int32))


@dataclass(frozen=True)
class GrainMap:
    """The grains of a map of EBSD.

    Attributes
    ----------
    grid : GrainGrid
        The map's points with their grains, which count from 1; y points down in the program's picture.
    orientations : dict
        Grain → rotation (3, 3) from the axes of its crystal's law to the map's x, y and z.
    materials : dict
        Grain → (material, orientation), as ``UserMaterial`` takes it.
    phases : dict
        Grain → phase, as the file names it.
    points : array (nx, ny, 3, 3)
        Orientation of each point as measured; NaN where there is none.
    indexed : array (nx, ny)
        Points with an orientation.
    """

    grid: GrainGrid
    orientations: dict[int, Float[np.ndarray, "3 3"]]
    materials: dict[int, tuple[Material, Float[np.ndarray, "3 3"]]]
    phases: dict[int, str]
    points: Float[np.ndarray, "nx ny 3 3"]
    indexed: Bool[np.ndarray, "nx ny"]

    def spread(self) -> dict[int, float]:
        """Mean disorientation of the points of each grain from its orientation.

        Returns
        -------
        dict
            Grain → degrees.
        """
        found = {}
        for tag, (material, R) in self.materials.items():
            own = self.points[(self.grid.tags == tag) & self.indexed]
            angles = disorientation(np.broadcast_to(R, own.shape), own, material.point_group.laue_rotations)
            found[tag] = float(np.median(angles)) if len(own) else 0.0
        return found


def disorientation(
    one: Float[np.ndarray, "n 3 3"], other: Float[np.ndarray, "n 3 3"], rotations: Float[np.ndarray, "g 3 3"]
) -> Float[np.ndarray, " n"]:
    """Smallest angle between pairs of orientations of a crystal, over its symmetry operations.

    Parameters
    ----------
    one, other : array (n, 3, 3)
        Crystal → lab.
    rotations : array (g, 3, 3)
        Proper rotations of the crystal's Laue class, in its own axes.

    Returns
    -------
    array (n,)
        Degrees.
    """
    between = one.swapaxes(-1, -2) @ other
    cosine = (np.einsum("nij,gji->ng", between, rotations).max(axis=1, initial=-1.0) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def read_grain_map(
    path: str | Path,
    crystal: Crystals,
    *,
    frame: str | Float[np.ndarray, "3 3"],
    crystal_axes: str | None = None,
    threshold: float = 5.0,
    smallest: int = 4,
) -> GrainMap:
    """Read a map of EBSD (``.ang`` or ``.ctf``) and join its points to grains.

    Parameters
    ----------
    path : str or Path
    crystal : Material or dict
        The material of the one phase, or phase → material with the file's numbers of phases as text.
    frame : str or array (3, 3)
        How the axes of the Euler angles lie in the map, whose x points to the right, y down and z into the page. No file states it:
        ``"same"``, ``"edax1"`` to ``"edax4"`` (EDAX's settings 1 to 4: half turns about x + y, x − y, x, y), ``"oxford"`` (a half turn
        about x), or the rotation from the axes of the angles to those of the map. See ``FRAMES``.
    crystal_axes : {"x||a", "x||a*"}, optional
        As in ``read_orientations``.
    threshold : float
        Degrees between neighbours above which a boundary runs between them.
    smallest : int
        Points of the smallest grain; smaller ones go to their neighbours.

    Returns
    -------
    GrainMap

    Raises
    ------
    DataError
        The file is no map on a grid, a phase has no material, or a number is out of range.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no map at {path}")
    if not 0 < threshold < 180 or smallest < 1:
        raise DataError(f"threshold={threshold}, smallest={smallest}: needed are degrees in (0, 180) and at least 1 point")
    measured = point_map(path.read_text(encoding="utf-8-sig", errors="replace"), path)
    if not measured.indexed.any():
        raise DataError(f"{path}: none of its {len(measured.indexed)} points is indexed")
    crystals = _crystals_of(measured, crystal, path)
    R = _rotations(measured, crystals, crystal_axes, path)
    nearest, spacing, origin, shape = _on_a_grid(measured, path)
    points = np.full((*shape, 3, 3), np.nan)
    phases = np.full(shape, "", dtype=object)
    inside = nearest >= 0
    points[inside] = (_frame(frame, path) @ R)[nearest[inside]]
    phases[inside] = np.array(measured.phases, dtype=object)[nearest[inside]]
    indexed = inside & np.isfinite(points).all(axis=(-1, -2))
    tags = _grown(_joined(points, phases, indexed, crystals, threshold), smallest, path)
    grid = GrainGrid(tags, spacing, origin)
    return _described(grid, points, phases, indexed, crystals)


def _crystals_of(measured: PointMap, crystal: Crystals, path: Path) -> dict[str, Material]:
    present = sorted({phase for phase, there in zip(measured.phases, measured.indexed, strict=True) if there})
    if isinstance(crystal, Material):
        if len(present) > 1:
            raise DataError(f"{path}: holds the phases {', '.join(present)}, one crystal is given: pass a dict, phase → material")
        return {present[0]: crystal}
    crystals = {str(phase): material for phase, material in crystal.items()}
    missing = [phase for phase in present if phase not in crystals]
    if missing:
        known = f"its phases: {', '.join(present)}; given: {', '.join(crystals)}"
        raise DataError(f"{path}: no material for the phase {missing[0]} ({known})")
    return crystals


def _rotations(measured: PointMap, crystals: Mapping[str, Material], axes: str | None, path: Path) -> Float[np.ndarray, "n 3 3"]:
    """Crystal's law → axes of the angles, for each point; NaN where it was not indexed."""
    R = np.full((len(measured.indexed), 3, 3), np.nan)
    table = measured.table(0)
    for phase in sorted(set(table.phases)):
        part = table.of_phase(phase, path)
        R[part.tags] = rotation_from_bunge(part.values) @ crystal_turn(part, crystals[phase], axes, path)
    return R


def _frame(frame: str | np.ndarray, path: Path) -> Float[np.ndarray, "3 3"]:
    if not isinstance(frame, str):
        return check_rotations(np.asarray(frame, dtype=float), "frame")
    if frame not in FRAMES:
        needed = f"one of {', '.join(FRAMES)}, or a rotation from the axes of the angles to the map's"
        raise DataError(f"{path}: frame={frame!r}: needed {needed}")
    if frame == "same":
        return np.eye(3)
    axis = np.array(_HALF_TURNS[frame], dtype=float)
    return 2 * np.outer(axis, axis) / (axis @ axis) - np.eye(3)


def _on_a_grid(measured: PointMap, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """For each point of a rectangular grid the nearest measured one (−1: none near); spacing, corner and shape of the grid."""
    places = measured.places
    low, high = places.min(axis=0), places.max(axis=0)
    steps = []
    for axis in (0, 1):
        values = np.unique(np.round(places[:, axis], 6))
        if len(values) < 2:
            raise DataError(f"{path}: all points have one {'xy'[axis]}; a map needs two rows and columns at least")
        steps.append(float(np.median(np.diff(values))))
    first_row = np.sort(places[np.isclose(places[:, 1], places[0, 1], atol=1e-6 * steps[1]), 0])
    if len(first_row) > 1:  # in a hexagonal grid every second row is shifted by half of a step
        steps[0] = float(np.median(np.diff(first_row)))
    spacing = np.array(steps)
    shape = tuple(int(n) for n in np.floor((high - low) / spacing + 1e-3).astype(int) + 1)
    if np.prod(shape) > 4 * len(places):
        raise DataError(f"{path}: {len(places)} points don't lie on a grid of steps {spacing[0]:.4g} and {spacing[1]:.4g}")
    x, y = (low[k] + spacing[k] * np.arange(shape[k]) for k in (0, 1))
    nodes = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    distance, nearest = cKDTree(places).query(nodes.reshape(-1, 2))
    nearest = np.where(distance <= 0.51 * spacing.max(), nearest, -1)
    return nearest.reshape(shape), spacing, low - spacing / 2, (shape[0], shape[1])


def _joined(points: np.ndarray, phases: np.ndarray, indexed: np.ndarray, crystals: Mapping[str, Material], threshold: float) -> np.ndarray:
    """Number of the connected region of each point; −1 where it has no orientation."""
    number = np.arange(indexed.size).reshape(indexed.shape)
    flat = points.reshape(-1, 3, 3)
    pairs = []
    for one, other in ((number[:-1], number[1:]), (number[:, :-1], number[:, 1:])):
        both = np.stack([one.ravel(), other.ravel()], axis=1)
        names = phases.ravel()[both]
        for phase, material in crystals.items():
            same = both[(names == phase).all(axis=1) & indexed.ravel()[both].all(axis=1)]
            for start in range(0, len(same), CHUNK):
                some = same[start : start + CHUNK]
                near = disorientation(flat[some[:, 0]], flat[some[:, 1]], material.point_group.laue_rotations) < threshold
                pairs.append(some[near])
    i, j = np.concatenate(pairs).T if pairs else np.zeros((2, 0), dtype=int)
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(indexed.size,) * 2)
    regions = connected_components(graph, directed=False)[1].reshape(indexed.shape)
    return np.where(indexed, regions, -1)


def _grown(regions: np.ndarray, smallest: int, path: Path) -> np.ndarray:
    """Grains from 1, in the order of their first points; small regions and empty points taken over by the nearest grain."""
    count = np.bincount(regions[regions >= 0], minlength=1)
    kept = (regions >= 0) & (count[regions] >= smallest)
    if not kept.any():
        raise DataError(f"{path}: no grain has {smallest} points; lower smallest=, or raise threshold=")
    at = distance_transform_edt(~kept, return_distances=False, return_indices=True)
    full = regions[tuple(at)]
    _, first, again = np.unique(full, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=int)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1)
    return rank[again].reshape(full.shape)


def _described(
    grid: GrainGrid, points: np.ndarray, phases: np.ndarray, indexed: np.ndarray, crystals: Mapping[str, Material]
) -> GrainMap:
    orientations, materials, names = {}, {}, {}
    for tag in range(1, int(grid.tags.max()) + 1):
        own = (grid.tags == tag) & indexed
        present, counts = np.unique(phases[own].astype(str), return_counts=True)
        names[tag] = str(present[counts.argmax()])
        material = crystals[names[tag]]
        own &= phases == names[tag]
        orientations[tag] = _mean(points[own], material.point_group.laue_rotations)
        materials[tag] = (material, orientations[tag])
    return GrainMap(grid, orientations, materials, names, points, indexed)


def _mean(R: Float[np.ndarray, "n 3 3"], rotations: Float[np.ndarray, "g 3 3"]) -> Float[np.ndarray, "3 3"]:
    """Mean orientation: each point's equivalent that is nearest to the mean before, starting from the middle point."""
    mean = R[len(R) // 2]
    for _ in range(3):
        closeness = np.einsum("ji,njk,gki->ng", mean, R, rotations)
        U, _, V = np.linalg.svd((R @ rotations[closeness.argmax(axis=1)]).mean(axis=0))
        mean = U @ np.diag([1.0, 1.0, np.linalg.det(U @ V)]) @ V
    return mean


# ---- grids and meshes of other programs ------------------------------------------------------------------------------


def read_damask_grid(path: str | Path) -> GrainGrid:
    """Read DAMASK's grid (``.vti``): the material of each cell, counted from 0 as in ``material.yaml``.

    Parameters
    ----------
    path : str or Path
        As ``damask.GeomGrid.save`` writes it.

    Returns
    -------
    GrainGrid
        Lengths in the file's unit, metres by DAMASK's convention.

    Raises
    ------
    DataError
        The file is no such grid.
    """
    shape, spacing, origin, material = cell_array(Path(path), "material")
    if material.dtype.kind not in "iu" or material.min() < 0:
        raise DataError(f"{path}: 'material' has to hold whole numbers from 0 on, it holds {material.dtype} from {material.min()}")
    return GrainGrid(material.reshape(shape, order="F").astype(int), spacing, origin)


def read_neper_mesh(path: str | Path, comm: MPI.Comm) -> tuple[Mesh, MeshTags]:
    """Read a mesh of Neper (``.msh``) with its grains as tags of the cells; collective.

    Parameters
    ----------
    path : str or Path
        Any mesh of gmsh whose cells are in physical groups will do. ``read_orientations`` of the same file gives the orientations.
    comm : MPI communicator

    Returns
    -------
    mesh, tags
        One tag for each of Neper's element sets.

    Raises
    ------
    DataError
        There is no file, or it holds no groups of cells.
    DependencyError
        The Python module of gmsh is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no mesh at {path}")
    m, tags = read_msh(path, comm)
    if tags is None or not comm.allreduce(len(tags.values)):
        raise DataError(f"{path}: its cells belong to no physical group; neper -M writes one for each grain")
    return m, tags
