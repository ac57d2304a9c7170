"""Results at the quadrature points as Functions, integrals and files for ParaView."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import ufl
from dolfinx import fem, io
from jaxtyping import Float
from mpi4py import MPI
from torch import Tensor

from constitutive.errors import MaterialError, SolveError
from constitutive.fem import compat
from constitutive.fem.project import cell_average, project
from constitutive.kinematics import cauchy_from_second_piola, first_from_second_piola
from constitutive.tensors.packing import from_mandel

if TYPE_CHECKING:
    from constitutive.fem.points import PointLaw
    from constitutive.fem.regions import Region
    from constitutive.fem.user_material import UserMaterial


class PointState:
    """What is known at a batch of points once the laws have been evaluated there.

    Attributes
    ----------
    x : Tensor (n, 6)
        Lab strain, with the strains out of the plane.
    gradient : array (n, 3, 3)
        Displacement gradient H.
    """

    def __init__(self, owner: UserMaterial, region: Region, law: PointLaw, x: Tensor, gradient: np.ndarray) -> None:
        self.owner, self.region, self.law, self.x, self.gradient = owner, region, law, x, gradient

    @property
    def finite(self) -> bool:
        """Whether strains are finite."""
        return self.owner.measure.finite

    @property
    def S(self) -> Float[Tensor, "n 3 3"]:
        """Second Piola–Kirchhoff stress, the stress at small strain."""
        return from_mandel(self.law.stress(self.x))

    @property
    def F(self) -> Float[Tensor, "n 3 3"]:
        """Deformation gradient; in plane stress with the column out of the plane that the strains there mean."""
        F = torch.from_numpy(self.gradient) + torch.eye(3, dtype=torch.float64)
        if self.owner.measure.passive:
            C = 2 * from_mandel(self.x) + torch.eye(3, dtype=torch.float64)
            F[:, :2, 2] = torch.linalg.solve(F[:, :2, :2].transpose(1, 2), C[:, :2, 2])
            F[:, 2, 2] = torch.sqrt(C[:, 2, 2] - (F[:, :2, 2] ** 2).sum(-1))
        return F

    def cauchy(self) -> Float[Tensor, "n 3 3"]:
        """Cauchy stress."""
        return cauchy_from_second_piola(self.F, self.S) if self.finite else self.S

    def first_piola(self) -> Float[Tensor, "n 3 3"]:
        """First Piola–Kirchhoff stress."""
        return first_from_second_piola(self.F, self.S) if self.finite else self.S

    def mises(self) -> Float[Tensor, " n"]:
        """Mises' equivalent of the Cauchy stress."""
        sigma = self.cauchy()
        deviator = sigma - sigma.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None] * torch.eye(3, dtype=torch.float64)
        return torch.sqrt(1.5 * (deviator**2).sum((-2, -1)))

    def distance(self) -> Float[Tensor, " n"]:
        """Size of the crystal's strain relative to the edge of its domain."""
        return self.region.distance(self.law.crystal_strain(self.x))

    def uncertainty(self) -> Float[Tensor, " n"]:
        """Half the width of the interval that holds the stress with 90 % probability, as a Frobenius norm."""
        estimate = getattr(self.region.material, "uncertainty", None)
        if estimate is None:
            name = getattr(self.region.material, "name", type(self.region.material).__name__)
            raise MaterialError(f"the material {name!r} carries no uncertainty; calibrate it on data to get one")
        if self.law.compiled is not None:
            return self.law.by_compiled_code(self.x, "uncertainty")
        unit = self.law.unit if self.law.map is None else self.law.map.weight
        width = estimate.half_width(from_mandel(self.law.crystal_strain(self.x)))
        return torch.linalg.matrix_norm(width) * unit


QUANTITIES: dict[str, tuple[tuple[int, ...], Callable[[PointState], Tensor]]] = {
    "cauchy_stress": ((3, 3), PointState.cauchy),
    "first_piola_kirchhoff": ((3, 3), PointState.first_piola),
    "second_piola_kirchhoff": ((3, 3), lambda state: state.S),
    "mises_stress": ((), PointState.mises),
    "strain": ((3, 3), lambda state: from_mandel(state.x)),
    "crystal_strain": ((3, 3), lambda state: from_mandel(state.law.crystal_strain(state.x))),
    "deformation_gradient": ((3, 3), lambda state: state.F),
    "strain_energy_density": ((), lambda state: state.law.energy(state.x)),
    "domain_distance": ((), PointState.distance),
    "outside_domain": ((), lambda state: (state.distance() > 1 + 1e-9).to(torch.float64)),
    "uncertainty": ((), PointState.uncertainty),
    "strain_norm": ((), lambda state: state.x.norm(dim=1)),
}


def evaluate_points(owner: UserMaterial, function: Callable[[PointState], Tensor], size: int) -> np.ndarray:
    """Values (points of this rank, size) of a function of the state, chunk by chunk."""
    from constitutive.fem.user_material import quiet_torch

    values = np.zeros((owner.points.cells, owner.points.per_cell, size))
    with quiet_torch(owner.mesh.comm.size):
        for region in owner.regions:
            for cells in region.chunks(owner.cells_at_once):
                law = region.at(cells)
                x, _ = owner.strain_at(cells)
                state = PointState(owner, region, law, x, owner.gradient_at(cells))
                values[cells] = function(state).reshape(len(cells), owner.points.per_cell, size).numpy()
    return values.reshape(-1, size)


def field(owner: UserMaterial, name: str, space: Any = "cells") -> Any:
    """A result as a DOLFINx Function of the name.

    Parameters
    ----------
    name : str
        "cauchy_stress", "first_piola_kirchhoff", "second_piola_kirchhoff", "mises_stress", "strain",
        "crystal_strain", "deformation_gradient", "strain_energy_density", "domain_distance", "outside_domain",
        "uncertainty" or "strain_norm"; stresses in the law's unit, as 3×3 tensors in the lab. Strains are
        Green–Lagrange, infinitesimal where the law is.
    space : "cells", "points", "nodes" or (family, degree)
        Averages over cells; values at the quadrature points; L2 projection on continuous elements of the geometry's
        degree, or on a Lagrange space such as ("Lagrange", 2) or ("DG", 1).

    Raises
    ------
    SolveError
        No such result.
    MaterialError
        A material has no such estimate.
    """
    if name not in QUANTITIES:
        raise SolveError(f"no field named {name!r}; there are {', '.join(QUANTITIES)}")
    shape, function = QUANTITIES[name]
    size = int(np.prod(shape, dtype=int))
    from constitutive.fem.user_material import agreed

    values = agreed(owner.mesh.comm, lambda: evaluate_points(owner, function, size))
    if space == "cells":
        return cell_average(owner.points, values, shape, name)
    at_points = fem.Function(owner.points.space(shape), name=name)
    at_points.x.array[owner.points.dof_order(at_points)] = values.ravel()
    at_points.x.scatter_forward()
    if space == "points":
        return at_points
    return project(at_points, owner.points, ("Lagrange", compat.geometry_degree(owner.mesh)) if space == "nodes" else space, name)


def integral(owner: UserMaterial, values: np.ndarray) -> float:
    """Integral over the mesh of values at the points of this rank, over all ranks."""
    coefficient = fem.Function(owner.points.space(()))
    coefficient.x.array[owner.points.dof_order(coefficient)] = values.ravel()
    local = fem.assemble_scalar(fem.form(coefficient * owner.dx))
    return float(owner.mesh.comm.allreduce(local, op=MPI.SUM))


def total_energy(owner: UserMaterial) -> float:
    """Strain energy of the whole mesh, over all ranks."""
    return integral(owner, evaluate_points(owner, QUANTITIES["strain_energy_density"][1], 1))


def mass(owner: UserMaterial, length_unit: str = "mm") -> float:
    """Mass in kg from the densities of the structures.

    Raises
    ------
    MaterialError
        A material has no structure, so no density.
    """
    metres = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "nm": 1e-9}
    if length_unit not in metres:
        raise SolveError(f"length_unit={length_unit!r}: it is one of {', '.join(metres)}")
    values = np.zeros((owner.points.cells, owner.points.per_cell))
    for region in owner.regions:
        structure = getattr(region.material, "structure", None)
        if structure is None:
            raise MaterialError("the mass needs the density of the crystal, and a material has no structure")
        values[region.cells] = float(structure.density) * 1e3  # g/cm³ to kg/m³
    return integral(owner, values) * metres[length_unit] ** owner.mesh.geometry.dim


def _largest(owner: UserMaterial, function: Callable[[PointState], Tensor]) -> float:
    values = evaluate_points(owner, function, 1)
    return float(owner.mesh.comm.allreduce(values.max(initial=0.0), op=MPI.MAX))


def worst_strain(owner: UserMaterial) -> float:
    """Largest Frobenius norm of the strain, over all ranks."""
    return _largest(owner, QUANTITIES["strain_norm"][1])


def count_outside(owner: UserMaterial) -> int:
    """Points outside the domain of their law, over all ranks."""
    local = (
        evaluate_points(owner, QUANTITIES["outside_domain"][1], 1).sum() if any(r.domain is not None for r in owner.regions) else 0
    )
    return int(owner.mesh.comm.allreduce(int(local), op=MPI.SUM))


def write_fields(
    path: str | Path, owner: UserMaterial, names: Sequence[str] = ("cauchy_stress", "mises_stress"), *, time: float = 0.0
) -> Path:
    """Write the displacement and results for ParaView.

    A name ending in ``.pvd`` gives VTK files with results by cells, ``.bp`` VTX files (needs ADIOS2) with results at nodes.

    Raises
    ------
    SolveError
        Another ending, or a displacement that is only part of a Function.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pvd":
        with io.VTKFile(owner.mesh.comm, str(path), "w") as file:
            file.write_function([_nodal_displacement(owner), *(owner.field(name, "cells") for name in names)], time)
    elif path.suffix == ".bp":
        with compat.vtx_writer(
            owner.mesh.comm, path, [_nodal_displacement(owner), *(owner.field(name, "nodes") for name in names)]
        ) as file:
            file.write(time)
    else:
        raise SolveError(f"{path}: results are written to .pvd (VTK) or .bp (VTX)")
    return path


def _nodal_displacement(owner: UserMaterial) -> Any:
    """Displacement on the geometry's own nodes, in three components."""
    mesh = owner.mesh
    space = fem.functionspace(mesh, ("Lagrange", compat.geometry_degree(mesh), (3,)))
    displacement = fem.Function(space, name="displacement")
    u = owner.u
    padded = ufl.as_vector([u[k] if k < u.ufl_shape[0] else ufl.as_ufl(0.0) for k in range(3)])
    displacement.interpolate(fem.Expression(padded, compat.interpolation_points(space)))
    displacement.x.scatter_forward()
    return displacement
