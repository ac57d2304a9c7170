"""Laws at the quadrature points of a displacement: strains, batches of cells, faults, and strains out of the plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import ufl
from dolfinx import fem
from dolfinx.mesh import Mesh, compute_midpoints
from torch import Tensor
from ufl.core.expr import Expr

from constitutive.fem.faults import Faults
from constitutive.fem.material_point import LawAtPoints
from constitutive.fem.quadrature import QuadraturePoints
from constitutive.fem.regions import Region
from constitutive.fem.strain_kinematics import StrainKinematics
from constitutive.fem.tensor_fields import Cells
from constitutive.laws.bounded import EDGE


class Evaluation:
    """The laws of a mesh and the strains at which they are evaluated.

    Parameters
    ----------
    mesh : dolfinx.mesh.Mesh
        The mesh.
    u : UFL expression
        Displacement; of coupled laws all unknowns.
    kinematics : StrainKinematics
        Strain of a displacement.
    points : QuadraturePoints
        Where the laws are evaluated.
    regions : list of Region
        Laws and the cells that they hold on.
    chunk : int
        Points evaluated at once.
    """

    def __init__(
        self,
        mesh: Mesh,
        u: Expr | tuple[Expr, ...],
        kinematics: StrainKinematics,
        points: QuadraturePoints,
        regions: list[Region],
        chunk: int,
    ) -> None:
        self.mesh, self.u, self.kinematics, self.points, self.regions = mesh, u, kinematics, points, regions
        self.cells_at_once = max(1, chunk // points.per_cell)
        self.thickness = np.zeros((points.count, len(kinematics.passive)))  # strains out of the plane, in plane stress
        self._strain_at = points.expression(ufl.as_vector([*kinematics.strain(u), kinematics.volume_ratio(u)]))
        own_volume = kinematics.dilatation is not None
        self._gradient_at = points.expression(kinematics.gradient_of_law(u) if own_volume else kinematics.displacement_gradient(u))

    def batches(self) -> Iterator[tuple[Region, Cells, LawAtPoints]]:
        """Cells of this rank in batches, with their region and law.

        Yields
        ------
        (Region, cells, LawAtPoints)
        """
        for region in self.regions:
            for cells in region.chunks(self.cells_at_once):
                yield region, cells, region.at(cells)

    def values(self, function: Callable[[Region, Cells, LawAtPoints], Tensor], size: int) -> np.ndarray:
        """Values (points of this rank, size) of a function of batches; zero on cells without a law.

        Parameters
        ----------
        function : callable
            Of region, cells and law; gives (points, size).
        size : int
            Numbers at a point.

        Returns
        -------
        array (points, size)
        """
        found = np.zeros((self.points.cells, self.points.per_cell, size))
        for region, cells, law in self.batches():
            found[cells] = function(region, cells, law).reshape(len(cells), self.points.per_cell, size).numpy()
        return found.reshape(-1, size)

    def axial_strain(self) -> float | None:
        """The strain along z of generalised plane strain, where it is a Constant.

        Returns
        -------
        float or None
            Dimensionless.
        """
        axial = self.kinematics.axial
        if not isinstance(axial, fem.Constant):
            return None
        stretch = float(axial.value)
        return stretch + stretch**2 / 2 if self.kinematics.finite else stretch

    def strain_at(self, cells: Cells) -> tuple[Tensor, Tensor]:
        """Lab strain (points, 6) in Mandel components and J (points,) at the points of some cells.

        Parameters
        ----------
        cells : int array
            Local cell numbers.

        Returns
        -------
        strain : tensor (points, 6)
        J : tensor (points,)
        """
        values = torch.from_numpy(self._strain_at(cells))
        active, passive = self.kinematics.active, self.kinematics.passive
        if len(active) == 6:
            return values[:, :6], values[:, 6]
        x = torch.zeros(len(values), 6, dtype=torch.float64)
        x[:, list(active)] = values[:, :-1]
        axial = self.axial_strain()
        if passive:
            x[:, list(passive)] = torch.from_numpy(self.thickness.reshape(self.points.cells, -1, 3)[cells].reshape(-1, 3))
        elif axial is not None:
            x[:, 2] = axial
        return x, values[:, -1]

    def gradient_at(self, cells: Cells) -> np.ndarray:
        """Displacement gradient H (points, 3, 3) at the points of some cells.

        Parameters
        ----------
        cells : int array
            Local cell numbers.

        Returns
        -------
        array (points, 3, 3)
            Dimensionless.
        """
        return self._gradient_at(cells).reshape(-1, 3, 3)

    def keep_thickness(self, cells: Cells, x: Tensor) -> None:
        """Keep the strains out of the plane that plane stress found, where the next solve of them begins.

        Parameters
        ----------
        cells : int array
            Local cell numbers.
        x : tensor (points, 6)
            Strains, Mandel; NaN is kept as zero.
        """
        values = torch.nan_to_num(x[:, list(self.kinematics.passive)], nan=0.0).numpy()
        by_cell = self.thickness.reshape(self.points.cells, self.points.per_cell, -1)
        by_cell[cells] = values.reshape(len(cells), self.points.per_cell, -1)

    def find_faults(
        self, faults: Faults, region: Region, law: LawAtPoints, cells: Cells, x: Tensor, J: Tensor, s: Tensor, *, domain: bool
    ) -> None:
        """Count the points that fail in ``faults``, keep the worst, and make their stress NaN.

        Parameters
        ----------
        faults : Faults
            Changed in place.
        region : Region
            With the domain.
        law : LawAtPoints
            That of the region, for these cells.
        cells : Cells
            Local cell numbers.
        x, J, s : Tensor
            Strain, volume ratio and stress at the points of the cells; s is changed in place.
        domain : bool
            Whether a point outside the law's domain is a fault.
        """
        distance = region.distance(law.crystal_strain(x)) if domain and region.domain is not None else None
        if bool(torch.isfinite(s.sum())) and float(J.min()) > 0 and (distance is None or float(distance.max()) <= EDGE):
            return
        inverted = J <= 0
        broken = ~(torch.isfinite(s).all(dim=1) & torch.isfinite(J)) & ~inverted
        outside = torch.zeros_like(inverted) if distance is None else (distance > EDGE) & ~inverted & ~broken
        faults.inverted += int(inverted.sum())
        faults.not_finite += int(broken.sum())
        faults.outside += int(outside.sum())
        badness = torch.where(inverted | broken, 1e3 - torch.nan_to_num(J, nan=-1e3), 0.0)
        badness = badness if distance is None else torch.where(outside, distance, badness)
        s[inverted | broken | outside] = torch.nan
        if float(badness.max()) > faults.badness:
            k = int(badness.argmax())
            faults.badness = float(badness[k])
            cell, point = int(cells[k // self.points.per_cell]), k % self.points.per_cell
            faults.worst = self.describe_point(cell, point, x[k], float(J[k]))

    def describe_point(self, cell: int, point: int, x: Tensor, J: float) -> str:
        """Cell (number in the input, place), point and strain of one point in words.

        Parameters
        ----------
        cell : int
            Local number.
        point : int
            Number in the cell.
        x : tensor (6,)
            Strain, Mandel.
        J : float
            det F.

        Returns
        -------
        str
        """
        number = self.mesh.topology.original_cell_index[cell]
        middle = compute_midpoints(self.mesh, self.mesh.topology.dim, np.array([cell], dtype=np.int32))[0]
        place = ", ".join(f"{x:.4g}" for x in middle[: self.mesh.geometry.dim])
        name = "E" if self.kinematics.finite else "strain"
        root2 = np.sqrt(2.0)
        strain = ", ".join(f"{float(value) / (1 if k < 3 else root2):.3g}" for k, value in enumerate(x))
        return f"cell {number} at ({place}), point {point}: {name} (xx yy zz yz xz xy) = ({strain}), J = {J:.3g}"
