"""Results at the quadrature points as Functions and integrals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from dolfinx import fem
from jaxtyping import Float
from mpi4py import MPI
from torch import Tensor

from constitutive.errors import MaterialError, SolveError
from constitutive.fem import compat
from constitutive.fem.collective import agreed, quiet_torch
from constitutive.fem.evaluation import Evaluation
from constitutive.fem.material_point import LawAtPoints, PointLaw
from constitutive.fem.project import cell_average, project
from constitutive.fem.regions import Region
from constitutive.fem.tensor_fields import Cells
from constitutive.kinematics import cauchy_from_second_piola, first_from_second_piola
from constitutive.laws.bounded import EDGE
from constitutive.tensors.packing import from_mandel

SpaceInput: TypeAlias = str | tuple
Quantities: TypeAlias = dict[str, tuple[tuple[int, ...], Callable[[Any], Tensor]]]  # of a PointState or one of its subclasses
METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "nm": 1e-9}


class PointState:
    """What is known at a batch of points once the laws have been evaluated there.

    Attributes
    ----------
    x : Tensor (n, 6)
        Lab strain in Mandel components, with the strains out of the plane.
    """

    def __init__(self, evaluation: Evaluation, region: Region, cells: Cells, law: LawAtPoints) -> None:
        self.evaluation, self.region, self.cells, self.law = evaluation, region, cells, law
        self.x, _ = evaluation.strain_at(cells)

    @property
    def finite(self) -> bool:
        """Whether strains are finite."""
        return self.evaluation.kinematics.finite

    @property
    def S(self) -> Float[Tensor, "n 3 3"]:
        """Second Piola–Kirchhoff stress, the stress at small strain."""
        return from_mandel(self.law.stress(self.x))

    @property
    def F(self) -> Float[Tensor, "n 3 3"]:
        """Deformation gradient; in plane stress with the column out of the plane that the strains there mean."""
        F = torch.from_numpy(self.evaluation.gradient_at(self.cells)) + torch.eye(3, dtype=torch.float64)
        if self.evaluation.kinematics.passive:
            C = 2 * from_mandel(self.x) + torch.eye(3, dtype=torch.float64)
            F[:, :2, 2] = torch.linalg.solve(F[:, :2, :2].transpose(1, 2), C[:, :2, 2])
            F[:, 2, 2] = torch.sqrt(C[:, 2, 2] - (F[:, :2, 2] ** 2).sum(-1))
        return F

    def cauchy(self) -> Float[Tensor, "n 3 3"]:
        """Cauchy stress.

        Returns
        -------
        tensor (n, 3, 3)
            In the law's unit, lab axes.
        """
        return cauchy_from_second_piola(self.F, self.S) if self.finite else self.S

    def first_piola(self) -> Float[Tensor, "n 3 3"]:
        """First Piola–Kirchhoff stress.

        Returns
        -------
        tensor (n, 3, 3)
            In the law's unit.
        """
        return first_from_second_piola(self.F, self.S) if self.finite else self.S

    def mises(self) -> Float[Tensor, " n"]:
        """Mises' equivalent of the Cauchy stress.

        Returns
        -------
        tensor (n,)
            In the law's unit.
        """
        sigma = self.cauchy()
        deviator = sigma - sigma.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None] * torch.eye(3, dtype=torch.float64)
        return torch.sqrt(1.5 * (deviator**2).sum((-2, -1)))

    def distance(self) -> Float[Tensor, " n"]:
        """Size of the crystal's strain relative to the edge of its domain.

        Returns
        -------
        tensor (n,)
            Up to 1 inside.
        """
        return self.region.distance(self.law.crystal_strain(self.x))

    def uncertainty(self) -> Float[Tensor, " n"]:
        """Half the width of the interval that holds the stress with 90 % probability, as a Frobenius norm.

        Returns
        -------
        tensor (n,)
            In the law's unit.

        Raises
        ------
        MaterialError
            The material has no uncertainty.
        """
        estimate = self.region.crystal.uncertainty
        if estimate is None:
            raise MaterialError(f"the material {self.region.crystal.name!r} carries no uncertainty; calibrate it on data to get one")
        law = cast("PointLaw", self.law)  # coupled laws have no such result
        if law.compiled is not None:
            return law.by_compiled_code(self.x, "uncertainty")
        unit = law.unit if law.map is None else law.map.weight
        width = estimate.half_width(from_mandel(law.crystal_strain(self.x)))
        return torch.linalg.matrix_norm(width) * unit

    @classmethod
    def quantities(cls) -> Quantities:
        """Results by name: the shape of each and how it is got from a state.

        Returns
        -------
        dict
        """
        return {
            "cauchy_stress": ((3, 3), cls.cauchy),
            "first_piola_kirchhoff": ((3, 3), cls.first_piola),
            "second_piola_kirchhoff": ((3, 3), lambda state: state.S),
            "mises_stress": ((), cls.mises),
            "strain": ((3, 3), lambda state: from_mandel(state.x)),
            "crystal_strain": ((3, 3), lambda state: from_mandel(state.law.crystal_strain(state.x))),
            "deformation_gradient": ((3, 3), lambda state: state.F),
            "strain_energy_density": ((), lambda state: state.law.energy(state.x)),
            "domain_distance": ((), cls.distance),
            "outside_domain": ((), lambda state: (state.distance() > EDGE).to(torch.float64)),
            "uncertainty": ((), cls.uncertainty),
            "strain_norm": ((), lambda state: state.x.norm(dim=1)),
        }


def evaluate_points(
    evaluation: Evaluation, function: Callable[[Any], Tensor], size: int, state: type[PointState] = PointState
) -> np.ndarray:
    """Values (points of this rank, size) of a function of the state, batch by batch; an error on one rank is one on all; collective.

    Parameters
    ----------
    evaluation : Evaluation
    function : callable
        Of the state of a batch; gives (points, size).
    size : int
        Numbers at a point.
    state : type
        Of the state at a batch of points.

    Returns
    -------
    array (points, size)
    """

    def values() -> np.ndarray:
        with quiet_torch(evaluation.mesh.comm.size):
            return evaluation.values(lambda region, cells, law: function(state(evaluation, region, cells, law)), size)

    return agreed(evaluation.mesh.comm, values)


def field(evaluation: Evaluation, name: str, space: SpaceInput = "cells", state: type[PointState] = PointState) -> fem.Function:
    """A result as a DOLFINx Function of the name; see ``UserMaterial.field``.

    Parameters
    ----------
    evaluation : Evaluation
    name : str
        One of the results of the state.
    space : str or (family, degree)
        "cells", "points", "nodes", or a Lagrange space.
    state : type
        Of the state at a batch of points.

    Returns
    -------
    Function
        In the law's unit.

    Raises
    ------
    SolveError
        No such result.
    MaterialError
        A material has no such estimate.
    """
    quantities = state.quantities()
    if name not in quantities:
        raise SolveError(f"no field named {name!r}; there are {', '.join(quantities)}")
    shape, function = quantities[name]
    points = evaluation.points
    values = evaluate_points(evaluation, function, int(np.prod(shape, dtype=int)), state)
    if space == "cells":
        return cell_average(points, values, shape, name)
    at_points = fem.Function(points.space(shape), name=name)
    at_points.x.array[points.dof_order(at_points)] = values.ravel()
    at_points.x.scatter_forward()
    if space == "points":
        return at_points
    element = ("Lagrange", compat.geometry_degree(evaluation.mesh)) if space == "nodes" else space
    if not isinstance(element, tuple):
        raise SolveError(f"space={space!r}: it is 'cells', 'points', 'nodes' or (family, degree)")
    return project(at_points, points, element, name)


def integral(evaluation: Evaluation, values: np.ndarray) -> float:
    """Integral over the mesh of values at the points of this rank, over all ranks; collective.

    Parameters
    ----------
    evaluation : Evaluation
    values : array (points, 1)
        At the points of this rank.

    Returns
    -------
    float
        In the unit of the values times the mesh's length cubed (squared in the plane).
    """
    coefficient = fem.Function(evaluation.points.space(()))
    coefficient.x.array[evaluation.points.dof_order(coefficient)] = values.ravel()
    local = fem.assemble_scalar(fem.form(evaluation.kinematics.per_volume(coefficient) * evaluation.points.dx))
    return float(evaluation.mesh.comm.allreduce(local, op=MPI.SUM))


def total_energy(evaluation: Evaluation, state: type[PointState] = PointState) -> float:
    """Strain energy of all cells with a law, over all ranks; collective.

    Parameters
    ----------
    evaluation : Evaluation
    state : type
        Of the state at a batch of points.

    Returns
    -------
    float
        In the law's unit times the mesh's length cubed (squared in the plane).
    """
    return integral(evaluation, evaluate_points(evaluation, state.quantities()["strain_energy_density"][1], 1, state))


def mass(evaluation: Evaluation, length_unit: str = "mm") -> float:
    """Mass in kg from the densities of the structures; collective.

    Parameters
    ----------
    evaluation : Evaluation
    length_unit : {"m", "cm", "mm", "um", "nm"}
        The mesh's unit of length.

    Returns
    -------
    float
        kg (kg per unit of thickness in the plane).

    Raises
    ------
    MaterialError
        A material has no structure, so no density.
    SolveError
        The unit of length is not known.
    """
    if length_unit not in METRES:
        raise SolveError(f"length_unit={length_unit!r}: it is one of {', '.join(METRES)}")
    values = np.zeros((evaluation.points.cells, evaluation.points.per_cell))
    for region in evaluation.regions:
        if region.crystal.density is None:
            raise MaterialError("the mass needs the density of the crystal, and a material has no structure")
        values[region.cells] = region.crystal.density
    return integral(evaluation, values) * METRES[length_unit] ** evaluation.kinematics.bulk_dimension


def worst_strain(evaluation: Evaluation, state: type[PointState] = PointState) -> float:
    """Largest Frobenius norm of the strain, over all ranks; collective.

    Parameters
    ----------
    evaluation : Evaluation
    state : type
        Of the state at a batch of points.

    Returns
    -------
    float
    """
    values = evaluate_points(evaluation, state.quantities()["strain_norm"][1], 1, state)
    return float(evaluation.mesh.comm.allreduce(values.max(initial=0.0), op=MPI.MAX))


def count_outside(evaluation: Evaluation, state: type[PointState] = PointState) -> int:
    """Points outside the domain of their law, over all ranks; collective.

    Parameters
    ----------
    evaluation : Evaluation
    state : type
        Of the state at a batch of points.

    Returns
    -------
    int
    """
    if all(region.domain is None for region in evaluation.regions):
        return 0
    local = evaluate_points(evaluation, state.quantities()["outside_domain"][1], 1, state).sum()
    return int(evaluation.mesh.comm.allreduce(int(local), op=MPI.SUM))
