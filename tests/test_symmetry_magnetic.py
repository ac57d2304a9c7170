"""Magnetic point groups."""

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal
from crystal_cases import iron, rotation

from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    MagneticPointGroup,
    PointGroup,
    black_white_groups,
    find_magnetic_group,
    find_symmetry,
    read_structure,
)
from constitutive.symmetry.tables import SYMBOLS


def test_moments_are_off_by_default():
    assert find_symmetry(iron([2.2, 2.2])).point_group.symbol == "m-3m"


@pytest.mark.parametrize(
    ("moments", "symbol", "kind"),
    [
        ([2.2, 2.2], "4/mm'm'", "black-white"),
        ([2.2, -2.2], "4/mmm1'", "grey"),
        ([[1, 1, 1], [1, 1, 1]], "-3m'", "black-white"),
        ([[1, 1, 0], [1, 1, 0]], "m'm'm", "black-white"),
        ([0, 0], "m-3m1'", "grey"),
    ],
)
def test_magnetic_groups_of_iron(moments, symbol, kind):
    """Ferromagnetic along [001], [111], [110]; antiferromagnetic; none (Birss 1966)."""
    atoms = iron(moments)
    for crystal_ in (atoms, atoms.repeat((1, 1, 2)), read_structure(atoms)):
        group = find_magnetic_group(crystal_)
        assert (group.symbol, group.kind) == (symbol, kind)


def test_chromium_oxide_is_the_magnetoelectric_of_dzyaloshinskii():
    """Cr2O3, -3'm' (Dzyaloshinskii, Sov. Phys. JETP 10 (1960) 628): moments + − + − along the three-fold axis."""
    oxide = crystal(
        ["Cr", "O"], [(0, 0, 0.3475), (0.3057, 0, 0.25)], spacegroup=167, cellpar=[4.96, 4.96, 13.6, 90, 90, 120], primitive_cell=True
    )
    metal = [k for k, s in enumerate(oxide.symbols) if s == "Cr"]
    moments = np.zeros(len(oxide))
    for rank, k in enumerate(sorted(metal, key=lambda k: oxide.positions[k, 2])):
        moments[k] = (-1) ** rank
    group = find_magnetic_group(oxide, moments=moments)
    assert group.symbol == "-3'm'"
    assert group.order == 12
    turned = group.rotated(rotation(1))
    assert turned.symbol == group.symbol


def test_magnetic_symbols():
    assert [g.symbol for g in black_white_groups("4/m")] == ["4/m'", "4'/m", "4'/m'"]
    assert {g.symbol for g in black_white_groups("m-3m")} == {"m-3m'", "m'-3'm", "m'-3'm'"}
    assert sum(len(black_white_groups(s)) for s in SYMBOLS) == 58


def test_magnetic_input_without_sense_is_refused():
    with pytest.raises(SymmetryError, match="no magnetic moments"):
        find_magnetic_group(bulk("Si"))
    with pytest.raises(SymmetryError, match="moments of shape"):
        find_magnetic_group(bulk("Si"), moments=[1.0])
    cubic, sub = PointGroup.from_symbol("m-3m"), PointGroup.from_symbol("4mm")
    with pytest.raises(SymmetryError, match="index"):
        MagneticPointGroup.from_groups(cubic, sub)
    with pytest.raises(SymmetryError, match="grey"):
        MagneticPointGroup.from_groups(cubic, PointGroup.from_symbol("432"), grey=True)
