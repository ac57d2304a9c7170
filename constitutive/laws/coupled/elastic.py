"""The strain energy of a coupled law where all other variables are zero: an ordinary law of elasticity, in closed form."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.laws.base import Law, numbers
from constitutive.laws.coupled.base import CoupledLaw, RotatedCoupledLaw
from constitutive.laws.coupled.free_space import FreeSpaceLaw
from constitutive.laws.coupled.linear import LinearCoupledLaw
from constitutive.laws.coupled.network import CoupledNetworkLaw
from constitutive.laws.coupled.series import CoupledSeriesLaw
from constitutive.laws.coupled.sum import CoupledSumLaw
from constitutive.laws.linear import LinearLaw
from constitutive.laws.network import NetworkLaw
from constitutive.laws.series import SeriesLaw
from constitutive.laws.sum import SumLaw
from constitutive.tensors.packing import mandel_to_irreps
from constitutive.tensors.polynomials import exponents


def elastic_law(law: CoupledLaw, rotations: Float[np.ndarray, "g 3 3"]) -> Law:
    """The energy as a function of the strain alone, all other variables zero: at constant field, polarisation and temperature.

    Parameters
    ----------
    law : CoupledLaw
        Of a strain and other variables.
    rotations : array (g, 3, 3)
        Proper rotations of the Laue class, in the frame of the law.

    Returns
    -------
    Law
        SeriesLaw, NetworkLaw, LinearLaw or a sum of them, to rounding the same energy.

    Raises
    ------
    MaterialError
        The law is no function of a strain.
    """
    place = law.place("strain")
    if isinstance(law, CoupledSumLaw):
        return SumLaw([elastic_law(term, rotations) for term in law.terms])
    if isinstance(law, FreeSpaceLaw):
        return elastic_law(law.law, rotations)
    if isinstance(law, RotatedCoupledLaw):
        R = numbers(law.rotation)
        return elastic_law(law.law, R.T @ rotations @ R).rotated(R * np.sign(np.linalg.det(R)))
    if isinstance(law, LinearCoupledLaw):
        return LinearLaw(numbers(law.matrix)[place, place], rotations, numbers(law.slope)[place])
    if isinstance(law, CoupledNetworkLaw):
        w = numbers(law.directions)[:, place] @ mandel_to_irreps().T
        scale = float(law.scales[[v.name for v in law.variables].index("strain")])
        return NetworkLaw(w, numbers(law.biases), numbers(law.amplitudes), scale, rotations)
    if isinstance(law, CoupledSeriesLaw):
        return SeriesLaw({d: _strain_terms(law, d, place) for d in law.orders}, rotations)
    raise MaterialError(f"the strain energy of a coupled law of kind {law.kind!r} is not written out")


def _strain_terms(law: CoupledSeriesLaw, degree: int, place: slice) -> Float[np.ndarray, " terms"]:
    """Coefficients of the monomials of the strain alone, in the order of six variables."""
    table = exponents(degree, law.size)
    alone = np.flatnonzero(table[:, place].sum(1) == degree)
    own, six = table[alone][:, place], exponents(degree)
    position = (six[:, None] == own[None]).all(2).argmax(1)  # lexicographic in both, so the same order where the strain comes first
    return numbers(law.get_buffer(f"energy_{degree}"))[alone][position]
