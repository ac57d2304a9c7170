"""Choice of frames from a mixed set by conditions such as ``config_type=Elastic``, ``formula=Cu``, ``atoms=4``, ``strain<0.1``.

>>> selection = Selection.of(("config_type=Elastic", "atoms<=8"))
>>> selection.keeps({"config_type": "Elastic", "atoms": 4}), selection.keeps({"config_type": "Surface", "atoms": 4})
(True, False)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError

COMPUTED = ("formula", "atoms", "volume", "volume_per_atom", "a", "b", "c", "strain")
_CONDITION = re.compile(r"^\s*([\w.:-]+?)\s*(!=|<=|>=|==|=|<|>)\s*(.+?)\s*$")
_SHOWN = 8


@dataclass(frozen=True)
class Condition:
    """One comparison of an entry of a frame with a value, or with several after ``=`` and ``!=``, separated by commas."""

    key: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition that `text` states. Raises DataError for anything else."""
        match = _CONDITION.match(text)
        if match is None:
            raise DataError(f"where: found {text!r}; needed KEY=VALUE (also !=, <, <=, >, >=), as config_type=Elastic or atoms<=8")
        key, operator, value = match.groups()
        if operator in ("<", "<=", ">", ">=") and _number(value) is None:
            raise DataError(f"where: found {text!r}; needed a number after {operator}")
        return cls(key, operator.replace("==", "="), value)

    def holds(self, labels: Mapping[str, object]) -> bool:
        """Whether a frame meets the condition; one without the entry does not."""
        if self.key not in labels:
            return False
        if self.operator in ("=", "!="):
            equal = any(_equal(self.key, labels[self.key], value.strip()) for value in self.value.split(","))
            return equal == (self.operator == "=")
        found, wanted = _number(labels[self.key]), float(self.value)
        if found is None:
            return False
        return {"<": found < wanted, "<=": found <= wanted, ">": found > wanted, ">=": found >= wanted}[self.operator]


@dataclass
class Selection:
    """Conditions, all of which a frame has to meet, and what the frames held instead."""

    conditions: tuple[Condition, ...] = ()
    seen: dict[str, dict[str, None]] = field(default_factory=dict)
    frames: int = 0
    left_out: int = 0

    @classmethod
    def of(cls, texts: Sequence[str]) -> Selection:
        """The selection that `texts` state. Raises DataError for a text that is no condition."""
        return cls(tuple(Condition.parse(text) for text in texts))

    @property
    def needs_strain(self) -> bool:
        """Whether a condition is about the strain against the reference cell."""
        return any(condition.key == "strain" for condition in self.conditions)

    def keeps(self, labels: Mapping[str, object]) -> bool:
        """Whether a frame meets every condition but those on its strain."""
        self.frames += 1
        for key, value in labels.items():
            self.seen.setdefault(key, {}).setdefault(str(value))
        kept = all(condition.holds(labels) for condition in self.conditions if condition.key != "strain")
        self.left_out += not kept
        return kept

    def keeps_strain(self, F: Float[np.ndarray, "3 3"]) -> bool:
        """Whether the largest principal Green-Lagrange strain (absolute value) meets the conditions on ``strain``."""
        size = float(np.abs(np.linalg.eigvalsh((F.T @ F - np.eye(3)) / 2)).max())
        kept = all(condition.holds({"strain": size}) for condition in self.conditions if condition.key == "strain")
        self.left_out += not kept
        return kept

    def require_known(self) -> None:
        """Refuse a condition on an entry that no frame has. Raises DataError naming the entries that there are."""
        for condition in self.conditions:
            if condition.key not in self.seen and condition.key != "strain" and self.frames:
                known = ", ".join(sorted(self.seen)) or "none"
                raise DataError(f"where: found no entry {condition.key!r} in any of {self.frames} frames; needed one of {known}")

    def values_seen(self) -> str:
        """The values of the entries that the conditions name, for a message."""
        parts = []
        for condition in self.conditions:
            values = list(self.seen.get(condition.key, {}))
            rest = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
            parts += [f"{condition.key}: {', '.join(values[:_SHOWN])}{rest}"] if values else []
        return "; ".join(parts)


def frame_labels(cell: Float[np.ndarray, "3 3"], species: Sequence[str]) -> dict[str, object]:
    """The entries that every frame has: formula, number of atoms, volume (Å³) and lengths of the cell vectors (Å)."""
    volume = float(abs(np.linalg.det(cell)))
    lengths = np.linalg.norm(cell, axis=1)
    labels: dict[str, object] = {"volume": volume, "a": float(lengths[0]), "b": float(lengths[1]), "c": float(lengths[2])}
    if species:
        counts = Counter(species)
        labels["formula"] = "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in sorted(counts.items()))
        labels |= {"atoms": len(species), "volume_per_atom": volume / len(species)}
    return labels


def _equal(key: str, found: object, wanted: str) -> bool:
    if key == "formula":
        return _same_formula(str(found), wanted)
    numbers = _number(found), _number(wanted)
    if numbers[0] is not None and numbers[1] is not None:
        return math.isclose(numbers[0], numbers[1], rel_tol=1e-6)
    return str(found) == wanted


def _same_formula(found: str, wanted: str) -> bool:
    """Equal counts; a formula without a common divisor stands for all its multiples (Cu for Cu4, NaCl for Na4Cl4)."""
    one, other = _counts(found), _counts(wanted)
    if not other:
        raise DataError(f"where: found the formula {wanted!r}; needed one such as Cu4 or NaCl")
    divisor = math.gcd(*one.values()) if one and math.gcd(*other.values()) == 1 else 1
    return {symbol: count // divisor for symbol, count in one.items()} == dict(other)


def _counts(formula: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    if not re.fullmatch(r"(?:[A-Z][a-z]?\d*)+", formula.replace(" ", "")):
        return counts
    for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
        counts[symbol] += int(count or 1)
    return counts


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
