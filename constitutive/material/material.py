"""The calibrated crystal as one object."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.fitting import Uncertainty
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import BoundedLaw, Domain, Law
from constitutive.laws.coupled import CoupledLaw, elastic_law
from constitutive.library import material_folder
from constitutive.material import storage
from constitutive.material.constants import law_from_constants, warn_if_unstable
from constitutive.material.coupled import held_at, require_whole, response_of
from constitutive.material.coupled_tables import law_of_tables
from constitutive.plain import JsonObject
from constitutive.show import facts
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import stiffness_mandel_to_voigt
from constitutive.units import ROOM_TEMPERATURE
from constitutive.variants import find_wells, relax

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from constitutive.variants import Well, Wells

SYMMETRY_LIMIT = 1e-10  # relative; a law of the right group keeps 1e-14


@final
@dataclass(frozen=True, eq=False)
class Material:
    """A law with its group, structure, domain and provenance.

    Attributes
    ----------
    law
        Strain energy, stress and tangent in GPa, in the Cartesian frame of the structure.
    point_group
        The crystal's group in that frame.
    structure
        Reference structure (pymatgen), or None where the data had none.
    name
        A short name.
    domain
        The strains on which the law was calibrated, or None.
    card
        Provenance in plain YAML types: data hash, errors, residual stress, versions.
    report
        What calibration found (not saved; its figures are on the card), or None.
    uncertainty
        How far the stress may be off at any strain; None where nothing was calibrated.
    coupled
        The energy of strain and other variables (electric field, polarisation, temperature), exact under the whole point group, of which
        ``law`` is the part of the strain alone; None for elasticity.

    Raises
    ------
    MaterialError
        The law is not exact under the group, or is not that of the coupled one.
    """

    law: Law
    point_group: PointGroup
    structure: Structure | None = None
    name: str = ""
    domain: Domain | None = None
    card: JsonObject = field(default_factory=dict)
    report: Any = None
    uncertainty: Uncertainty | None = None
    coupled: CoupledLaw | None = None

    def __post_init__(self) -> None:
        residual = self.law.symmetry_residual(self.point_group.laue_rotations)
        if not residual <= SYMMETRY_LIMIT:
            raise MaterialError(
                f"the law breaks the symmetry {self.point_group.laue_class} of its crystal by {residual:.1e} of its stress, "
                f"more than {SYMMETRY_LIMIT:.0e}; calibrate it again for that group"
            )
        if self.coupled is not None:
            require_whole(self.law, self.coupled, self.point_group)

    @classmethod
    def from_coupled_law(
        cls,
        law: CoupledLaw,
        point_group: PointGroup | str,
        *,
        name: str = "",
        structure: Structure | None = None,
        domain: Domain | None = None,
        card: JsonObject | None = None,
    ) -> Material:
        """Material of an energy of strain and other variables; its ``law`` is that energy at zero field and reference temperature.

        Parameters
        ----------
        law : CoupledLaw
            Such as ``LinearCoupledLaw.from_constants(…)``.
        point_group : PointGroup or str
            The group in the frame of the law, or a symbol (then in its standard axes).
        name : str
            A short name.
        structure : Structure, optional
            The crystal (pymatgen), in the frame of the law.
        domain : Domain, optional
            Of the strains.
        card : dict, optional
            Provenance.

        Returns
        -------
        Material

        Raises
        ------
        MaterialError
            The law is not exact under the group, or no function of a strain.
        """
        group = PointGroup.from_symbol(point_group) if isinstance(point_group, str) else point_group
        elastic = elastic_law(law, group.laue_rotations)
        S0 = elastic.stress(torch.zeros(3, 3, dtype=torch.float64)).numpy()
        kept = {"residual_stress": {"rule": "keep", "stress_GPa": S0.tolist()}} if S0.any() else {}
        return cls(elastic, group, structure, name, domain, {**(card or {}), **kept}, coupled=law)

    @classmethod
    def from_constants(
        cls,
        point_group: PointGroup | str,
        C2: Mapping[str, object] | np.ndarray | Sequence[Sequence[float]],
        C3: Mapping[str, object] | np.ndarray | Sequence[Sequence[Sequence[float]]] | None = None,
        *,
        name: str = "",
        structure: Structure | None = None,
        unit: str | None = None,
        piezoelectric_e: np.ndarray | Sequence[Sequence[float]] | None = None,
        piezoelectric_d: np.ndarray | Sequence[Sequence[float]] | None = None,
        permittivity: np.ndarray | Sequence[Sequence[float]] | None = None,
        permittivity_at_constant_stress: np.ndarray | Sequence[Sequence[float]] | None = None,
        thermal_expansion: np.ndarray | Sequence[Sequence[float]] | None = None,
        pyroelectric: np.ndarray | Sequence[float] | None = None,
        heat_capacity: float | None = None,
        reference_temperature: float = ROOM_TEMPERATURE,
    ) -> Material:
        """Material of known elastic and other constants, with no samples at all.

        Parameters
        ----------
        point_group : PointGroup or str
            The group in the frame of the constants, or a symbol (then in its standard axes).
        C2 : array (6, 6) or mapping
            Second-order constants: a Voigt matrix (order xx yy zz yz xz xy), or names and values such as ``{"C11": 167, "C12": 65,
            "C44": 80}``.
        C3 : array (6, 6, 6) or mapping, optional
            Third-order constants, Brugger's definition: a Voigt array or names such as ``{"C111": -800, ...}``.
        name : str
            A short name.
        structure : Structure, optional
            The crystal (pymatgen), in the frame of the constants.
        unit : str, optional
            Unit of the constants, such as ``"GPa"``, ``"Mbar"`` or ``"Pa"``; GPa by default, and then constants of a size that no
            crystal has in GPa are refused or warned of.
        piezoelectric_e, piezoelectric_d : array (3, 6), optional
            Stress constants e (C/m²), or strain constants d (pm/V, which is pC/N), in the order xx yy zz yz xz xy.
        permittivity, permittivity_at_constant_stress : array (3, 3), optional
            Relative to free space, at constant strain or at constant stress.
        thermal_expansion : array (3, 3), optional
            α (1/K), at constant stress and field.
        pyroelectric : array (3,), optional
            Primary coefficients, at constant strain (C/m²/K).
        heat_capacity : float, optional
            At constant strain and field (J/m³/K).
        reference_temperature : float
            K, at which the constants hold.

        Returns
        -------
        Material
            With a series law of second (and third) order, and no domain; with other than elastic constants a linear coupled law, for
            which ``C2`` are those at constant field.

        Raises
        ------
        MaterialError
            The constants contradict the group, do not determine all those that it allows, are NaN or of another unit; or other tables
            are given beside third-order constants, twice, or without a permittivity.

        Warns
        -----
        ConstantsWarning
            The crystal is unstable (Born), or its constants may be of another unit.

        Examples
        --------
        >>> from constitutive import Material
        >>> silicon = Material.from_constants("m-3m", {"C11": 165.6, "C12": 63.9, "C44": 79.5}, name="silicon")
        >>> silicon.stiffness_voigt()[0].round(1).tolist()
        [165.6, 63.9, 63.9, 0.0, 0.0, 0.0]
        >>> same = Material.from_constants("m-3m", {"C11": 1.656, "C12": 0.639, "C44": 0.795}, unit="Mbar")
        >>> float(same.stiffness_voigt()[0, 0].round(1))
        165.6
        """
        group = PointGroup.from_symbol(point_group) if isinstance(point_group, str) else point_group
        law = law_from_constants(group.laue_rotations, C2, C3, unit=unit)
        warn_if_unstable(law)
        tables = {
            "piezoelectric_e": piezoelectric_e,
            "piezoelectric_d": piezoelectric_d,
            "permittivity": permittivity,
            "permittivity_at_constant_stress": permittivity_at_constant_stress,
            "thermal_expansion": thermal_expansion,
            "pyroelectric": pyroelectric,
            "heat_capacity": heat_capacity,
        }
        if any(table is not None for table in tables.values()):
            if C3 is not None:
                raise MaterialError("found third-order constants beside coupled ones; a law of such tables is linear: leave C3 out")
            stiffness = stiffness_mandel_to_voigt(law.derivative_mandel(torch.zeros(6, dtype=torch.float64), 2).numpy())
            coupled = law_of_tables(group, stiffness, tables, temperature=reference_temperature)
            names = [name for name, table in tables.items() if table is not None]
            card = {"source": "constants", "orders": [2], "tables": names, "reference_temperature_K": reference_temperature}
            return cls.from_coupled_law(coupled, group, name=name, structure=structure, card=card)
        return cls(law, group, structure, name, card={"source": "elastic constants", "orders": [2] if C3 is None else [2, 3]})

    def _repr_html_(self) -> str:
        found = self.card.get("calibration", {})
        error = found.get("held_out_error")
        rows = {
            "crystal": None if self.structure is None else self.structure.composition.reduced_formula,
            "point group": f"{self.point_group.symbol}, Laue class {self.point_group.laue_class}",
            "law": found.get("chosen", type(self.law).__name__),
            "error on unseen samples": None if error is None else f"{100 * float(error):.2g} % of S",
            "samples": self.card.get("data", {}).get("samples"),
            "C (GPa), Voigt": "; ".join(" ".join(f"{entry + 0.0:.1f}" for entry in row) for row in self.stiffness_voigt()),
        }
        return facts(f"Material {self.name}".strip(), rows)

    @property
    def reference_stress(self) -> Float[np.ndarray, "3 3"]:
        """Stress at zero strain that the card states (GPa): zero unless a residual stress was kept."""
        return storage.stated_reference_stress(self.card)

    def stiffness_voigt(self) -> Float[np.ndarray, "6 6"]:
        """Second-order elastic constants ∂²ψ/∂E² at zero strain (GPa), Voigt order xx yy zz yz xz xy.

        Returns
        -------
        array (6, 6)
            GPa, in the crystal's Cartesian frame; engineering shear.
        """
        return stiffness_mandel_to_voigt(self.law.derivative_mandel(torch.zeros(6, dtype=torch.float64), 2).numpy())

    def bounded(self, policy: str = "warn") -> BoundedLaw:
        """The law with its domain enforced: ``"raise"``, ``"warn"`` or ``"extend"``.

        Parameters
        ----------
        policy : {"raise", "warn", "extend"}
            Outside the domain: an error, a warning, or a conservative continuation of the energy (:class:`~constitutive.laws.BoundedLaw`).

        Returns
        -------
        BoundedLaw

        Raises
        ------
        MaterialError
            The material has no domain.
        """
        if self.domain is None:
            raise MaterialError("this material states no domain of validity (it was not calibrated on samples)")
        return BoundedLaw(self.law, self.domain, policy)

    def rotated(self, rotation: Float[np.ndarray, "3 3"]) -> Material:
        """The turned crystal: law, group, structure, domain and uncertainty, all by one rotation (crystal → lab).

        Parameters
        ----------
        rotation : array (3, 3)
            Crystal → lab.

        Returns
        -------
        Material
            In lab axes.
        """
        R = np.asarray(rotation, dtype=np.float64)
        card = {**self.card}
        if "residual_stress" in card:
            stress = R @ np.asarray(card["residual_stress"]["stress_GPa"]) @ R.T
            card["residual_stress"] = {**card["residual_stress"], "stress_GPa": stress.tolist()}
        return Material(
            self.law.rotated(R),
            self.point_group.rotated(R),
            None if self.structure is None else _turned(self.structure, R),
            self.name,
            None if self.domain is None else self.domain.rotated(R),
            card,
            uncertainty=None if self.uncertainty is None else self.uncertainty.rotated(R),
            coupled=None if self.coupled is None else self.coupled.rotated(R),
        )

    def second_piola_kirchhoff(self, F: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
        """Second Piola–Kirchhoff stress (GPa) at deformation gradients.

        Parameters
        ----------
        F : array (n, 3, 3)
            Deformation gradients, in the crystal's Cartesian frame.

        Returns
        -------
        array (n, 3, 3)
            GPa, in the same frame.
        """
        return self.law.stress(torch.from_numpy(green_lagrange_strain(np.asarray(F, dtype=np.float64)))).numpy()

    @property
    def elastic_law_held_at(self) -> str:
        """Values of the other variables at which ``law`` holds, such as "zero electric field and 300 K"; empty for a law of the strain."""
        return "" if self.coupled is None else held_at(self.coupled, self.card)

    def response(
        self,
        F: Float[np.ndarray, "n 3 3"],
        *,
        electric_field: Float[np.ndarray, "n 3"] | None = None,
        polarization: Float[np.ndarray, "n 3"] | None = None,
        temperature: Float[np.ndarray, " n"] | float | None = None,
    ) -> dict[str, np.ndarray]:
        """Stress and the other conjugates of a coupled law: polarisation or field, entropy.

        Parameters
        ----------
        F : array (n, 3, 3)
            Deformation gradients, in the crystal's Cartesian frame.
        electric_field : array (n, 3), optional
            E₀ = Fᵀe (GV/m); zero when not given.
        polarization : array (n, 3), optional
            P₀ = J F⁻¹ p (C/m²); zero when not given.
        temperature : array (n,) or float, optional
            K; the reference temperature when not given.

        Returns
        -------
        dict of array
            ``"stress"`` (n, 3, 3), second Piola–Kirchhoff (GPa); ``"polarization"`` P₀ (n, 3) without the free-space part (C/m²), or
            ``"electric_field"`` E₀ (n, 3) (GV/m); ``"entropy"`` (n, 1) (GPa/K).

        Raises
        ------
        MaterialError
            The material has no coupled law, or its law is one of other variables.
        """
        values = {"electric_field": electric_field, "polarization": polarization, "temperature": temperature}
        return response_of(self.coupled, self.card, np.asarray(F, dtype=np.float64), values)

    def predict(self, F: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
        """Former name of :meth:`second_piola_kirchhoff`.

        Parameters
        ----------
        F : array (n, 3, 3)
            Deformation gradients.

        Returns
        -------
        array (n, 3, 3)
            GPa.
        """
        warnings.warn("Material.predict is called second_piola_kirchhoff now", DeprecationWarning, stacklevel=2)
        return self.second_piola_kirchhoff(F)

    def wells(self, *, sizes: Mapping[str, float] | None = None, starts: int = 60, seed: int = 0) -> Wells:
        """All minima and saddles of the energy modulo the group: :func:`constitutive.variants.find_wells`.

        Parameters
        ----------
        sizes : mapping, optional
            Largest component of the starts by name of variable; of the strain that of the domain, where there is one.
        starts : int
            Random states of no symmetry.
        seed : int
            Of the starts.

        Returns
        -------
        Wells
            Of the coupled law where the material has one.
        """
        return find_wells(self._energy(), self.point_group, sizes=self._sizes(sizes), starts=starts, seed=seed)

    def relax(
        self,
        start: Mapping[str, np.ndarray],
        *,
        perturb: float | Mapping[str, np.ndarray] | None = None,
        sizes: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> Well:
        """The stationary state below a start; a symmetric start stays symmetric: :func:`constitutive.variants.relax`.

        Parameters
        ----------
        start : mapping
            "strain" (3, 3), "polarization" (3,); those left out are zero.
        perturb : float or mapping, optional
            Added to the start: random components of this share of the sizes, or values by name.
        sizes : mapping, optional
            As in :meth:`wells`.
        seed : int
            Of a random perturbation.

        Returns
        -------
        Well
        """
        return relax(self._energy(), self.point_group, start, perturb=perturb, sizes=self._sizes(sizes), seed=seed)

    def _energy(self) -> Law | CoupledLaw:
        return self.law if self.coupled is None else self.coupled

    def _sizes(self, given: Mapping[str, float] | None) -> dict[str, float]:
        if self.domain is None:
            return dict(given or {})
        reach = {"strain": self.domain.radius * float(np.diag(np.linalg.inv(self.domain.metric)).max()) ** 0.5}
        return {**reach, **(given or {})}

    def save(self, folder: str | PathLike[str]) -> None:
        """Write ``card.yaml``, ``law.safetensors`` and ``structure.json`` into a folder.

        Parameters
        ----------
        folder : path
            Made where it does not exist.

        Raises
        ------
        MaterialError
            The folder cannot be written.
        """
        storage.save(
            storage.Contents(self.law, self.point_group, self.structure, self.name, self.domain, self.card, self.uncertainty, self.coupled),
            folder,
        )

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Material:
        """Read a material folder; nothing in it can run, and no path in it is followed.

        Parameters
        ----------
        folder : path or str
            With ``card.yaml`` and ``law.safetensors``; or the bare name of a shipped material, such as ``"silicon"``, where no
            folder of that name is here (:func:`constitutive.library.library` lists them).

        Returns
        -------
        Material

        Raises
        ------
        MaterialError
            A file is missing, damaged, unsafe, of a newer schema, or the law contradicts the group.

        Examples
        --------
        >>> Material.load("quartz").point_group.symbol
        '32'
        """
        found = storage.load(material_folder(folder))
        try:
            return cls(
                found.law, found.point_group, found.structure, found.name, found.domain, found.card, None, found.uncertainty, found.coupled
            )
        except MaterialError as error:
            raise MaterialError(f"{folder}: {error}") from error


def _turned(structure: Structure, R: np.ndarray) -> Structure:
    from pymatgen.core import Lattice, Structure  # deferred: pymatgen takes a second to import

    return Structure(Lattice(structure.lattice.matrix @ R.T), structure.species_and_occu, structure.frac_coords)
