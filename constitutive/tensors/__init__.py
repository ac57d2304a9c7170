"""Cartesian tensors under point groups: packing, invariant and equivariant bases, named property tensors.

Functions take arrays of operations ``(n, 3, 3)`` or anything with ``.operations``. Names are loaded when first used: what needs
e3nn (:mod:`constitutive.tensors.equivariant`) costs nothing until then.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "diagrams": ["draw_pattern"],
    "equivariant": ["equivariant_basis", "irreps_matrices"],
    "bases": ["Projection", "average", "invariant_basis", "number_of_invariants", "project", "transform"],
    "formulas": ["pairs_formula", "parse"],
    "named": [
        "TENSORS",
        "Pattern",
        "PropertyTensor",
        "elastic_constant_counts",
        "independent_constants",
        "pattern",
        "property_tensor",
        "tensor_basis",
    ],
    "packing": [
        "from_mandel",
        "mandel_matrix",
        "mandel_to_irreps",
        "stiffness_mandel_to_voigt",
        "stiffness_voigt_to_mandel",
        "strain_from_voigt",
        "strain_to_voigt",
        "stress_from_voigt",
        "stress_to_voigt",
        "tangent_from_mandel",
        "tangent_to_mandel",
        "to_mandel",
    ],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
