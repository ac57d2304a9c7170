"""Sign and magnitude of the stress, judged before any law is fitted: work done by a stretch, and a stiffness between 0.1 and 2,700 GPa."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.data.samples import Samples
from constitutive.errors import DataError
from constitutive.units import EV_PER_CUBIC_ANGSTROM

# Stiffness sum(S:E)/sum(E:E). Diamond reaches 1330 GPa (hydrostatic, 3K); solid neon 3 GPa. A factor 2 either way is
# left free.
STIFFNESS_RANGE_GPA = (0.1, 2700.0)
# The same per atom, times the atomic volume: 4 eV (solid xenon) to 121 eV (osmium, hydrostatic), a factor 1.2 to 10
# left free.
ATOMIC_STIFFNESS_RANGE_EV = (0.3, 150.0)
ENERGY_RATIO_RANGE = (0.4, 2.5)


def require_plausible(data: Samples) -> None:
    """Refuse data whose sign or unit cannot be right.

    Parameters
    ----------
    data : StressStrainData
        Judged with the mean strain and stress subtracted where there are more than six samples.

    Raises
    ------
    DataError
        The stress does negative work under strain (sign), its magnitude is outside `STIFFNESS_RANGE_GPA` or, with a
        structure,
        `ATOMIC_STIFFNESS_RANGE_EV` (unit), or W and the work of the stress differ by more than a factor 2.5 (unit of
        one).
    """
    E, S = data.green_lagrange_strain, data.stress("second_piola_kirchhoff")
    E = E - E.mean(0) if len(E) > 6 else E
    S = S - S.mean(0) if len(S) > 6 else S
    squared_strain = float((E * E).sum())
    if squared_strain < 1e-10 * len(E) or not (S * S).any():
        return  # nothing is strained: no statement about sign or unit
    stiffness = float((S * E).sum()) / squared_strain
    _require_sign(stiffness, S, E)
    _require_magnitude(stiffness, data)
    if data.W is not None:
        _require_same_energy(data)


def _require_sign(stiffness: float, S: Float[np.ndarray, "n 3 3"], E: Float[np.ndarray, "n 3 3"]) -> None:
    if stiffness > 0:
        return
    worst = int(np.argmin((S * E).sum((1, 2))))
    raise DataError(
        f"stress: found compression growing under stretch (sum S:E / sum E:E = {stiffness:.3g} GPa, most at "
        f"sample {worst}); needed tension positive; "
        "the file probably uses the sign of VASP, Quantum ESPRESSO or LAMMPS: turn it (`constitutive convert "
        "--sign pressure`)"
    )


def _require_magnitude(stiffness: float, data: Samples) -> None:
    low, high = STIFFNESS_RANGE_GPA
    advice = f"the numbers are probably not in {data.units!r}: correct 'units' (`constitutive convert --unit`)"
    if data.lattice is None:
        low = 0.0  # a lattice of beams or a foam, declared by a point group without atoms, may be softer
    if not low <= stiffness <= high:
        raise DataError(
            f"stress: found a stiffness of {stiffness:.4g} GPa (sum S:E / sum E:E); needed {low:g} to {high:g} GPa for a crystal; {advice}"
        )
    if data.species is None or data.reference_volume is None:
        return
    per_atom = stiffness * data.reference_volume / len(data.species) / EV_PER_CUBIC_ANGSTROM
    low, high = ATOMIC_STIFFNESS_RANGE_EV
    if not low <= per_atom <= high:
        raise DataError(
            f"stress: found a stiffness of {stiffness:.4g} GPa, {per_atom:.3g} eV per atom; needed {low:g} to "
            f"{high:g} eV for a crystal; {advice}"
        )


def _require_same_energy(data: Samples) -> None:
    """Slope of W on the linear estimate S:E/2 of the stored energy, both with their means taken off."""
    if data.W is None or len(data) < 3:
        return
    E, S = data.green_lagrange_strain, data.stress("second_piola_kirchhoff")
    work = 0.5 * ((S - S.mean(0)) * E).sum((1, 2)) if len(data) > 6 else 0.5 * (S * E).sum((1, 2))
    work, W = work - work.mean(), data.W - data.W.mean()
    spread = float(np.sqrt((work @ work) * (W @ W)))
    if spread == 0.0 or abs(work @ W) < 0.7 * spread:
        return  # not correlated enough for a statement: the intake check looks closer
    ratio = float(work @ W) / float(work @ work)
    low, high = ENERGY_RATIO_RANGE
    if not low <= ratio <= high:
        what = "sign" if ratio < 0 else "unit"
        raise DataError(
            f"W: found {ratio:.4g} times the work of the stress; needed a ratio near 1; the {what} of the stress "
            "or of W is wrong; "
            "`constitutive check` finds which"
        )
