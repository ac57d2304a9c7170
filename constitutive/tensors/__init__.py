"""Cartesian tensors under point groups: packing, invariant and equivariant bases, named property tensors.

Functions take arrays of operations ``(n, 3, 3)`` or anything with ``.operations``. Names are loaded when first used: what needs
e3nn (:mod:`constitutive.tensors.equivariant`) costs nothing until then.
"""

from __future__ import annotations

from constitutive.lazy import lazy_names

_NAMES = {
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
__all__ = sorted(name for names in _NAMES.values() for name in names)
__getattr__, __dir__ = lazy_names(__name__, {f"{__name__}.{module}": names for module, names in _NAMES.items()})
