"""Phase transitions: wells of an energy, variants of a subgroup, twins between variants and the walls that they form.

Names are loaded when first used: variants and twins need no law, and so no torch.
"""

from __future__ import annotations

from constitutive.lazy import lazy_names

_NAMES = {
    "twinning": ["Twin", "twins"],
    "orbit": ["Variants", "variants"],
    "wells": ["SymmetricStartWarning", "Well", "Wells", "find_wells", "relax"],
    "wall_table": ["Wall", "WallTable", "walls"],
}
__all__ = sorted(name for names in _NAMES.values() for name in names)
__getattr__, __dir__ = lazy_names(__name__, {f"{__name__}.{module}": names for module, names in _NAMES.items()})
