r"""The linear law of coupled crystals: elastic, piezoelectric, dielectric, thermal and pyroelectric constants.

.. math::
    \Omega = \tfrac12 E : C : E - E_0 \cdot e : E - \tfrac12 E_0 \cdot \chi E_0
             - \theta\, \beta : E - \theta\, p \cdot E_0 - \tfrac12 \frac{c}{T_0}\, \theta^2

so that :math:`S = C : E - E_0 \cdot e - \beta\theta`, :math:`P_0 = e : E + \chi E_0 + p\theta` and
:math:`\eta = \beta : E + p \cdot E_0 + c\,\theta/T_0` (IEEE Std 176-1987, eqs. 30-33; Nye 1985, ch. X), with
β = C : α. The susceptibility χ = ε₀ (ε_r − 1) leaves out the free space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.laws.base import numbers, require_unchanged, settled
from constitutive.laws.coupled.base import CoupledLaw
from constitutive.plain import JsonObject
from constitutive.tensors.bases import GroupLike
from constitutive.tensors.packing import ROOT2, stiffness_voigt_to_mandel, to_mandel
from constitutive.tensors.variables import ELECTRIC_FIELD, STRAIN, TEMPERATURE, Variable, representation, variables_named
from constitutive.units import ROOM_TEMPERATURE, VACUUM_PERMITTIVITY

ROUNDED = 0.02  # what constants of tables, each rounded by itself, may lack in symmetry, relative to the largest of their tensor
PICO = 1e-3  # pm/V times GPa, in C/m^2
VOIGT_TO_MANDEL = np.array([1, 1, 1, ROOT2, ROOT2, ROOT2])  # of stress-like components


@final
class LinearCoupledLaw(CoupledLaw):
    r"""Energy :math:`\Omega = s \cdot x + \tfrac12 x \cdot M x` of packed variables, projected on the group's invariants.

    Parameters
    ----------
    matrix : array (k, k)
        M, symmetric: second derivatives in GPa over the units of the components, strains in Mandel components.
    variables : sequence of Variable or str
    operations : PointGroup or array (g, 3, 3)
        All operations of the group.
    slope : array (k,), optional
        s, the gradient at x = 0.

    Raises
    ------
    MaterialError
        The shapes do not fit the variables.
    """

    kind = "linear"

    def __init__(
        self,
        matrix: Float[np.ndarray, "k k"],
        variables: Sequence[Variable | str],
        operations: GroupLike,
        slope: Float[np.ndarray, " k"] | None = None,
    ):
        super().__init__(variables, operations)
        k, D = self.size, self.matrices.numpy()
        M, s = np.array(matrix, dtype=np.float64), np.zeros(k) if slope is None else np.array(slope, dtype=np.float64)
        if M.shape != (k, k) or s.shape != (k,):
            raise MaterialError(f"a matrix {M.shape} and a slope {s.shape} found; {self.size} components need {(k, k)} and {(k,)}")
        projected = np.mean(D @ M @ D.transpose(0, 2, 1), axis=0)
        self.register_buffer("matrix", torch.from_numpy(settled((projected + projected.T) / 2, M)))
        self.register_buffer("slope", torch.from_numpy(settled(np.mean(D @ s, axis=0), s)))

    @classmethod
    def from_constants(
        cls,
        operations: GroupLike,
        *,
        stiffness: Float[np.ndarray, "6 6"],
        piezoelectric_e: Float[np.ndarray, "3 6"] | None = None,
        piezoelectric_d: Float[np.ndarray, "3 6"] | None = None,
        permittivity: Float[np.ndarray, "3 3"] | None = None,
        permittivity_at_constant_stress: Float[np.ndarray, "3 3"] | None = None,
        thermal_expansion: Float[np.ndarray, "3 3"] | None = None,
        pyroelectric: Float[np.ndarray, " 3"] | None = None,
        heat_capacity: float | None = None,
        reference_temperature: float = ROOM_TEMPERATURE,
        tolerance: float = ROUNDED,
    ) -> LinearCoupledLaw:
        """Law of the constants of a table, in the IEEE order xx yy zz yz xz xy.

        Parameters
        ----------
        operations : PointGroup or array (g, 3, 3)
            All operations of the group, in the frame of the constants.
        stiffness : array (6, 6)
            At constant field (GPa).
        piezoelectric_e : array (3, 6), optional
            Stress constants e (C/m²).
        piezoelectric_d : array (3, 6), optional
            Strain constants d (pm/V), instead of e = d·C.
        permittivity : array (3, 3)
            At constant strain, relative to free space, free space included.
        permittivity_at_constant_stress : array (3, 3)
            Instead of the one at constant strain.
        thermal_expansion : array (3, 3), optional
            α (1/K), at constant stress and field. With one of the thermal constants the temperature becomes a variable.
        pyroelectric : array (3,), optional
            Primary coefficients, at constant strain (C/m²/K).
        heat_capacity : float, optional
            At constant strain and field (J/m³/K).
        reference_temperature : float
            K, at which the heat capacity is taken.
        tolerance : float
            By how much a tensor may break the group's symmetry, relative to its largest component; what is below is removed.

        Returns
        -------
        LinearCoupledLaw
            Of the strain, the electric field and, with thermal constants, the temperature.

        Raises
        ------
        MaterialError
            A tensor has the wrong shape, breaks the symmetry of the group, or two of them say the same.

        Examples
        --------
        >>> from constitutive.symmetry import PointGroup
        >>> C, e = np.diag([100.0, 100, 100, 50, 50, 50]), np.zeros((3, 6))
        >>> e[0, 3] = e[1, 4] = e[2, 5] = 0.5
        >>> group = PointGroup.from_symbol("-43m")
        >>> law = LinearCoupledLaw.from_constants(group, stiffness=C, piezoelectric_e=e, permittivity=5 * np.eye(3))
        >>> [v.name for v in law.variables]
        ['strain', 'electric_field']
        """
        C = _table("stiffness", stiffness, (6, 6))
        e = _piezoelectric_e(C, piezoelectric_e, piezoelectric_d)
        chi = VACUUM_PERMITTIVITY * (_permittivity(C, e, permittivity, permittivity_at_constant_stress) - np.eye(3))
        thermal = any(given is not None for given in (thermal_expansion, pyroelectric, heat_capacity))
        M = np.zeros((10, 10))
        M[:6, :6] = stiffness_voigt_to_mandel(C)
        M[6:9, :6] = -e * VOIGT_TO_MANDEL
        M[6:9, 6:9] = -chi
        if thermal_expansion is not None:
            M[9, :6] = -M[:6, :6] @ to_mandel(_table("thermal_expansion", thermal_expansion, (3, 3)))
        if pyroelectric is not None:
            M[9, 6:9] = -_table("pyroelectric", pyroelectric, (3,))
        if heat_capacity is not None:
            M[9, 9] = -1e-9 * heat_capacity / reference_temperature
        M[:6, 6:], M[6:9, 9] = M[6:, :6].T, M[9, 6:9]
        k = 10 if thermal else 9
        variables = (STRAIN, ELECTRIC_FIELD, TEMPERATURE) if thermal else (STRAIN, ELECTRIC_FIELD)
        _require_symmetry(M[:k, :k], variables, operations, tolerance)
        return cls(M[:k, :k], variables, operations)

    def energy_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy (GPa)."""
        return x @ self.slope + 0.5 * ((x @ self.matrix) * x).sum(-1)

    def gradient_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient."""
        return self.slope + x @ self.matrix

    def hessian_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives."""
        return self.matrix.expand(len(x), self.size, self.size)

    def derivative(self, x: Float[Tensor, " k"], order: int) -> Tensor:
        """Derivative of order 1 to 4 at one point."""
        if order == 1:
            return self.gradient_packed(x[None])[0]
        return self.matrix.clone() if order == 2 else x.new_zeros((self.size,) * order)

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        return self._settings(), {"matrix": numbers(self.matrix), "slope": numbers(self.slope)}

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> LinearCoupledLaw:
        """Rebuild from ``state``."""
        variables = variables_named(settings["variables"])
        k = sum(v.size for v in variables)
        matrix, slope = arrays["matrix"].reshape(k, k), arrays["slope"].reshape(k)
        law = cls(matrix, variables, operations, slope)
        require_unchanged(numbers(law.matrix), matrix)
        require_unchanged(numbers(law.slope), slope)
        return law


def _table(name: str, given: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """An array of a table, of the shape needed, finite, and symmetric where it is square."""
    array = np.asarray(given, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise MaterialError(f"{name}: an array of shape {array.shape} found, finite numbers of shape {shape} are needed")
    if len(shape) == 2 and shape[0] == shape[1] and not np.abs(array - array.T).max() <= 1e-6 * np.abs(array).max():
        raise MaterialError(f"{name}: the matrix is not symmetric (by {np.abs(array - array.T).max():.3g}); both halves are needed")
    return array


def _piezoelectric_e(C: np.ndarray, e: np.ndarray | None, d: np.ndarray | None) -> Float[np.ndarray, "3 6"]:
    if e is not None and d is not None:
        raise MaterialError("piezoelectric constants e and d were both given; either is enough, since e = d·C")
    if e is None and d is None:
        return np.zeros((3, 6))
    return _table("piezoelectric_e", e, (3, 6)) if e is not None else PICO * _table("piezoelectric_d", d, (3, 6)) @ C


def _permittivity(C: np.ndarray, e: np.ndarray, at_strain: np.ndarray | None, at_stress: np.ndarray | None) -> Float[np.ndarray, "3 3"]:
    if (at_strain is None) == (at_stress is None):
        raise MaterialError("one permittivity is needed: permittivity (at constant strain) or permittivity_at_constant_stress, not both")
    if at_strain is not None:
        return _table("permittivity", at_strain, (3, 3))
    stress = _table("permittivity_at_constant_stress", at_stress, (3, 3))
    return stress - e @ np.linalg.solve(C, e.T) / VACUUM_PERMITTIVITY


def _require_symmetry(M: np.ndarray, variables: Sequence[Variable], operations: GroupLike, tolerance: float) -> None:
    """Require that each tensor of a linear law has the symmetry of the group, as far as rounded tables have it."""
    D = representation(variables, operations)
    rest = M - np.mean(D @ M @ D.transpose(0, 2, 1), axis=0)
    edges = {"strain": slice(0, 6), "electric_field": slice(6, 9), "temperature": slice(9, 10)}
    for row in variables:
        for column in variables:
            given, broken = M[edges[row.name], edges[column.name]], rest[edges[row.name], edges[column.name]]
            share = float(np.abs(broken).max() / max(np.abs(given).max(), 1e-300))
            if share > tolerance:
                i, j = np.unravel_index(int(np.abs(broken).argmax()), broken.shape)
                name = _NAMES[frozenset((row.name, column.name))]
                raise MaterialError(
                    f"the {name} break the symmetry of the group by {share:.1%} of their largest, most at component {i + 1}{j + 1}: check "
                    f"the point group, its axes (IEEE: PointGroup.from_symbol has z along c, x along a), and the order xx yy zz yz xz xy"
                )


_NAMES = {
    frozenset(("strain",)): "elastic constants",
    frozenset(("strain", "electric_field")): "piezoelectric constants",
    frozenset(("electric_field",)): "permittivities",
    frozenset(("strain", "temperature")): "thermal stress coefficients",
    frozenset(("electric_field", "temperature")): "pyroelectric coefficients",
    frozenset(("temperature",)): "heat capacity",
}
