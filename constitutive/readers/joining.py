"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from constitutive.data import MEASURES, StressStrainData, require_same_reference
from constitutive.errors import DataError
from constitutive.readers.frames import Fields

_WEIGHTS = ("stress_weights", "energy_weights")


def joined(sets: Sequence[StressStrainData]) -> StressStrainData:
    """Data sets of one crystal and one measure, against one reference cell, as one.

    Raises
    ------
    DataError
        They differ in the reference cell or in the measure.
    """
    first = sets[0]
    for other in sets[1:]:
        require_same_reference(other.structure, first.structure)
        if other.measure != first.measure:
            raise DataError(f"found stresses as {first.measure} and {other.measure}; needed one measure; convert them apart")
    fields: Fields = {}
    partial = []
    for key in ("F", *MEASURES, "W", "forces", "positions", *_WEIGHTS, "electric_field", "polarization", "entropy"):
        values = [np.ones(len(data)) if key in _WEIGHTS and _weighted(sets, key, data) else getattr(data, key) for data in sets]
        whole = all(value is not None for value in values) and len({np.shape(value)[1:] for value in values}) == 1  # of one cell
        fields[key] = np.concatenate(values) if whole else None
        partial += [] if whole or all(value is None for value in values) else [key]
    data = first.replace(**fields, **_joined_extras(sets), **_joined_ions(sets), paths=[p for data in sets for p in data.paths])
    return data.with_provenance({"left_out": f"{', '.join(partial)}: not in all sources"}) if partial else data


def _joined_extras(sets: Sequence[StressStrainData]) -> Fields:
    """Unknown entries that go with the samples: of all sets one after the other, or none where a set lacks them."""
    found: Fields = {}
    for key in dict.fromkeys(key for data in sets for key in data.model_extra or {} if key != "ions_by_sample"):
        values = [(data.model_extra or {}).get(key) for data in sets]
        ours = [isinstance(value, list) and len(value) == len(data) for value, data in zip(values, sets, strict=True)]
        if any(ours):
            found[key] = [entry for value in values for entry in value or []] if all(ours) else None
    return found


def _weighted(sets: Sequence[StressStrainData], key: str, data: StressStrainData) -> bool:
    """Whether a set without weights stands beside one that has them: its samples then weigh one."""
    return getattr(data, key) is None and any(getattr(other, key) is not None for other in sets)


def _joined_ions(sets: Sequence[StressStrainData]) -> Fields:
    """One treatment of the ions for all, or that of each sample where they differ."""
    by_sample: list[str | None] = []
    for data in sets:
        stated = (data.model_extra or {}).get("ions_by_sample")
        listed = isinstance(stated, list) and len(stated) == len(data) and data.ions is None
        by_sample += list(stated or []) if listed else [data.ions] * len(data)
    if len(set(by_sample)) == 1:
        return {"ions": by_sample[0], "ions_by_sample": None}
    return {"ions": None, "ions_by_sample": by_sample}
