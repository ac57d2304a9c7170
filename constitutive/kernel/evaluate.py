"""Batched evaluation of a law on NumPy arrays: by compiled C, or by torch with the same interface."""

from __future__ import annotations

import dataclasses
import os
import warnings
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Bool, Float

from constitutive.code_cache import Built, Handle
from constitutive.errors import DomainError, MaterialError
from constitutive.fitting import Uncertainty
from constitutive.kernel.batch import Measure, Request, checked, orientation_map, pack_map
from constitutive.kernel.information import Information
from constitutive.kernel.source import ENTRY, Source
from constitutive.kinematics import first_elasticity, first_from_second_piola, green_lagrange_strain
from constitutive.laws import BoundedLaw, Law, RotatedLaw
from constitutive.laws.base import POINTS_AT_ONCE
from constitutive.laws.bounded import EDGE, Domain, OutsideDomainWarning
from constitutive.tensors.packing import from_mandel, tangent_from_mandel, to_mandel

Precision = Literal["double", "single"]
GRAIN = 512  # points below which starting a thread costs more than it saves
_NO_TURN = np.concatenate([np.eye(6).ravel(), np.zeros(6)])
_ROWS, _COLUMNS = np.triu_indices(6)


class Kernel(ABC):
    """A law ready to be evaluated at many points.

    Attributes
    ----------
    law : Law
        The law.
    domain : Domain or None
        Strains for which it was made, in the law's axes.
    policy : str or None
        Policy outside the domain, where the law has one.
    information : Information
        Which kernel this is, and why.
    """

    information: Information

    def __init__(self, law: Law, domain: Domain | None, uncertainty: Uncertainty | None, orientation: np.ndarray | None, unit: float):
        self.law = law
        self.uncertainty = uncertainty
        inner = innermost_bounded(law)
        self.domain = domain
        self.policy = inner.policy if inner is not None else None
        self.unit = unit
        self.map = None if orientation is None else orientation_map(orientation, unit)

    @final
    def evaluate(
        self,
        strain: np.ndarray,
        *,
        measure: Measure = "E",
        stress: np.ndarray | None = None,
        tangent: np.ndarray | None = None,
        energy: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        uncertainty: np.ndarray | None = None,
        level: float = 0.9,
        outside: Bool[np.ndarray, " n"] | None = None,
        point_map: np.ndarray | None = None,
        precision: Precision = "double",
    ) -> int:
        """Evaluate a batch into arrays that the caller made: C-contiguous, float64.

        Parameters
        ----------
        strain : array
            (n, 6) E in Mandel components, (n, 3, 3) E, or (n, 3, 3) F with ``measure="F"``. Rows of six may be part of a
            wider array.
        measure : {"E", "F"}
            What a (n, 3, 3) array of strains holds.
        stress : array, optional
            (n, 6) S in Mandel components; (n, 3, 3) S, or P where F was given.
        tangent : array, optional
            (n, 21) upper triangle of dS/dE in Mandel components, row by row; (n, 6, 6) all of it; (n, 9, 9) dP/dF for F.
        energy : array, optional
            (n,) ψ per reference volume.
        distance : array, optional
            (n,) size of the crystal's strain relative to the edge of the domain: up to 1 inside; 0 without a domain.
        uncertainty : array, optional
            (n,) Frobenius norm of half the width of the intervals that hold the components of S with the probability ``level``.
        level : float
            0.5 to 0.99.
        outside : array of bool, optional
            (n,) whether the strain is outside the domain.
        point_map : array, optional
            From lab to crystal, (43,) for all points or (n, 43): see ``pack_map``. Takes the place of the kernel's own
            orientation and unit.
        precision : {"double", "single"}
            "single": the units' part of the tangent in single precision (stress and energy stay double).

        Returns
        -------
        int
            Number of points outside the domain.

        Raises
        ------
        MaterialError
            An array of another shape, dtype or layout.
        DomainError
            A strain outside the domain of a law whose policy is to raise.
        """
        if outside is not None and distance is None:
            distance = np.empty(len(strain))
        if uncertainty is not None and self.uncertainty is None:
            raise MaterialError("the material carries no uncertainty; calibrate it on data to get one")
        point_map = self.map if point_map is None else point_map
        request = checked(Request(strain, measure, stress, tangent, energy, distance, point_map, uncertainty))
        count = self._evaluate(request, precision)
        if uncertainty is not None and self.uncertainty is not None:
            uncertainty *= self.uncertainty.multiple(level)
        if outside is not None and distance is not None:
            np.greater(distance, EDGE, out=outside)
        self._judge(count, len(strain))
        return count

    @abstractmethod
    def _evaluate(self, request: Request, precision: Precision) -> int:
        """Fill the arrays; give the number of points outside the domain."""

    def _crystal_strain(self, request: Request) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Strains in the law's axes, and the matrices and weights of the way back."""
        E = green_lagrange_strain(request.strain) if request.first_piola else request.strain
        x = E if E.ndim == 2 else np.asarray(to_mandel(E))
        n = len(x)
        if request.map is None:
            return x, np.broadcast_to(np.eye(6), (n, 6, 6)), np.full(n, self.unit)
        rows = np.broadcast_to(request.map, (n, 43))
        A = rows[:, :36].reshape(n, 6, 6)
        return np.ascontiguousarray(np.einsum("nij,nj->ni", A, x - rows[:, 36:42])), A, rows[:, 42]

    def _deviation(self, request: Request) -> None:
        """The uncertainty by NumPy."""
        if request.uncertainty is None or self.uncertainty is None:
            return
        for first in range(0, len(request.strain), POINTS_AT_ONCE):
            rows = slice(first, first + POINTS_AT_ONCE)
            y, _, weight = self._crystal_strain(request.part(rows))
            request.uncertainty[rows] = np.sqrt((self.uncertainty.deviation_mandel(y) ** 2).sum(axis=1)) * weight

    def _judge(self, count: int, points: int) -> None:
        if not count or self.policy is None:
            return
        text = f"{count} of {points} strains are outside the domain of the law"
        if self.policy == "raise":
            raise DomainError(f"{text}; take smaller steps, calibrate on larger strains, or choose policy 'extend'")
        action = "the energy is extended conservatively" if self.policy == "extend" else "the law extrapolates"
        warnings.warn(f"{text}; {action}", OutsideDomainWarning, stacklevel=4)

    # ---- like a law --------------------------------------------------------------------------------------------------

    @final
    def energy(self, E: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch"]:
        """Strain-energy density of Green–Lagrange strains.

        Parameters
        ----------
        E : array (..., 3, 3)
            Green–Lagrange strains, in lab axes where the kernel has an orientation.

        Returns
        -------
        array (...)
            In the kernel's unit (GPa by default), per reference volume.
        """
        out = np.empty(E.shape[:-2])
        self.evaluate(_rows(E), energy=out.reshape(-1))
        return out

    @final
    def stress(self, E: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
        """Second Piola–Kirchhoff stress of Green–Lagrange strains.

        Parameters
        ----------
        E : array (..., 3, 3)
            Green–Lagrange strains, in lab axes where the kernel has an orientation.

        Returns
        -------
        array (..., 3, 3)
            In the kernel's unit (GPa by default).
        """
        out = np.empty(E.shape)
        self.evaluate(_rows(E), stress=out.reshape(-1, 3, 3))
        return out

    @final
    def tangent(self, E: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3 3 3"]:
        """Material tangent dS/dE of Green–Lagrange strains.

        Parameters
        ----------
        E : array (..., 3, 3)
            Green–Lagrange strains, in lab axes where the kernel has an orientation.

        Returns
        -------
        array (..., 3, 3, 3, 3)
            In the kernel's unit (GPa by default).
        """
        out = np.empty((*E.shape[:-2], 6, 6))
        self.evaluate(_rows(E), tangent=out.reshape(-1, 6, 6))
        return tangent_from_mandel(out)

    @final
    def __call__(
        self, deformation_gradient: Float[np.ndarray, "*batch 3 3"]
    ) -> tuple[Float[np.ndarray, "*batch 3 3"], Float[np.ndarray, "*batch 3 3 3 3"]]:
        """First Piola–Kirchhoff stress P and first elasticity dP/dF of deformation gradients."""
        F = deformation_gradient
        P, A = np.empty(F.shape), np.empty((*F.shape, 3, 3))
        self.evaluate(_rows(F), measure="F", stress=P.reshape(-1, 3, 3), tangent=A.reshape(-1, 9, 9))
        return P, A


def _rows(tensors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(tensors, dtype=np.float64).reshape(-1, 3, 3)


def innermost_bounded(law: Law) -> BoundedLaw | None:
    """The domain-keeping law inside rotations, if there is one."""
    while isinstance(law, RotatedLaw):
        law = law.law
    return law if isinstance(law, BoundedLaw) else None


# ---- by compiled C ---------------------------------------------------------------------------------------------------


@final
class CompiledKernel(Kernel):
    """A law as compiled C: no allocation and no state in it, so any number of threads may call it.

    Parameters
    ----------
    law : Law
    domain : Domain, optional
        Of validity, in the law's axes.
    uncertainty : Uncertainty, optional
        Of the stress.
    orientation : array (3, 3), optional
        Crystal → lab, or the packed map of :func:`orientation_map`.
    unit : float
        Factor from GPa to the unit of energy, stress and tangent.
    source : Source
        The generated C and its numbers.
    built : Built
        The loaded library.
    information : Information
        What was built, and why.
    threads : int
        Threads that share a batch.
    """

    def __init__(
        self,
        law: Law,
        domain: Domain | None,
        uncertainty: Uncertainty | None,
        orientation: np.ndarray | None,
        unit: float,
        source: Source,
        built: Built,
        information: Information,
        threads: int,
    ):
        super().__init__(law, domain, uncertainty, orientation, unit)
        program = source.program
        self.source, self.program, self.built, self.information = source, program, built, information
        self.threads = max(1, threads)
        own = np.abs(program.frame - np.eye(6)).max() > 1e-12
        self._frame = np.ascontiguousarray(program.frame) if own else None
        self._function = getattr(built.lib, ENTRY)
        self._numbers = source.numbers
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def _evaluate(self, request: Request, precision: Precision) -> int:
        n = len(request.strain)
        point_map, unit = self._in_frame(request.map), self.unit
        if point_map is not None and point_map.ndim == 1 and np.array_equal(point_map[:42], _NO_TURN):
            unit, point_map = float(point_map[42]), None
        framed = dataclasses.replace(request, map=point_map)
        if request.uncertainty is not None and self.source.uncertainty is None:
            self._deviation(request)
            framed = dataclasses.replace(framed, uncertainty=None)
        if self._pool is None or n < 2 * GRAIN:
            return self._call(framed, precision, unit)
        size = max(GRAIN, -(-n // self.threads // 16) * 16)
        parts = [framed.part(slice(k, k + size)) for k in range(0, n, size)]
        return sum(self._pool.map(lambda part: self._call(part, precision, unit), parts))

    def _in_frame(self, point_map: np.ndarray | None) -> np.ndarray | None:
        """The map that ends in the program's axes."""
        if self._frame is None:
            return point_map
        if point_map is None:
            return pack_map(self._frame, np.zeros(6), self.unit)
        turned = point_map.copy()
        batch = point_map.shape[:-1]
        turned[..., :36] = (self._frame @ point_map[..., :36].reshape(*batch, 6, 6)).reshape(*batch, 36)
        return turned

    def _call(self, request: Request, precision: Precision, unit: float) -> int:
        ffi = self.built.ffi

        def pointer(array: np.ndarray | None) -> Handle:
            return ffi.NULL if array is None else ffi.cast("double *", array.ctypes.data)

        b = ffi.new("batch *")
        b.count, b.strain, b.unit = len(request.strain), pointer(request.strain), unit
        b.strain_step = request.strain.strides[0] // 8
        b.strain_kind = 6 if request.strain.ndim == 2 else 10 if request.measure == "F" else 9
        b.map, b.map_step = pointer(request.map), 43 if request.map is not None and request.map.ndim == 2 else 0
        b.stress, b.tangent = pointer(request.stress), pointer(request.tangent)
        b.stress_kind = 6 if request.stress is None or request.stress.ndim == 2 else 10 if request.first_piola else 9
        b.tangent_kind = 21 if request.tangent is None else int(np.prod(request.tangent.shape[1:]))
        b.energy, b.distance, b.uncertainty = pointer(request.energy), pointer(request.distance), pointer(request.uncertainty)
        b.numbers, b.single = pointer(self._numbers), precision == "single"
        return int(self._function(b))


# ---- by torch --------------------------------------------------------------------------------------------------------


@final
class TorchKernel(Kernel):
    """The same by torch: slower, and needs no compiler.

    Parameters
    ----------
    law : Law
    domain : Domain, optional
        Of validity, in the law's axes.
    uncertainty : Uncertainty, optional
        Of the stress.
    orientation : array (3, 3), optional
        Crystal → lab, or the packed map of :func:`orientation_map`.
    unit : float
        Factor from GPa to the unit of energy, stress and tangent.
    information : Information
        Why torch is used.
    """

    def __init__(
        self,
        law: Law,
        domain: Domain | None,
        uncertainty: Uncertainty | None,
        orientation: np.ndarray | None,
        unit: float,
        information: Information,
    ):
        super().__init__(law, domain, uncertainty, orientation, unit)
        self.information = information

    def _evaluate(self, request: Request, precision: Precision) -> int:
        parts = (request.part(slice(k, k + POINTS_AT_ONCE)) for k in range(0, len(request.strain), POINTS_AT_ONCE))
        return sum(self._chunk(part) for part in parts)

    @torch.no_grad()
    def _chunk(self, request: Request) -> int:
        F = request.strain if request.first_piola else None
        strain, A, weight = self._crystal_strain(request)
        y = torch.from_numpy(strain)
        self._deviation(request)
        outside = 0
        if self.domain is not None:
            distance = self.domain.distance(y).numpy()
            outside = int((distance > EDGE).sum())
            if request.distance is not None:
                request.distance[:] = distance
        elif request.distance is not None:
            request.distance[:] = 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OutsideDomainWarning)  # given once by ``evaluate``
            self._fill(request, y, A, weight, F)
        return outside

    def _fill(self, request: Request, y: torch.Tensor, A: np.ndarray, weight: np.ndarray, F: np.ndarray | None) -> None:
        law = self.law
        if request.energy is not None:
            request.energy[:] = law.energy_mandel(y).numpy() * weight
        first = request.tangent is not None and request.tangent.shape[1:] not in ((21,), (6, 6))
        if request.stress is not None or first:
            S = np.einsum("nji,nj->ni", A, law.stress_mandel(y).numpy()) * weight[:, None]
            if request.stress is not None:
                request.stress[:] = _stress_as(request.stress, S, F)
        if request.tangent is not None:
            C = np.swapaxes(A, 1, 2) @ law.tangent_mandel(y).numpy() @ A * weight[:, None, None]
            if first and F is not None:
                dPdF = first_elasticity(F, np.asarray(from_mandel(S)), np.asarray(tangent_from_mandel(C)))
                request.tangent[:] = dPdF.reshape(request.tangent.shape)
            else:
                request.tangent[:] = C if request.tangent.ndim == 3 else C[:, _ROWS, _COLUMNS]


def _stress_as(out: np.ndarray, S: np.ndarray, F: np.ndarray | None) -> np.ndarray:
    if out.ndim == 2:
        return S
    tensor = np.asarray(from_mandel(S))
    return tensor if F is None else first_from_second_piola(F, tensor)


def default_threads() -> int:
    """Threads of one process: ``OMP_NUM_THREADS``, as the libraries beside it take them; one where that is not set."""
    value = os.environ.get("OMP_NUM_THREADS", "1")
    return int(value) if value.isdigit() and int(value) > 0 else 1
