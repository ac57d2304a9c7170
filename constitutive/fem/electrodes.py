r"""Electrodes: given potentials, given charges, external circuits, and what is read from them.

An electrode is a surface (or a metal body) of one potential V. With the charge Q on it, :math:`Q = -\int D_0\cdot N` over the surface
with the normal N out of the solid, the enthalpy of solid and sources :math:`\Pi + Q V` is stationary (Tiersten, Linear Piezoelectric Plate
Vibrations, 1969, ch. 5). In an external circuit of a capacitor C and a source V_s in series to ground, :math:`Q = C (V_s - V)`; circuits
with a resistor or an inductor need time, see ``circuits``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem
from dolfinx.mesh import MeshTags
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.collective import agreed

Surface: TypeAlias = MeshTags | np.ndarray | Callable[[np.ndarray], np.ndarray]


@dataclass
class Electrode:
    """A surface or a body of one potential, for ``Problem(electrodes=[…])``.

    Give one of ``potential``, ``charge`` and an external circuit: ``capacitance``, ``resistance``, ``inductance``, or several of these in
    series between the electrode and the ``source``. All values may be changed between solves, and grow with the load.

    Attributes
    ----------
    where : MeshTags, array of facets, or callable
        MeshTags of facets or (a metal body) of cells, with ``tag``; a callable marks points x (3, n).
    tag : int, optional
        Of the facets or cells, where MeshTags are given.
    potential : float, optional
        In volts.
    charge : float, optional
        On the electrode, in coulombs (C per metre of thickness in the plane); 0 is an open circuit.
    capacitance : float, optional
        Of a capacitor between the electrode and the source, in farads (per metre of thickness in the plane).
    resistance, inductance : float, optional
        In ohms and henries (ohm metres and henry metres in the plane). A ``solve`` takes no time: charges stay what they are, at first
        zero. ``run_circuits`` and ``Dynamics`` let currents flow.
    source : float
        Potential of the circuit's other side, in volts.
    name : str
        For messages.

    Raises
    ------
    SolveError
        Not exactly one of the three is given, or a value is not finite.

    Examples
    --------
    >>> Electrode(lambda x: x[2] < 1e-9, potential=0.0).floating
    False
    >>> Electrode(lambda x: x[2] > 1 - 1e-9, charge=0.0).floating  # open circuit
    True
    """

    where: Surface
    tag: int | None = None
    potential: float | None = None
    charge: float | None = None
    capacitance: float | None = None
    resistance: float | None = None
    inductance: float | None = None
    source: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        circuit = [name for name in ("capacitance", "resistance", "inductance") if getattr(self, name) is not None]
        given = [name for name in ("potential", "charge") if getattr(self, name) is not None]
        label = f"electrode {self.name!r}" if self.name else "an electrode"
        if len(given) + bool(circuit) != 1:
            raise SolveError(
                f"{label} has {' and '.join([*given, *circuit]) or 'nothing'} given: one of potential, charge and capacitance (or "
                "resistance, inductance) is needed"
            )
        values = {name: getattr(self, name) for name in (*given, *circuit, "source")}
        least = {"capacitance": 0.0, "resistance": 0.0, "inductance": 0.0}
        if not np.isfinite(list(values.values())).all() or any(values[name] < least[name] for name in circuit):
            said = ", ".join(f"{name}={value!r}" for name, value in values.items())
            raise SolveError(f"{label} has {said}: finite numbers are needed, resistance, inductance and capacitance ≥ 0")
        if self.timed and (not (self.resistance or self.inductance) or self.capacitance == 0):
            raise SolveError(f"{label}: a circuit in time needs a resistance or inductance above zero, and no capacitance of zero")
        if isinstance(self.where, MeshTags) != (self.tag is not None):
            raise SolveError(f"{label}: a tag goes with MeshTags, and MeshTags with a tag")

    @property
    def floating(self) -> bool:
        """Whether its potential is an unknown."""
        return self.potential is None

    @property
    def timed(self) -> bool:
        """Whether its circuit has a resistor or an inductor."""
        return self.resistance is not None or self.inductance is not None


class ElectrodeOnMesh:
    """An electrode with its unknowns.

    Parameters
    ----------
    electrode : Electrode
    space : dolfinx.fem.FunctionSpace
        Of the potential: a scalar part of the mixed space.
    volts : float
        The unit of the potential.
    """

    def __init__(self, electrode: Electrode, space: fem.FunctionSpace, volts: float) -> None:
        self.electrode, self.volts = electrode, volts
        mesh = space.mesh

        def find() -> np.ndarray:
            where = electrode.where
            if callable(where):
                if not space.component():
                    return fem.locate_dofs_geometrical(space, where)
                return fem.locate_dofs_geometrical((space, space.collapse()[0]), where)[0]
            dim = where.dim if isinstance(where, MeshTags) else mesh.topology.dim - 1
            entities = where.find(electrode.tag) if isinstance(where, MeshTags) else np.asarray(where, dtype=np.int32)
            return fem.locate_dofs_topological(space, dim, entities)

        if not callable(electrode.where):
            dim = electrode.where.dim if isinstance(electrode.where, MeshTags) else mesh.topology.dim - 1
            mesh.topology.create_connectivity(dim, mesh.topology.dim)
        self.dofs = np.unique(agreed(mesh.comm, find)).astype(np.int64)
        if not mesh.comm.allreduce(len(self.dofs)):
            raise SolveError(f"no node lies on electrode {electrode.name or electrode.tag!r}: check the marked points or the tag")
        self.law = (0.0, 0.0)  # k (C) and c (F) of the charge k − c V of a circuit that needs time
        self.value = fem.Constant(mesh, default_scalar_type(0.0))
        self.bc = None if electrode.floating else fem.dirichletbc(self.value, self.dofs.astype(np.int32), space)
        self.refresh()

    def refresh(self) -> None:
        """Take the present potential of the electrode into its boundary condition."""
        if self.electrode.potential is not None:
            self.value.value = self.electrode.potential / self.volts

    def charge_to_come(self, factor: float, potential: float) -> tuple[float, float]:
        """Charge that the source or circuit gives, and its derivative by the potential.

        Parameters
        ----------
        factor : float
            Load factor of given charges and sources.
        potential : float
            Of the electrode, in volts.

        Returns
        -------
        charge : float
            In coulombs.
        derivative : float
            In farads.
        """
        if self.electrode.charge is not None:
            return factor * self.electrode.charge, 0.0
        if self.electrode.timed:
            return self.law[0] - self.law[1] * potential, -self.law[1]
        C = self.electrode.capacitance or 0.0
        return C * (factor * self.electrode.source - potential), -C


def part_of(unknown: fem.Function, part: Expr) -> fem.FunctionSpace | None:
    """The space of a part of a mixed Function, as ``ufl.split`` gives it; None where the part is an expression of its own.

    Parameters
    ----------
    unknown : dolfinx.fem.Function
    part : UFL expression

    Returns
    -------
    FunctionSpace or None
    """
    if part is unknown:
        return unknown.function_space
    space = unknown.function_space
    if not space.num_sub_spaces or space.dofmap.index_map_bs > 1:
        return None
    for k, piece in enumerate(ufl.split(unknown)):
        if piece == part:
            return space.sub(k)
    return None
