r"""Quantities of a crystal along a direction: moduli, Poisson's ratios, compressibility, sound.

With the compliance :math:`s = B^{-1}` (:math:`c^{-1}` without stress), a unit vector n (the pull) and a unit vector m perpendicular to it:

.. math::
    1/E(n) = s_{ijkl} n_i n_j n_k n_l, \qquad 1/G(n, m) = 4\, s_{ijkl} n_i m_j n_k m_l, \qquad
    \nu(n, m) = -E(n)\, s_{ijkl} m_i m_j n_k n_l, \qquad \beta(n) = s_{ijkk} n_i n_j

(Nye, *Physical Properties of Crystals*, 1985, ch. VIII; Marmier et al., Comput. Phys. Commun. 181 (2010) 2102), and sound by
Christoffel's equation :math:`(c_{ijkl} n_j n_l + \sigma_{jl} n_j n_l \delta_{ik})\, a_k = \rho v^2 a_i` (Wallace,
*Thermodynamics of Crystals*, 1972). At fixed n the extremes over m are eigenvalues of a 2×2 matrix, so only n has to be
searched.

In a strained state the moduli are those of a small further load: of Cauchy stress against small strain about that state, by
Wallace's stress-strain coefficients (ibid.; Barron & Klein, Proc. Phys. Soc. 85 (1965) 523)

.. math:: B_{ijkl} = c_{ijkl} + \tfrac12(\sigma_{ik}\delta_{jl} + \sigma_{jk}\delta_{il} + \sigma_{il}\delta_{jk}
    + \sigma_{jl}\delta_{ik} - 2\sigma_{ij}\delta_{kl}), \qquad c = J^{-1} F F F F : \partial S / \partial E
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np
from jaxtyping import Float, Num

from constitutive.elasticity.directions import Direction, apart, half_sphere, low_index, plane_axes, ring, unit, upward
from constitutive.errors import ConstitutiveError
from constitutive.plain import JsonObject
from constitutive.show import facts
from constitutive.tensors.packing import stiffness_voigt_to_mandel, tangent_from_mandel, tangent_to_mandel, to_mandel

if TYPE_CHECKING:
    from constitutive.laws import Law

Values: TypeAlias = Float[np.ndarray, "*#batch"] | np.float64
Quantity: TypeAlias = str  # one of these:
QUANTITIES: tuple[Quantity, ...] = ("youngs_modulus", "shear_modulus", "poisson_ratio", "linear_compressibility")
UNITS = {"youngs_modulus": "GPa", "shear_modulus": "GPa", "poisson_ratio": "", "linear_compressibility": "1/TPa"}
_STARTS = 12  # best points of the grid, apart from each other, from which an extreme is refined
_COMPASS = np.arange(8) * np.pi / 4
_SAME = 1e-10  # relative difference of values that are one
_TRACE = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])  # the identity tensor in Mandel components


@dataclass(frozen=True)
class Averages:
    """Moduli of a polycrystal without texture, in GPa: Voigt's upper bound, Reuss's lower bound, Hill's mean.

    Attributes
    ----------
    bulk_voigt, bulk_reuss : float
        Bounds of the bulk modulus (GPa).
    shear_voigt, shear_reuss : float
        Bounds of the shear modulus (GPa).
    """

    bulk_voigt: float
    bulk_reuss: float
    shear_voigt: float
    shear_reuss: float

    @property
    def bulk_hill(self) -> float:
        """Mean of both bounds of the bulk modulus (GPa)."""
        return (self.bulk_voigt + self.bulk_reuss) / 2

    @property
    def shear_hill(self) -> float:
        """Mean of both bounds of the shear modulus (GPa)."""
        return (self.shear_voigt + self.shear_reuss) / 2

    @property
    def youngs_hill(self) -> float:
        """Young's modulus of Hill's means (GPa)."""
        return 9 * self.bulk_hill * self.shear_hill / (3 * self.bulk_hill + self.shear_hill)

    @property
    def poisson_hill(self) -> float:
        """Poisson's ratio of Hill's means."""
        K, G = self.bulk_hill, self.shear_hill
        return (3 * K - 2 * G) / (2 * (3 * K + G))


@dataclass(frozen=True)
class Extreme:
    """The smallest or largest value of a directional quantity and where it is.

    Attributes
    ----------
    value : float
        In the unit that ``UNITS`` names.
    direction : (3,)
        Unit vector n, its last non-zero component positive.
    across : (3,) or None
        Unit vector m where the quantity needs one.
    """

    value: float
    direction: Float[np.ndarray, "3"]
    across: Float[np.ndarray, "3"] | None = None


@final
@dataclass(frozen=True)
class DirectionalModuli:
    """Directional elastic quantities of a crystal in one state.

    Attributes
    ----------
    stiffness : (6, 6)
        Strain to stress of a small further load, in Mandel components (GPa). It lacks major symmetry under a stress that
        is not hydrostatic.
    acoustic : (3, 3, 3, 3)
        Coefficients of Christoffel's equation, indexed ``[i, j, k, l]`` with propagation on j and l (GPa).
    density : float or None
        Mass per volume of this state in kg/m³; sound needs it.
    """

    stiffness: Float[np.ndarray, "6 6"]
    acoustic: Float[np.ndarray, "3 3 3 3"]
    density: float | None = None

    # -- construction ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_voigt(cls, C: Num[np.ndarray, "rows columns"], *, density: float | None = None) -> DirectionalModuli:
        """From a 6×6 Voigt stiffness in GPa (order xx yy zz yz xz xy) of a crystal without stress.

        Parameters
        ----------
        C : array (6, 6)
            GPa; engineering shear.
        density : float, optional
            kg/m³; needed for sound velocities.

        Returns
        -------
        DirectionalModuli

        Raises
        ------
        ConstitutiveError
            The matrix is not symmetric and positive definite: such a crystal is not stable, its moduli have no meaning.
        """
        C = np.asarray(C, dtype=np.float64)
        if C.shape != (6, 6) or not np.isfinite(C).all() or not np.allclose(C, C.T, atol=1e-6 * np.abs(C).max()):
            raise ConstitutiveError(f"a symmetric 6×6 stiffness of finite numbers is needed, found shape {C.shape}")
        mandel = np.asarray(stiffness_voigt_to_mandel((C + C.T) / 2))
        return cls._checked(mandel, np.asarray(tangent_from_mandel(mandel)), density)

    @classmethod
    def from_law(cls, law: Law, F: Float[np.ndarray, "3 3"] | None = None, *, density: float | None = None) -> DirectionalModuli:
        """Of a law at a deformation F (none: at zero strain); theory, eq. (14).

        Parameters
        ----------
        law
            Any law; in its own frame, the crystal's.
        F
            Deformation gradient.
        density
            Of the undeformed crystal in kg/m³.

        Returns
        -------
        DirectionalModuli
            In lab axes, in which F is given.

        Raises
        ------
        ConstitutiveError
            The crystal is not stable against a small further load there.
        """
        F = np.eye(3) if F is None else np.asarray(F, dtype=np.float64)
        c, sigma = _spatial(law, F)
        I = np.eye(3)
        acoustic = c + np.einsum("jl,ik->ijkl", sigma, I)
        mixed = np.einsum("ik,jl->ijkl", sigma, I)
        mixed = mixed + mixed.swapaxes(0, 1)
        mixed = (mixed + mixed.swapaxes(2, 3)) / 2
        B = c + mixed - np.einsum("ij,kl->ijkl", sigma, I)
        rho = None if density is None else density / float(np.linalg.det(F))
        return cls._checked(np.asarray(tangent_to_mandel(B)), acoustic, rho)

    @classmethod
    def _checked(cls, stiffness: np.ndarray, acoustic: np.ndarray, density: float | None) -> DirectionalModuli:
        weakest = float(np.linalg.eigvalsh((stiffness + stiffness.T) / 2)[0])
        if not weakest > 0:
            raise ConstitutiveError(
                f"the crystal is not stable here: its stiffness has an eigenvalue of {weakest:.3g} GPa, all must be positive; "
                "take a smaller strain"
            )
        return cls(stiffness, acoustic, density)

    @cached_property
    def compliance(self) -> Float[np.ndarray, "6 6"]:
        """Stress to strain, in Mandel components (1/GPa)."""
        return np.linalg.inv(self.stiffness)

    # -- along a direction ----------------------------------------------------------------------------------------------

    def youngs_modulus(self, n: Direction) -> Values:
        """Young's modulus E(n); theory, eq. (15).

        Parameters
        ----------
        n : array (..., 3)
            Directions of the pull, of any length.

        Returns
        -------
        array (...)
            GPa.
        """
        x = _square(n)
        return 1 / _form(x, self.compliance, x)

    def linear_compressibility(self, n: Direction) -> Values:
        """Shortening along n per pressure; negative where the crystal expands under pressure; theory, eq. (18).

        Parameters
        ----------
        n : array (..., 3)
            Directions, of any length.

        Returns
        -------
        array (...)
            1/TPa.
        """
        return 1e3 * (_square(n) @ self.compliance @ _TRACE)

    def shear_modulus(self, n: Direction, m: Direction) -> Values:
        """Shear modulus G(n, m) of the plane with normal n sheared along m; theory, eq. (16).

        Parameters
        ----------
        n, m : array (..., 3)
            Perpendicular directions, of any length.

        Returns
        -------
        array (...)
            GPa.

        Raises
        ------
        ConstitutiveError
            n and m are not perpendicular.
        """
        n, m = _across(n, m)
        x = np.asarray(to_mandel(n[..., :, None] * m[..., None, :]))
        return 1 / (4 * _form(x, self.compliance, x))

    def poisson_ratio(self, n: Direction, m: Direction) -> Values:
        """Poisson's ratio ν(n, m): contraction along m per extension along n; theory, eq. (17).

        Parameters
        ----------
        n, m : array (..., 3)
            Perpendicular directions, of any length.

        Returns
        -------
        array (...)
            Dimensionless.

        Raises
        ------
        ConstitutiveError
            n and m are not perpendicular.
        """
        n, m = _across(n, m)
        x = _square(n)
        return -_form(_square(m), self.compliance, x) / _form(x, self.compliance, x)

    def shear_range(self, n: Direction) -> tuple[Values, Values, np.ndarray, np.ndarray]:
        """Smallest and largest G(n, m) over all m.

        Parameters
        ----------
        n : array (..., 3)
            Normals of the sheared plane.

        Returns
        -------
        smallest, largest : array (...)
            GPa.
        along_smallest, along_largest : array (..., 3)
            Unit vectors m at which they occur.
        """
        values, across = self._over_plane(n, "shear_modulus")
        return 1 / (4 * values[..., 1]), 1 / (4 * values[..., 0]), across[..., 1], across[..., 0]

    def poisson_range(self, n: Direction) -> tuple[Values, Values, np.ndarray, np.ndarray]:
        """Smallest and largest ν(n, m) over all m.

        Parameters
        ----------
        n : array (..., 3)
            Directions of the pull.

        Returns
        -------
        smallest, largest : array (...)
            Dimensionless.
        along_smallest, along_largest : array (..., 3)
            Unit vectors m at which they occur.
        """
        values, across = self._over_plane(n, "poisson_ratio")
        values = -values * np.asarray(self.youngs_modulus(n))[..., None]
        return values[..., 1], values[..., 0], across[..., 1], across[..., 0]

    def _over_plane(self, n: Direction, quantity: Quantity) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (rising) and directions of the form in m that a quantity is, on the plane across n."""
        n = unit(n)
        s = np.asarray(tangent_from_mandel(self.compliance))
        contraction = "ijkl,...i,...k->...jl" if quantity == "shear_modulus" else "ijkl,...k,...l->...ij"
        form = np.einsum(contraction, s, n, n)
        u, v = plane_axes(n)
        basis = np.stack([u, v], axis=-1)
        values, vectors = np.linalg.eigh(basis.swapaxes(-1, -2) @ ((form + form.swapaxes(-1, -2)) / 2) @ basis)
        return values, basis @ vectors

    # -- of the whole crystal -------------------------------------------------------------------------------------------

    @cached_property
    def averages(self) -> Averages:
        """Voigt's, Reuss's and Hill's moduli (Hill, Proc. Phys. Soc. A 65 (1952) 349)."""
        C, S = self.stiffness, self.compliance
        bulk_v, bulk_r = _TRACE @ C @ _TRACE / 9, 1 / (_TRACE @ S @ _TRACE)
        shear_v = (np.trace(C) - 3 * bulk_v) / 10
        shear_r = 5 / (2 * (np.trace(S) - _TRACE @ S @ _TRACE / 3))
        return Averages(float(bulk_v), float(bulk_r), float(shear_v), float(shear_r))

    @property
    def bulk_modulus(self) -> float:
        """Bulk modulus of the single crystal under uniform pressure (GPa): Reuss's."""
        return self.averages.bulk_reuss

    @property
    def universal_anisotropy(self) -> float:
        """A^U = 5 G_V/G_R + K_V/K_R − 6, zero when isotropic (Ranganathan & Ostoja-Starzewski, PRL 101 (2008) 055504; theory, eq. (20))."""
        a = self.averages
        return 5 * a.shear_voigt / a.shear_reuss + a.bulk_voigt / a.bulk_reuss - 6

    # -- sound ----------------------------------------------------------------------------------------------------------

    def sound_velocities(self, n: Direction) -> Float[np.ndarray, "*batch 3"]:
        """Phase velocities of plane waves along n, the fastest ((quasi-)longitudinal) first; theory, eq. (19).

        Parameters
        ----------
        n : array (..., 3)
            Directions of propagation.

        Returns
        -------
        array (..., 3)
            m/s.

        Raises
        ------
        ConstitutiveError
            No density is known, or a wave has no real velocity.
        """
        return self.sound_modes(n)[0]

    def sound_modes(self, n: Direction) -> tuple[Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch 3 3"]]:
        """Phase velocities and polarisations of plane waves along n, the fastest first; theory, eq. (19).

        Parameters
        ----------
        n : array (..., 3)
            Directions of propagation.

        Returns
        -------
        velocities : array (..., 3)
            m/s.
        polarisations : array (..., 3, 3)
            Unit vectors in rows, one for each velocity.

        Raises
        ------
        ConstitutiveError
            No density is known, or a wave has no real velocity (the crystal is not stable there).
        """
        if self.density is None:
            raise ConstitutiveError("sound needs the density: pass density=… in kg/m³, or use a material with a structure")
        n = unit(n)
        christoffel = np.einsum("ijkl,...j,...l->...ik", self.acoustic, n, n)
        values, vectors = np.linalg.eigh(christoffel)
        if values.min() <= 0:
            raise ConstitutiveError(
                f"a plane wave has no real velocity: Christoffel's matrix has an eigenvalue of {values.min():.3g} GPa; "
                "the crystal is not stable here, take a smaller strain"
            )
        speeds = np.sqrt(values * 1e9 / self.density)
        return speeds[..., ::-1], vectors.swapaxes(-1, -2)[..., ::-1, :]

    # -- extremes -------------------------------------------------------------------------------------------------------

    def extremes(self, quantity: Quantity) -> tuple[Extreme, Extreme]:
        """The smallest and the largest value of a quantity over all directions, and where they are.

        A grid of the half sphere gives the starts, a local search refines the best of them: values to rounding error,
        directions to about 1e-7 where the extreme is a point.

        Parameters
        ----------
        quantity : str
            One of :data:`QUANTITIES`.

        Returns
        -------
        smallest, largest : Extreme
            Values in the quantity's unit (:data:`UNITS`), with the directions n and m at which they occur.
        """
        if quantity not in self._found:
            self._found[quantity] = (self._extreme(quantity, 1.0), self._extreme(quantity, -1.0))
        return self._found[quantity]

    @cached_property
    def _found(self) -> dict[Quantity, tuple[Extreme, Extreme]]:
        """Extremes that were searched before: pictures and tables need the same ones."""
        return {}

    def _extreme(self, quantity: Quantity, sign: float) -> Extreme:
        n = half_sphere(2000)
        n = n[np.argsort(sign * self._outermost(quantity, n, sign)[0], kind="stable")]
        n = n[apart(n)[:_STARTS]]
        for step in 0.06 * 0.75 ** np.arange(110):  # a shrinking compass around every start: no derivatives, no traps at kinks
            u, v = plane_axes(n)
            tries = unit(np.stack([n, *(n + step * (np.cos(t) * u + np.sin(t) * v) for t in _COMPASS)]))
            best = np.argmin(sign * self._outermost(quantity, tries, sign)[0], axis=0)
            n = tries[best, np.arange(len(n))]
        n = self._simplest(quantity, upward(n[np.argmin(sign * self._outermost(quantity, n, sign)[0])]), sign)
        value, across = self._outermost(quantity, n, sign)
        return Extreme(float(value), n, None if across is None else upward(across))

    def _simplest(self, quantity: Quantity, n: np.ndarray, sign: float) -> np.ndarray:
        """Of directions as extreme as n, the simplest: symmetry makes several of them, or a whole circle."""
        tries = np.concatenate([low_index(), ring(n), n[None]])
        values = sign * np.asarray(self._outermost(quantity, tries, sign)[0])
        return upward(tries[np.argmax(values <= values[-1] + _SAME * abs(values[-1]))])

    def _outermost(self, quantity: Quantity, n: np.ndarray, sign: float) -> tuple[Values, np.ndarray | None]:
        """Value at n, the smallest (sign +1) or largest (−1) over m where there is an m, and that m."""
        if quantity not in QUANTITIES:
            raise ConstitutiveError(f"no directional quantity is named {quantity!r}; there are: {', '.join(QUANTITIES)}")
        if quantity == "youngs_modulus":
            return self.youngs_modulus(n), None
        if quantity == "linear_compressibility":
            return self.linear_compressibility(n), None
        low, high, m_low, m_high = self.shear_range(n) if quantity == "shear_modulus" else self.poisson_range(n)
        return (low, m_low) if sign > 0 else (high, m_high)

    def _repr_html_(self) -> str:
        a = self.averages
        rows: dict[str, object] = {
            "bulk modulus, Hill (GPa)": a.bulk_hill,
            "shear modulus, Hill (GPa)": a.shear_hill,
            "Young's modulus, Hill (GPa)": a.youngs_hill,
            "Poisson's ratio, Hill": a.poisson_hill,
            "universal anisotropy": self.universal_anisotropy,
        }
        low, high = self.extremes("youngs_modulus")
        for word, extreme in (("smallest", low), ("largest", high)):
            direction = ", ".join(f"{component + 0.0:.3f}" for component in extreme.direction)
            rows[f"{word} E (GPa)"] = f"{extreme.value:.5g} along ({direction})"
        return facts("Directional moduli", rows)

    def as_dict(self) -> JsonObject:
        """Averages, anisotropy and extremes as plain numbers, for ``--json`` and the report.

        Returns
        -------
        dict
            Moduli in GPa, compressibility in 1/TPa, directions as unit vectors.
        """
        a = self.averages
        found: JsonObject = {
            "bulk_GPa": {"voigt": a.bulk_voigt, "reuss": a.bulk_reuss, "hill": a.bulk_hill},
            "shear_GPa": {"voigt": a.shear_voigt, "reuss": a.shear_reuss, "hill": a.shear_hill},
            "youngs_hill_GPa": a.youngs_hill,
            "poisson_hill": a.poisson_hill,
            "universal_anisotropy": self.universal_anisotropy,
        }
        for quantity in QUANTITIES:
            found[quantity] = {
                name: {"value": e.value, "n": e.direction.tolist(), "m": None if e.across is None else e.across.tolist()}
                for name, e in zip(("min", "max"), self.extremes(quantity), strict=True)
            }
        return found


def _spatial(law: Law, F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Push-forward of dS/dE divided by J, and Cauchy stress (GPa)."""
    import torch

    E = torch.from_numpy((F.T @ F - np.eye(3)) / 2)
    J = float(np.linalg.det(F))
    S, dSdE = law.stress(E).numpy(), law.tangent(E).numpy()
    c = np.einsum("iI,jJ,kK,lL,IJKL->ijkl", F, F, F, F, dSdE, optimize=True) / J
    return c, F @ S @ F.T / J


def _square(n: Direction) -> np.ndarray:
    n = unit(n)
    return np.asarray(to_mandel(n[..., :, None] * n[..., None, :]))


def _form(x: np.ndarray, A: np.ndarray, y: np.ndarray) -> Values:
    return np.einsum("...i,ij,...j->...", x, A, y)


def _across(n: Direction, m: Direction) -> tuple[np.ndarray, np.ndarray]:
    n, m = np.broadcast_arrays(unit(n), unit(m))
    tilt = float(np.abs(np.einsum("...i,...i->...", n, m)).max())
    if tilt > 1e-6:
        raise ConstitutiveError(f"m has to be perpendicular to n: found a cosine of {tilt:.3g} between them, 0 is needed")
    return n, m
