"""Newton's method for coupled problems: potentials scaled to balance charges and forces, and electrodes of one potential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from dolfinx import fem, la
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.errors import SolveError
from constitutive.fem.coupled_material import CoupledMaterial
from constitutive.fem.coupled_regions import CoupledRegion, Metal
from constitutive.fem.electrodes import Electrode, ElectrodeOnMesh, part_of
from constitutive.fem.newton import Newton, PetscOptions
from constitutive.fem.ties import Ties, without
from constitutive.fem.user_material import UserMaterial

MUMPS: PetscOptions = {"pc_factor_mat_solver_type": "mumps"}  # pivots: the matrix is indefinite


def _absent(u: fem.Function, laws: Sequence[CoupledMaterial]) -> fem.DirichletBC | None:
    """Zero for the polarisation and the order parameters where no law of a neighbouring cell has them; collective."""
    space, dofs = u.function_space, []
    touched = la.vector(space.dofmap.index_map, space.dofmap.index_map_bs)
    for law in laws:
        for name, part in {"polarization": law.P, **law.order}.items():
            place = None if part is None else part_of(u, part)
            regions = cast("list[CoupledRegion]", law.regions)
            if place is None or place is space or all(region.depends_on(name) for region in regions):
                continue
            touched.array[:] = 0.0
            for region in regions:
                if region.depends_on(name):
                    touched.array[place.dofmap.list[region.cells].ravel()] = 1.0
            touched.scatter_reverse(la.InsertMode.add)
            touched.scatter_forward()
            own = np.unique(place.dofmap.list.ravel())
            dofs.append(own[touched.array[own] == 0.0])
    if not dofs:
        return None
    return fem.dirichletbc(fem.Function(space), np.unique(np.concatenate(dofs)).astype(np.int32))


class CoupledNewton(Newton):
    """One nonlinear system in which potentials are scaled, and unknowns may be tied.

    Parameters
    ----------
    residual, jacobian, u, bcs, laws, options
        As for ``Newton``; direct solvers are MUMPS's.
    electrodes : sequence of Electrode
    ties : sequence of int array
        Groups of unknowns that share one value, see ``ties.equal_where``.
    factor : dolfinx.fem.Constant
        Load factor of given charges and sources.

    Raises
    ------
    SolveError
        There are electrodes and no law with a potential in the unknown, electrodes touch, or a metal body is on none.
    """

    def __init__(
        self,
        residual: fem.Form,
        jacobian: fem.Form,
        u: fem.Function,
        bcs: Sequence[fem.DirichletBC],
        laws: Sequence[UserMaterial],
        options: PetscOptions,
        *,
        electrodes: Sequence[Electrode] = (),
        ties: Sequence[np.ndarray] = (),
        factor: fem.Constant,
    ) -> None:
        self.factor = factor
        electric = [law for law in laws if isinstance(law, CoupledMaterial) and law.phi is not None]
        places = [(law, part_of(u, law.phi)) for law in electric]
        self._electric = next(((law, space) for law, space in places if space is not None), None)
        if electrodes and self._electric is None:
            raise SolveError("electrodes need a law whose phi is a part of the unknown: u, phi = ufl.split(w) and phi=phi")
        self.electrodes = [ElectrodeOnMesh(e, self._electric[1], self._electric[0].volts) for e in electrodes] if self._electric else []
        given = [e.bc for e in self.electrodes if e.bc is not None]
        absent = _absent(u, [law for law in laws if isinstance(law, CoupledMaterial)])
        if absent is not None:
            given.append(absent)
        self._ties_given = list(ties)
        direct = options.get("pc_type", "lu") in ("lu", "cholesky")
        super().__init__(residual, jacobian, u, [*bcs, *given], laws, {**(MUMPS if direct else {}), **options})
        self._require_metals_tied(electric)

    # ---- set-up ----------------------------------------------------------------------------------------------------------

    def _make_matrix(self) -> PETSc.Mat:
        space = self.u.function_space
        scale = np.ones(len(self.u.x.array))
        if self._electric is not None:
            law, part = self._electric
            if part is not space:
                scale[np.unique(part.dofmap.list.ravel())] = law.balanced_potential
        floating = [e.dofs for e in self.electrodes if e.electrode.floating]
        held = np.concatenate([self._constrained, *floating])
        self.ties = Ties(space, scale, [*floating, *without(self._ties_given, held, self.comm)], self._constrained)
        self._assembled = fem_petsc.create_matrix(self.jacobian)
        if self.ties.T is None:
            return self._assembled
        fem_petsc.assemble_matrix(self._assembled, self.jacobian, self.bcs)  # its pattern; the tangent is still zero
        self._assembled.assemble()
        return self.ties.matrix(self._assembled)

    def _require_metals_tied(self, laws: Sequence[CoupledMaterial]) -> None:
        held = np.zeros(len(self.u.x.array), dtype=bool)
        held[self._constrained] = True
        for electrode in self.electrodes:
            held[electrode.dofs] = True
        for law in laws:
            space = part_of(self.u, law.phi)
            if space is None:
                continue
            metal = [region.cells for region in law.regions if isinstance(region.crystal.given, Metal)]
            loose = any(not held[space.dofmap.list[cells].ravel()].all() for cells in metal)
            if self.comm.allreduce(loose, op=MPI.LOR):
                raise SolveError(
                    "a metal body has one potential: put all its cells on one electrode, Electrode(cell_tags, tag, charge=0.0) where it "
                    "is insulated"
                )

    def destroy(self) -> None:
        """Free PETSc's objects; collective."""
        super().destroy()
        if self.ties.T is not None:
            self._assembled.destroy()
        self.ties.destroy()

    # ---- change of variables -----------------------------------------------------------------------------------------------

    @property
    def pattern(self) -> PETSc.Mat:
        """A matrix with the sparsity of the assembled Jacobian over all degrees of freedom."""
        return self._assembled

    def of_solver(self, whole: PETSc.Mat) -> PETSc.Mat:
        """A symmetric matrix over all degrees of freedom as one of the independent unknowns.

        Parameters
        ----------
        whole : PETSc.Mat
            Zero at supports; changed where nothing is tied.

        Returns
        -------
        PETSc.Mat
        """
        return self.ties.matrix(whole, diagonal=0.0)

    def whole_values(self, x: np.ndarray) -> np.ndarray:
        """Owned values of all degrees of freedom of independent ones.

        Parameters
        ----------
        x : array
            Owned.

        Returns
        -------
        array
        """
        return self.ties.full(x)

    @property
    def potentials(self) -> list[tuple[fem.FunctionSpace, float]]:
        """The space of the electric potential, with the one whose slope over a unit of length is 1 GV/m."""
        return [] if self._electric is None else [(self._electric[1], self._electric[0].balanced_potential)]

    def reduced_values(self, values: np.ndarray) -> np.ndarray:
        """Owned values of the independent unknowns of those of all degrees of freedom.

        Parameters
        ----------
        values : array
            Owned.

        Returns
        -------
        array
        """
        return self.ties.independent(values)

    def require_movable(self) -> None:
        """Require that the body can move in time: other unknowns than its displacement are in equilibrium with it at each instant.

        Raises
        ------
        SolveError
            The temperature is among the unknowns.
        """
        if any(isinstance(law, CoupledMaterial) and law.T is not None and part_of(self.u, law.T) is not None for law in self.laws):
            raise SolveError("motion in time with a temperature among the unknowns is not there yet: leave T out (isothermal), or give it")

    def require_plain(self, what: str) -> None:
        """Say that something is not written for potentials and ties.

        Parameters
        ----------
        what : str
            For the message.

        Raises
        ------
        SolveError
            Always.
        """
        raise SolveError(
            f"{what} of problems with a potential, a temperature or ties is not there yet: solves, modes, buckling and motion in time are"
        )

    def _set(self, values: np.ndarray) -> None:
        super()._set(self.ties.full(values))

    def _values(self) -> np.ndarray:
        return self.ties.independent(self.u.x.array[: self.owned])

    def _force(self, b: np.ndarray) -> np.ndarray:
        return self.ties.force(b[: self.owned])

    def assemble_jacobian(self) -> None:
        """Assemble the matrix of the independent unknowns with the laws as they stand."""
        full = self._assembled
        full.zeroEntries()
        fem_petsc.assemble_matrix(full, self.jacobian, self.bcs)
        full.assemble()
        if self.linear is not None:
            self.linear.add_to(full)
        self._add_circuits(full)
        self.ties.matrix(full, self.A if self.ties.T is not None else None)

    def assemble_residual(self) -> np.ndarray:
        """R(u) with the laws as they stand and the charges of sources and circuits; owned entries are summed over ranks.

        Returns
        -------
        array
            Local entries of the residual.
        """
        b = super().assemble_residual()
        for electrode, row in self._floating():
            if row >= 0:
                charge, _ = electrode.charge_to_come(float(self.factor.value), electrode.volts * float(self.u.x.array[row]))
                b[row] += charge / self._coulombs
        return b

    # ---- electrodes ------------------------------------------------------------------------------------------------------

    @property
    def loaded(self) -> bool:
        """Whether sources give charges that grow with the load factor."""
        given = [e.electrode for e in self.electrodes if e.electrode.floating and not e.electrode.timed]
        return any(bool(electrode.charge or electrode.source) for electrode in given)

    @property
    def _coulombs(self) -> float:
        if self._electric is None:
            raise SolveError("there is no potential among the unknowns")
        return self._electric[0].coulombs

    def _floating(self) -> list[tuple[ElectrodeOnMesh, int]]:
        floating = [e for e in self.electrodes if e.electrode.floating]
        return list(zip(floating, self.ties.masters, strict=False))

    def _add_circuits(self, A: PETSc.Mat) -> None:
        if not any(e.charge_to_come(1.0, 0.0)[1] for e, _ in self._floating()):
            return
        first = self.u.function_space.dofmap.index_map.local_range[0]
        for electrode, row in self._floating():
            _, slope = electrode.charge_to_come(1.0, 0.0)
            if row >= 0 and slope:
                A.setValue(first + row, first + row, slope * electrode.volts / self._coulombs, addv=PETSc.InsertMode.ADD_VALUES)
        A.assemble()

    def boundary_values(self) -> np.ndarray:
        """Present Dirichlet values, those of electrodes included, in an array over all local degrees of freedom.

        Returns
        -------
        array
        """
        for electrode in self.electrodes:
            electrode.refresh()
        return super().boundary_values()

    def on_mesh(self, electrode: Electrode) -> ElectrodeOnMesh:
        """An electrode of this system with its unknowns.

        Parameters
        ----------
        electrode : Electrode

        Returns
        -------
        ElectrodeOnMesh

        Raises
        ------
        SolveError
            It is none of this problem's.
        """
        for found in self.electrodes:
            if found.electrode is electrode:
                return found
        raise SolveError("the electrode is none of this problem's: give it in electrodes=[…]")

    def potential(self, electrode: Electrode) -> float:
        """Potential of an electrode in volts; collective.

        Parameters
        ----------
        electrode : Electrode

        Returns
        -------
        float
            The same on all ranks.
        """
        found = self.on_mesh(electrode)
        mine = found.dofs[found.dofs < self.owned]
        values = self.comm.allgather(float(self.u.x.array[mine[0]]) if len(mine) else None)
        return found.volts * next(value for value in values if value is not None)

    def charge(self, electrode: Electrode) -> float:
        """Charge on an electrode in coulombs, −∫ D₀·N over its surface; collective.

        Parameters
        ----------
        electrode : Electrode

        Returns
        -------
        float
            The same on all ranks; C per metre of thickness in the plane.

        Raises
        ------
        SolveError
            The law fails at the present state.
        """
        found = self.on_mesh(electrode)
        if self.update_laws(tangent=False) is not None:
            raise SolveError("charges need a state at which the law can be evaluated, and it fails here; solve first")
        held, self.held_back = self.held_back, None
        residual = super().assemble_residual()
        self.held_back = held
        mine = found.dofs[found.dofs < self.owned]
        return -self._coulombs * float(self.comm.allreduce(float(residual[mine].sum()), op=MPI.SUM))
