r"""Periodic cells: the effective stress, energy and tangent of composites, polycrystals and lattices.

The displacement is :math:`u = (\bar F - 1) X + \tilde u` with a periodic fluctuation. At its equilibrium the effective first
Piola–Kirchhoff stress is the derivative of the energy of the cell by the mean deformation gradient,

.. math:: V \bar P_{ij} = \int S \cdot \delta E(e_i \otimes e_j X), \qquad
    V \frac{d\bar P}{d\bar F} = K_{FF} - K_{Fu} K_{uu}^{-1} K_{uF}

(Miehe & Koch, Arch. Appl. Mech. 72 (2002) 300): one linear solve for each of the nine entries, with the factored stiffness. Opposite
nodes of the fluctuation share their values (``ties``), so nodes on opposite faces have to lie opposite to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem, la
from dolfinx.mesh import Mesh
from jaxtyping import Float
from mpi4py import MPI

from constitutive.data import StressStrainData
from constitutive.errors import SolveError
from constitutive.fem.collective import agreed
from constitutive.fem.load_path import require_law
from constitutive.fem.newton import PetscOptions
from constitutive.fem.problem import Problem
from constitutive.fem.user_material import UserMaterial
from constitutive.units import STRESS_UNITS

SAME = 1e-7  # of the cell: nodes this close to opposite places are opposite
ITERATIONS = 15  # with given stresses
ACCURACY = 1e-8  # of given stresses, relative to the tangent


@dataclass(frozen=True)
class CellState:
    """Effective state of a cell.

    Attributes
    ----------
    F : array (3, 3)
        Mean deformation gradient.
    P : array (3, 3)
        Effective first Piola–Kirchhoff stress, in the unit of the law.
    energy : float
        Per volume of the cell, in the unit of the law.
    tangent : array (3, 3, 3, 3)
        dP_ij/dF_kl, in the unit of the law.
    """

    F: Float[np.ndarray, "3 3"]
    P: Float[np.ndarray, "3 3"]
    energy: float
    tangent: Float[np.ndarray, "3 3 3 3"] = field(repr=False)


class UnitCell:
    """A periodic cell of crystals, with voids or without.

    Parameters
    ----------
    mesh : Mesh
        Of a box or parallelepiped in three dimensions, with nodes on opposite faces opposite to each other.
    material : Material, Law or dict
        As for ``UserMaterial``.
    vectors : array (3, 3), optional
        Rows are the periods; by default the box around the mesh.
    degree : int
        Of the fluctuation.
    petsc_options : dict, optional
        As for ``Problem``.
    **options
        Of ``UserMaterial``: orientation, cell_tags, unit, strain and others.

    Attributes
    ----------
    law : UserMaterial
        At the whole displacement; fields of results come from it.
    fluctuation : dolfinx.fem.Function
    volume : float
        Of the cell, voids included.

    Raises
    ------
    SolveError
        The mesh has not three dimensions, or nodes without a partner on the opposite face.
    """

    def __init__(
        self,
        mesh: Mesh,
        material: object,
        *,
        vectors: np.ndarray | None = None,
        degree: int = 1,
        petsc_options: PetscOptions | None = None,
        **options: object,
    ) -> None:
        if mesh.geometry.dim != 3 or mesh.topology.dim != 3:
            raise SolveError(f"a unit cell is a mesh in three dimensions; this one has cells of dimension {mesh.topology.dim}")
        self.mesh = mesh
        self._periods = _box(mesh) if vectors is None else np.asarray(vectors, dtype=float)
        self.volume = float(abs(np.linalg.det(self._periods)))
        V = fem.functionspace(mesh, ("Lagrange", degree, (3,)))
        self.fluctuation, v = fem.Function(V, name="fluctuation"), ufl.TestFunction(V)
        zero = np.zeros((3, 3), dtype=default_scalar_type)
        self._H, self._G, self._G2 = (fem.Constant(mesh, zero) for _ in range(3))
        X = ufl.SpatialCoordinate(mesh)
        direction, second = ufl.dot(self._G, X), ufl.dot(self._G2, X)
        self.law = UserMaterial(self.fluctuation + ufl.dot(self._H, X), material, **options)  # type: ignore[arg-type] # its own checks
        nodes = _opposite_nodes(V, self._periods)
        held = fem.dirichletbc(np.zeros(3, dtype=default_scalar_type), nodes[0].astype(np.int32), V)
        ties = [3 * group + k for group in nodes[1:] for k in range(3)]
        self.problem = Problem(self.law.residual(v), self.law, u=self.fluctuation, bcs=[held], ties=ties, petsc_options=petsc_options)
        self._stress_form = fem.form(self.law.residual(direction))
        self._force_form = fem.form(self.law.jacobian(direction, v))
        self._stiffness_form = fem.form(self.law.jacobian(direction, second))

    # ---- solving ---------------------------------------------------------------------------------------------------------

    def solve(self, F: np.ndarray, P: np.ndarray | None = None, *, steps: int = 1) -> CellState:
        """Bring the cell to a mean deformation gradient, or to one of which some entries follow from given stresses; collective.

        Parameters
        ----------
        F : array (3, 3)
            Mean deformation gradient; NaN where the entry follows from ``P``. Of the entries that fix the rotation (three of them below the
            diagonal, for example) all have to be given.
        P : array (3, 3), optional
            Effective first Piola–Kirchhoff stress where F is NaN, in the law's unit; zero by default.
        steps : int
            Load steps from the present deformation.

        Returns
        -------
        CellState

        Raises
        ------
        SolveError
            The solve does not converge, or given stresses are not reached.
        """
        goal = np.asarray(F, dtype=float)
        if goal.shape != (3, 3) or np.isinf(goal).any():
            raise SolveError(f"F has the shape {goal.shape}: 3 × 3 finite numbers, or NaN where the stress is given")
        free = np.isnan(goal)
        wanted = np.zeros((3, 3)) if P is None else np.asarray(P, dtype=float)
        if wanted.shape != (3, 3) or not np.isfinite(wanted[free]).all():
            raise SolveError("P needs a finite stress wherever F is NaN")
        if free.sum() > 6:
            raise SolveError(
                "more than six entries of F are free: the rotation of the cell has to be given, as by zeros below the diagonal"
            )
        present = np.array(self._H.value, dtype=float) + np.eye(3)
        self._reach(np.where(free, present, goal), steps)
        state = self._state()
        for _ in range(ITERATIONS):
            miss = (state.P - wanted)[free]
            if np.abs(miss).max(initial=0.0) <= ACCURACY * np.abs(state.tangent).max():
                return state
            change = np.zeros((3, 3))
            change[free] = -np.linalg.solve(state.tangent[free][:, free], miss)
            self._reach(state.F + change, 1)
            state = self._state()
        raise SolveError(f"the given stresses are missed by {np.abs(miss).max():.3g} after {ITERATIONS} corrections: take more steps")

    def _reach(self, F: np.ndarray, steps: int) -> None:
        start = np.array(self._H.value, dtype=float)

        def ramp(load: float) -> None:
            self._H.value[:] = start + load * (F - np.eye(3) - start)

        result = self.problem.solve(steps=steps, ramp=ramp)
        if not result.converged:
            ramp(result.load)
            raise SolveError(f"the cell does not reach F = {np.array2string(F, precision=4)}: {result.reason}")

    def _state(self) -> CellState:
        tangent = self._tangent()
        return CellState(self._H.value + np.eye(3), self._stress(), self._energy(), tangent)

    def _energy(self) -> float:
        return self.law.total_energy() / self.volume

    def _stress(self) -> np.ndarray:
        """Effective stress at the present state."""
        P = np.zeros(9)
        for k in range(9):
            self._G.value[:] = _unit(k)
            P[k] = fem.assemble_scalar(self._stress_form)
        return np.asarray(self.mesh.comm.allreduce(P, op=MPI.SUM).reshape(3, 3) / self.volume)

    def _tangent(self) -> np.ndarray:
        """Effective tangent at the present state."""
        newton, comm = self.problem.newton, self.mesh.comm
        require_law(newton, tangent=True)
        newton.assemble_jacobian()
        forces, responses = [], []
        for k in range(9):
            self._G.value[:] = _unit(k)
            b = fem.assemble_vector(self._force_form)
            b.scatter_reverse(la.InsertMode.add)
            forces.append(b.array[: newton.owned].copy())
            responses.append(self._response(forces[-1]))
        A = np.zeros((9, 9))
        for k in range(9):
            self._G.value[:] = _unit(k)
            for m in range(9):
                self._G2.value[:] = _unit(m)
                A[m, k] = fem.assemble_scalar(self._stiffness_form) - forces[m] @ responses[k]
        return np.asarray(comm.allreduce(A, op=MPI.SUM).reshape(3, 3, 3, 3) / self.volume)

    def _response(self, force: np.ndarray) -> np.ndarray:
        newton = self.problem.newton
        reduced = newton.reduced_force(force)
        reduced[newton.constrained_and_owned] = 0.0
        ksp = newton.snes.getKSP()
        ksp.setOperators(newton.A)
        b, x = newton.A.createVecLeft(), newton.A.createVecRight()
        b.array[:] = reduced
        ksp.solve(b, x)
        found = newton.whole_values(x.array.copy())
        b.destroy()
        x.destroy()
        return found

    # ---- data ------------------------------------------------------------------------------------------------------------

    def sample(self, F: np.ndarray | Sequence[np.ndarray], *, steps: int = 1, name: str = "unit cell") -> StressStrainData:
        """Effective stresses and energies at mean deformation gradients, as data for a law of the cell; collective.

        Parameters
        ----------
        F : array (n, 3, 3) or sequence of array (3, 3)
            Each is reached from the undeformed cell.
        steps : int
            Load steps to each.
        name : str
            Of the data set.

        Returns
        -------
        StressStrainData
            In GPa, the same on all ranks.

        Raises
        ------
        SolveError
            A solve does not converge.
        """
        gradients = np.array(F, dtype=float)
        if gradients.ndim != 3 or gradients.shape[1:] != (3, 3) or not np.isfinite(gradients).all():
            raise SolveError(f"F has the shape {gradients.shape}: (n, 3, 3) finite numbers; given stresses are for solve()")
        stresses, energies = [], []
        for gradient in gradients:
            self.fluctuation.x.array[:] = 0.0
            self._H.value[:] = 0.0
            self._reach(gradient, steps)
            require_law(self.problem.newton, tangent=False)
            stresses.append(self._stress())
            energies.append(self._energy())
        gigapascals = 1.0 / STRESS_UNITS[self.law.unit]
        return StressStrainData(
            name=name,
            units="GPa",
            F=gradients,
            first_piola_kirchhoff=gigapascals * np.array(stresses),
            W=gigapascals * np.array(energies),
            provenance={"made by": "constitutive.fem.UnitCell"},
        )


def _unit(k: int) -> np.ndarray:
    matrix = np.zeros(9)
    matrix[k] = 1.0
    return matrix.reshape(3, 3)


def _box(mesh: Mesh) -> np.ndarray:
    return np.diag(-_lowest(mesh.comm, -mesh.geometry.x) - _lowest(mesh.comm, mesh.geometry.x))


def _lowest(comm: MPI.Comm, x: np.ndarray) -> np.ndarray:
    """Least coordinates over all ranks."""
    low = x.min(axis=0, initial=np.inf)
    comm.Allreduce(MPI.IN_PLACE, low, op=MPI.MIN)
    return low


def _opposite_nodes(V: fem.FunctionSpace, periods: np.ndarray) -> list[np.ndarray]:
    """Local nodes (ghosts included) that are images of each other, the same groups on all ranks."""
    comm, owned = V.mesh.comm, V.dofmap.index_map.size_local
    s = V.tabulate_dof_coordinates() @ np.linalg.inv(periods)
    s = s - _lowest(comm, s)
    at_face = (np.abs(s) < SAME) | (np.abs(s - 1) < SAME)
    inside = ((s > -SAME) & (s < 1 + SAME)).all()

    def check() -> None:
        if not inside:
            raise SolveError("the mesh reaches beyond its periods: vectors= are the rows of a cell that the mesh fills")

    agreed(comm, check)
    where = np.flatnonzero(at_face.any(axis=1))
    keys = np.rint(np.where(at_face, 0.0, s)[where] / SAME / 10).astype(np.int64)
    mine = {tuple(key) for key in keys}
    every = sorted(set().union(*comm.allgather(mine)))
    place = {key: number for number, key in enumerate(every)}
    group = np.array([place[tuple(key)] for key in keys], dtype=np.int64)
    count = comm.allreduce(np.bincount(group[where < owned], minlength=len(every)), op=MPI.SUM)
    if (count < 2).any():
        lonely = np.array(every[int(np.argmin(count))]) * SAME * 10
        raise SolveError(
            f"the node at {np.round(lonely, 4).tolist()} (in periods) has no partner on the opposite face: opposite faces need the same "
            "mesh, such as gmsh makes with setPeriodic"
        )
    return [where[group == number] for number in range(len(every))]
