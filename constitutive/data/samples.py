"""The samples of a data set in the units of the toolkit: their number, strain, and stress in any measure."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive import kinematics
from constitutive.data import electric
from constitutive.data.schema import MEASURES, Measure, Schema
from constitutive.errors import DataError


class Samples(Schema):
    """What can be computed from the fields of a data set alone: the part of `StressStrainData` below files and other libraries."""

    def __repr__(self) -> str:
        """What it is, in one line."""
        energy = "with W" if self.W is not None else "without W"
        return f"{type(self).__name__}({self.name!r}, {len(self)} samples, {self.measure}, {energy}, {len(self.paths)} held-out states)"

    __str__ = __repr__

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.F)

    @property
    def measure(self) -> Measure:
        """Name of the stress measure that was given."""
        return next(name for name in MEASURES if getattr(self, name) is not None)

    @property
    def green_lagrange_strain(self) -> Float[np.ndarray, "n 3 3"]:
        """E = (FᵀF − I)/2."""
        return kinematics.green_lagrange_strain(self.F)

    def stress(self, measure: str = "cauchy") -> Float[np.ndarray, "n 3 3"]:
        """The stress in GPa in one of the `MEASURES`, or "kirchhoff".

        Parameters
        ----------
        measure : str
            "cauchy", "first_piola_kirchhoff", "second_piola_kirchhoff" or "kirchhoff".

        Returns
        -------
        array (n, 3, 3)
            Tension positive.

        Raises
        ------
        DataError
            `measure` is none of these.
        """
        sigma = self._cauchy()
        if measure == self.measure:
            return getattr(self, self.measure)
        conversions = {
            "cauchy": lambda: sigma,
            "kirchhoff": lambda: sigma * kinematics.determinant(self.F)[:, None, None],
            "first_piola_kirchhoff": lambda: kinematics.first_piola_from_cauchy(self.F, sigma),
            "second_piola_kirchhoff": lambda: kinematics.second_piola_from_cauchy(self.F, sigma),
        }
        if measure not in conversions:
            raise DataError(f"found stress measure {measure!r}; needed one of {', '.join(conversions)}")
        return conversions[measure]()

    def _cauchy(self) -> Float[np.ndarray, "n 3 3"]:
        given = getattr(self, self.measure)
        if self.measure == "first_piola_kirchhoff":
            return kinematics.cauchy_from_first_piola(self.F, given)
        if self.measure == "second_piola_kirchhoff":
            return kinematics.cauchy_from_second_piola(self.F, given)
        return given

    @property
    def reference_electric_field(self) -> Float[np.ndarray, "n 3"] | None:
        """E₀ = Fᵀe (GV/m) of every sample, or None where the data have no field."""
        if self.electric_field is None or self.electric_frame == "reference":
            return self.electric_field
        return electric.reference_field(self.F, self.electric_field)

    @property
    def reference_polarization(self) -> Float[np.ndarray, "n 3"] | None:
        """P₀ = J F⁻¹ p (C/m²) of every sample, without the free-space part, or None where the data have none."""
        if self.polarization is None or self.electric_frame == "reference":
            return self.polarization
        return electric.reference_polarization(self.F, self.polarization)

    @property
    def reference_volume(self) -> float | None:
        """Volume of the reference cell in Å³, or None without a structure."""
        return None if self.lattice is None else float(abs(np.linalg.det(self.lattice)))
