"""Wells and saddles of an energy, modulo its group: multi-start among the states of every symmetry."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.kinematics import right_stretch
from constitutive.laws import Law
from constitutive.laws.coupled import CoupledLaw
from constitutive.plain import JsonObject
from constitutive.show import grid
from constitutive.symmetry import PointGroup
from constitutive.symmetry import operations as ops
from constitutive.tensors.packing import from_mandel, mandel_matrix, to_mandel
from constitutive.variants.minimisation import Landscape, descend, newton
from constitutive.variants.orbit import Variants, variants

SIZES = {"strain": 0.05, "polarization": 0.5}  # dimensionless, C/m²
SAME = 1e-5  # of two states, in units of the sizes
INVARIANT = 1e-6
FLAT = 1e-7  # of a curvature, relative to the largest
PER_CLASS = 6  # starts in the states of each class of subgroups


class SymmetricStartWarning(UserWarning):
    """A descent kept the symmetry of its start and ended where the energy falls in directions that break it."""


@final
@dataclass(frozen=True, eq=False)
class Well:
    """A stationary state of an energy: one of the states that the group carries into each other.

    Attributes
    ----------
    values
        By variable: "strain" (3, 3), "polarization" (3,) in C/m², and others, packed.
    point
        The same, packed as the law takes it.
    energy
        Above the unstrained reference (GPa).
    curvatures
        Eigenvalues of the Hessian by the variables over their sizes (GPa), rising; their signs do not depend on the sizes.
    subgroup
        Point group of the state, in its place within the parent group.
    count
        Number of equivalent states: the order of the group over that of the subgroup.
    group
        The parent group.
    """

    values: dict[str, Float[np.ndarray, "..."]]
    point: Float[np.ndarray, " k"]
    energy: float
    curvatures: Float[np.ndarray, " k"]
    subgroup: PointGroup
    count: int
    group: PointGroup

    @property
    def negative_modes(self) -> int:
        """Number of directions in which the energy falls."""
        return int((self.curvatures < -FLAT * np.abs(self.curvatures).max()).sum())

    @property
    def kind(self) -> str:
        """Minimum, maximum or saddle; flat where a curvature vanishes and none is negative."""
        if self.negative_modes:
            return "maximum" if self.negative_modes == len(self.curvatures) else "saddle"
        return "flat" if self.curvatures[0] < FLAT * np.abs(self.curvatures).max() else "minimum"

    @property
    def strain(self) -> Float[np.ndarray, "3 3"]:
        """Spontaneous Green–Lagrange strain."""
        return self.values["strain"]

    @property
    def stretch(self) -> Float[np.ndarray, "3 3"]:
        """Right stretch U of the spontaneous strain."""
        return right_stretch(self.strain[None])[0]

    @property
    def polarization(self) -> Float[np.ndarray, "3"] | None:
        """Spontaneous reference polarisation (C/m²), or None for an energy of the strain alone."""
        return self.values.get("polarization")

    def variants(self) -> Variants:
        """All states that are equivalent to this one, with their stretches: what :func:`~constitutive.variants.walls` takes.

        Returns
        -------
        Variants
        """
        return variants(self.group, self.subgroup, self.strain, self.polarization)

    def as_dict(self) -> JsonObject:
        """Plain types.

        Returns
        -------
        dict
            ``kind``, ``subgroup``, ``variants``, ``energy_GPa``, ``negative_modes``, and each variable.
        """
        return {
            "kind": self.kind,
            "subgroup": self.subgroup.symbol,
            "variants": self.count,
            "energy_GPa": self.energy,
            "negative_modes": self.negative_modes,
            **{name: value.tolist() for name, value in self.values.items()},
        }


@final
@dataclass(frozen=True, eq=False)
class Wells:
    """Stationary states of an energy, one of each set of equivalent ones, the lowest first.

    Attributes
    ----------
    group
        The parent group.
    states
        Minima and saddles by rising energy.
    sizes
        Of the variables: starts lie within them.
    given_up
        Starts that left the region, or did not converge.
    """

    group: PointGroup
    states: tuple[Well, ...]
    sizes: dict[str, float] = field(default_factory=dict)
    given_up: int = 0

    @property
    def minima(self) -> tuple[Well, ...]:
        """The stable states."""
        return tuple(state for state in self.states if state.kind == "minimum")

    @property
    def saddles(self) -> tuple[Well, ...]:
        """The others."""
        return tuple(state for state in self.states if state.kind != "minimum")

    @property
    def sentence(self) -> str:
        """What was found, and what a symmetric start would do."""
        wells = ", ".join(f"{state.count} of {state.subgroup.symbol}" for state in self.minima) or "none"
        symmetric = next((state for state in self.states if state.count == 1), None)
        if symmetric is None or not symmetric.negative_modes:
            return f"Wells: {wells}."
        return (
            f"Wells: {wells}. The state of the full symmetry {self.group.symbol} is stationary, with {_directions(symmetric)} "
            "in which the energy falls: a descent or a finite-element solution that starts there stays there; perturb= chooses a well."
        )

    def as_dict(self) -> JsonObject:
        """Plain types.

        Returns
        -------
        dict
            ``group``, ``sentence``, ``states``, ``given_up``.
        """
        states = [state.as_dict() for state in self.states]
        return {"group": self.group.symbol, "sentence": self.sentence, "states": states, "given_up": self.given_up}

    def _repr_html_(self) -> str:
        rows = [(w.kind, w.subgroup.symbol, w.count, f"{w.energy:.4g}", w.negative_modes) for w in self.states]
        return grid(self.sentence, rows, ("state", "group", "variants", "energy (GPa)", "negative modes"))


def find_wells(
    law: Law | CoupledLaw,
    group: PointGroup,
    *,
    sizes: Mapping[str, float] | None = None,
    starts: int = 60,
    seed: int = 0,
) -> Wells:
    """All minima, and the saddles that symmetry or a path between wells leads to, modulo the group.

    Descents start at random states, and at random states of every class of subgroups, to which they are confined: symmetric saddles are
    minima there. Newton's method from midpoints between neighbouring wells finds saddles of lower symmetry. No search can prove that
    it found all.

    Parameters
    ----------
    law : Law or CoupledLaw
        An energy of the strain, or of the strain and a polarisation or other order parameters; fields and temperature stay at zero.
    group : PointGroup
        Of the law, in its frame.
    sizes : mapping, optional
        Largest component of the starts by name of variable; strain 0.05 and polarisation 0.5 C/m² where not given.
    starts : int
        Random states of no symmetry.
    seed : int
        Of the starts.

    Returns
    -------
    Wells

    Raises
    ------
    MaterialError
        A size is not positive or names no variable, or there are no starts.

    Examples
    --------
    >>> from constitutive import Material
    >>> silicon = Material.from_constants("m-3m", {"C11": 165.7, "C12": 63.9, "C44": 79.6})
    >>> found = find_wells(silicon.law, silicon.point_group, starts=8)
    >>> [(state.kind, state.subgroup.symbol, state.count) for state in found.states]
    [('minimum', 'm-3m', 1)]
    """
    if starts < 1:
        raise MaterialError(f"starts={starts} found; at least one is needed")
    problem = _Problem(law, group, sizes)
    land, rng = problem.landscape, np.random.default_rng(seed)
    identity = np.eye(len(land.sizes))
    fixed = [np.broadcast_to(identity, (starts, *identity.shape))]
    for members in _classes(group):
        projector = land.matrices[members].mean(axis=0)
        if np.trace(projector) > 0.5 and len(members) > 1:
            fixed.append(np.broadcast_to(projector, (PER_CLASS, *identity.shape)))
    projectors = np.concatenate(fixed)
    start = rng.uniform(-1, 1, (len(projectors), len(identity))) * land.sizes
    start = np.concatenate([start, np.zeros((1, len(identity)))])
    points, done = descend(land, start, np.concatenate([projectors, identity[None]]))
    states = problem.distinct(points[done])
    between = problem.midpoints(states, rng)
    more, found = newton(land, between) if len(between) else (between, np.zeros(0, dtype=bool))
    states = problem.distinct(np.concatenate([[state.point for state in states], more[found]]) if states else more[found])
    return Wells(group, tuple(sorted(states, key=lambda w: w.energy)), problem.sizes, int((~done).sum()))


def relax(
    law: Law | CoupledLaw,
    group: PointGroup,
    start: Mapping[str, np.ndarray],
    *,
    perturb: float | Mapping[str, np.ndarray] | None = None,
    sizes: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Well:
    """Go down from one state. A symmetric start stays symmetric, and a warning says so where it ends on a saddle.

    The gradient at a state has the symmetry of that state, so that no descent can leave it, however the variants are chosen. With
    ``perturb`` the choice is yours: a direction, or random numbers.

    Parameters
    ----------
    law : Law or CoupledLaw
    group : PointGroup
        Of the law, in its frame.
    start : mapping
        Values by name: "strain" (3, 3), "polarization" (3,); those left out are zero.
    perturb : float or mapping, optional
        Added to the start: random components of this share of the sizes, or values by name.
    sizes : mapping, optional
        As in :func:`find_wells`.
    seed : int
        Of a random perturbation.

    Returns
    -------
    Well

    Raises
    ------
    MaterialError
        A value has another shape, is not finite, or the descent finds no stationary state.

    Warns
    -----
    SymmetricStartWarning
        The end has directions in which the energy falls; they break the symmetry of the start.
    """
    problem = _Problem(law, group, sizes)
    land = problem.landscape
    x = problem.packed(start)
    if isinstance(perturb, Mapping):
        x = x + problem.packed(perturb)
    elif perturb is not None:
        if not (np.isfinite(perturb) and perturb > 0):
            raise MaterialError(f"perturb={perturb} found; a positive number (a share of the sizes) or values by name are needed")
        x = x + perturb * land.sizes * np.random.default_rng(seed).uniform(-1, 1, len(x))
    members = problem.stabiliser(x)
    points, done = descend(land, x[None], land.matrices[members].mean(axis=0)[None], steps=500)
    if not done[0]:
        raise MaterialError("the descent found no stationary state near the sizes given; start nearer to a well, or give larger sizes")
    well = problem.state(points[0])
    if well.negative_modes:
        symbol = PointGroup.from_operations(group.operations[members]).symbol
        warnings.warn(
            f"the start has the symmetry {symbol}, which every descent keeps: it ended on a {well.kind} of {well.subgroup.symbol} with "
            f"{_directions(well)} in which the energy falls; choose a well by perturb=",
            SymmetricStartWarning,
            stacklevel=2,
        )
    return well


class _Problem:
    """An energy with its group, its free variables and their sizes."""

    def __init__(self, law: Law | CoupledLaw, group: PointGroup, sizes: Mapping[str, float] | None):
        self.group = group
        if isinstance(law, CoupledLaw):
            free = [v for v in law.variables if v.sign > 0]
            self.places = _places([(v.name, v.size) for v in free])
            matrices = _blocks([v.matrices(group.operations) for v in free])
            columns = np.concatenate([np.arange(law.size)[law.place(v.name)] for v in free] or [np.zeros(0, dtype=int)])
            self.full, self.columns = law.size, columns
            functions = (law.energy, law.gradient, law.hessian)
        else:
            self.places, matrices = {"strain": slice(0, 6)}, np.asarray(mandel_matrix(group.operations))
            self.full, self.columns = 6, np.arange(6)
            functions = (law.energy_mandel, law.stress_mandel, law.tangent_mandel)
        self.sizes = self._sizes(sizes or {})
        width = np.concatenate([np.full(place.stop - place.start, self.sizes[name]) for name, place in self.places.items()])
        energy, gradient, hessian = functions
        at_rest = float(self._call(energy, np.zeros((1, len(self.columns))))[0])
        self.landscape = Landscape(
            lambda x: self._call(energy, x) - at_rest,
            lambda x: self._call(gradient, x)[:, self.columns],
            lambda x: self._call(hessian, x)[:, self.columns][:, :, self.columns],
            matrices,
            width,
        )

    def _sizes(self, given: Mapping[str, float]) -> dict[str, float]:
        unknown = set(given) - set(self.places)
        if unknown:
            raise MaterialError(f"sizes of {', '.join(sorted(unknown))} found; the energy has the free variables {', '.join(self.places)}")
        found = {name: float(given.get(name, SIZES.get(name, 1.0))) for name in self.places}
        for name, size in found.items():
            if not (np.isfinite(size) and size > 0):
                raise MaterialError(f"size {size} of {name} found; a positive number is needed")
        return found

    def _call(self, function, x: np.ndarray) -> np.ndarray:
        whole = np.zeros((len(x), self.full))
        whole[:, self.columns] = x
        with torch.no_grad():
            return function(torch.from_numpy(whole)).numpy()

    def packed(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        x = np.zeros(len(self.columns))
        for name, value in values.items():
            if name not in self.places:
                raise MaterialError(f"{name!r} found; the energy has the free variables {', '.join(self.places)}")
            array = np.asarray(value, dtype=np.float64)
            needed = (3, 3) if name == "strain" else (self.places[name].stop - self.places[name].start,)
            if array.shape != needed or not np.isfinite(array).all():
                raise MaterialError(f"{name} of shape {needed} with finite entries is needed, shape {array.shape} was found")
            if name == "strain" and np.abs(array - array.T).max() > 1e-12:
                raise MaterialError("a symmetric strain is needed; of F take constitutive.kinematics.green_lagrange_strain(F)")
            x[self.places[name]] = np.asarray(to_mandel(array)) if name == "strain" else array
        return x

    def stabiliser(self, x: np.ndarray) -> np.ndarray:
        """Numbers of the operations that leave a state alone."""
        moved = np.abs((self.landscape.matrices @ x - x) / self.landscape.sizes).max(axis=1)
        return np.nonzero(moved < INVARIANT)[0]

    def state(self, x: np.ndarray) -> Well:
        members = self.stabiliser(x)
        x = self.landscape.matrices[members].mean(axis=0) @ x  # exact in its symmetry
        energy, _, H = self.landscape.scaled(x[None])
        values = {name: (np.asarray(from_mandel(x[place])) if name == "strain" else x[place]) for name, place in self.places.items()}
        subgroup = PointGroup.from_operations(self.group.operations[members])
        return Well(values, x, float(energy[0]), np.linalg.eigvalsh(H[0]), subgroup, self.group.order // len(members), self.group)

    def distinct(self, points: np.ndarray) -> list[Well]:
        """One state of each orbit."""
        states: list[Well] = []
        s = self.landscape.sizes
        for x in points:
            images = self.landscape.matrices @ x / s
            if not any(np.abs(images - state.point / s).max(axis=1).min() < SAME for state in states):
                states.append(self.state(x))
        return states

    def midpoints(self, states: list[Well], rng: np.random.Generator) -> np.ndarray:
        """Points half way between each minimum and the images of all minima, with a little noise."""
        minima = [state for state in states if state.kind == "minimum"]
        points = [(a.point + image) / 2 for a in minima for b in minima for image in self.landscape.matrices @ b.point]
        if not points:
            return np.zeros((0, len(self.columns)))
        return np.array(points) + 0.02 * self.landscape.sizes * rng.normal(size=(len(points), len(self.columns)))


def _directions(state: Well) -> str:
    return "1 direction" if state.negative_modes == 1 else f"{state.negative_modes} directions"


def _classes(group: PointGroup) -> list[np.ndarray]:
    """Numbers of the operations of one subgroup of each class of conjugate ones."""
    G = group.operations
    found: dict[tuple[int, ...], np.ndarray] = {}
    for subgroup in group.subgroups():
        images = G[:, None] @ subgroup.operations[None] @ G[:, None].swapaxes(2, 3)
        numbers = np.sort(ops.index_of(G, images.reshape(-1, 3, 3)).reshape(len(G), -1), axis=1)
        found.setdefault(min(map(tuple, numbers.tolist())), ops.index_of(G, subgroup.operations))
    return list(found.values())


def _places(named: list[tuple[str, int]]) -> dict[str, slice]:
    ends = np.cumsum([size for _, size in named])
    return {name: slice(int(end) - size, int(end)) for (name, size), end in zip(named, ends, strict=True)}


def _blocks(matrices: list[np.ndarray]) -> np.ndarray:
    size = sum(block.shape[1] for block in matrices)
    result = np.zeros((len(matrices[0]), size, size))
    start = 0
    for block in matrices:
        end = start + block.shape[1]
        result[:, start:end, start:end] = block
        start = end
    return result
