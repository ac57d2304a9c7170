"""Crystal symmetry: from a structure to its point group, its frames, its relatives and its pictures.

Names are loaded when first used: a symbol needs neither spglib nor pymatgen.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "group": ["PointGroup"],
    "structures": ["Cell", "read_cell", "read_structure"],
    "detection": ["SymmetryReport", "find_symmetry"],
    "vacuum": ["Periodicity", "periodicity"],
    "frames": ["CrystalFrames", "crystal_frames"],
    "ladder": ["CellCondition", "SymmetryLadder", "cell_condition", "symmetry_ladder"],
    "elements": ["SymmetryElement", "elements_in_words", "operation_in_words"],
    "magnetic": ["MagneticPointGroup", "all_magnetic_groups", "black_white_groups", "find_magnetic_group"],
    "orientation": ["from_miller", "ieee_cut", "wafer"],
    "relations": ["Comparison", "compare"],
    "crystals": ["RandomCrystal", "quartz", "random_crystal"],
    "handedness": ["enantiomorph", "enantiomorph_number", "require_symmetry", "wrong_operations"],
    "pictures": ["draw_elements", "draw_poles", "stereogram"],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
