"""Crystal symmetry: from a structure to its point group, its frames, its subgroups and its pictures.

Names are loaded when first used: a point group by symbol needs neither spglib nor pymatgen.
"""

from __future__ import annotations

import warnings
from typing import Any

from constitutive.lazy import lazy_names

_NAMES = {
    "group": ["PointGroup"],
    "structures": ["Cell", "read_cell", "read_structure"],
    "report": ["SymmetryReport", "crystal_frames", "find_symmetry"],
    "vacuum": ["Periodicity", "periodicity"],
    "frames": ["CrystalFrames"],
    "tolerance_scan": ["ToleranceScan", "ToleranceStep", "scan_tolerances"],
    "strained_cell": ["CellCondition", "cell_condition"],
    "elements": ["SymmetryElement"],
    "words": ["elements_in_words", "operation_in_words"],
    "magnetic": ["MagneticPointGroup", "all_magnetic_groups", "black_white_groups", "find_magnetic_group"],
    "orientation": ["from_miller", "ieee_cut", "wafer"],
    "relations": ["Comparison", "compare"],
    "crystals": ["RandomCrystal", "quartz", "random_crystal"],
    "handedness": ["enantiomorph", "enantiomorph_number", "require_symmetry", "wrong_operations"],
    "pictures": ["draw_elements", "draw_poles", "stereogram"],
}
_RENAMED = {"SymmetryLadder": "ToleranceScan", "symmetry_ladder": "scan_tolerances"}
__all__ = sorted(name for names in _NAMES.values() for name in names)
_get, __dir__ = lazy_names(__name__, {f"{__name__}.{module}": names for module, names in _NAMES.items()})


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        warnings.warn(f"{name} is now called {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
    return _get(_RENAMED.get(name, name))
