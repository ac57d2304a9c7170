"""Crystal symmetry: from a structure to its point group, its frames, its relatives and its pictures.

Names are loaded when first used: a symbol needs neither spglib nor pymatgen.
"""

from __future__ import annotations

from constitutive.lazy import lazy_names

_NAMES = {
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
__all__ = sorted(name for names in _NAMES.values() for name in names)
__getattr__, __dir__ = lazy_names(__name__, {f"{__name__}.{module}": names for module, names in _NAMES.items()})
