"""Materials of tables of constants: what a group makes of them, and tables with slips, which are refused or warned of."""

import numpy as np
import pytest
import torch

from constitutive.elasticity.constants import voigt_of_polynomial
from constitutive.errors import MaterialError
from constitutive.material import ConstantsWarning, Material

C2 = {"C11": 165.6, "C12": 63.9, "C44": 79.5}
C3 = {"C111": -795.0, "C112": -445.0, "C123": -75.0, "C144": 15.0, "C155": -310.0, "C456": -86.0}  # silicon, Hall 1967


def strains():
    return torch.from_numpy(np.random.default_rng(1).uniform(-0.03, 0.03, (5, 6)))


def layered(C44=4.5, C55=4.5, C66=440.0):
    """A hexagonal table with constants of very different size, as of a layered crystal."""
    C = np.zeros((6, 6))
    C[:3, :3] = [[1060, 180, 15], [180, 1060, 15], [15, 15, 36.5]]
    C[3, 3], C[4, 4], C[5, 5] = C44, C55, C66
    return C


def test_constants_alone_make_a_material():
    material = Material.from_constants("m-3m", C2, C3)
    C = material.stiffness_voigt()
    assert C[0, 0] == pytest.approx(165.6)
    assert C[0, 1] == pytest.approx(63.9)
    assert C[5, 5] == pytest.approx(79.5)
    third = voigt_of_polynomial(material.law.get_buffer("energy_3").numpy(), 3)
    for name, value in C3.items():
        assert third[tuple(int(i) - 1 for i in name[1:])] == pytest.approx(value)
    again = Material.from_constants("m-3m", C, third)
    assert torch.allclose(again.law.stress_mandel(strains()), material.law.stress_mandel(strains()))
    # by hand: S_xx under uniaxial E is C11 E + C111 E²/2, S_yz under E_yz alone is 2 C44 E_yz
    E = np.zeros((2, 3, 3))
    E[0, 0, 0] = 0.01
    E[1, 1, 2] = E[1, 2, 1] = 0.01
    S = material.law.stress(torch.from_numpy(E)).numpy()
    assert S[0, 0, 0] == pytest.approx(165.6 * 0.01 - 795 * 0.01**2 / 2)
    assert S[1, 1, 2] == pytest.approx(2 * 79.5 * 0.01)


def test_constants_must_suit_the_group():
    with pytest.raises(MaterialError, match="2 independent ones given, the group has 3"):
        Material.from_constants("m-3m", {"C11": 100, "C12": 50})
    with pytest.raises(MaterialError, match="break the symmetry"):
        Material.from_constants("m-3m", {"C11": 165, "C22": 100, "C12": 64, "C44": 80})
    with pytest.raises(MaterialError, match="break the symmetry"):
        Material.from_constants("6/mmm", np.diag([160.0, 160, 160, 80, 80, 50]))  # cubic: C66 is not (C11 − C12)/2
    with pytest.raises(MaterialError, match="names such as"):
        Material.from_constants("m-3m", {"K": 100})
    with pytest.raises(MaterialError, match="shape"):
        Material.from_constants("m-3m", np.eye(3))


def test_each_constant_is_compared_with_its_own_partners():
    """One hundredth of the largest constant is twice C44 here."""
    assert Material.from_constants("6/mmm", layered()).stiffness_voigt()[3, 3] == pytest.approx(4.5)
    with pytest.raises(MaterialError, match=r"C55 = 14.5 given, 9.5 by symmetry .*tied to C44 = 4.5, C55 = 14.5"):
        Material.from_constants("6/mmm", layered(C55=14.5))
    with pytest.raises(MaterialError, match="C55 = 5 given"):
        Material.from_constants("6/mmm", layered(C55=5.0))
    with pytest.raises(MaterialError, match=r"C55 = 14\.5"):
        Material.from_constants("6/mmm", {"C11": 1060, "C12": 180, "C13": 15, "C33": 36.5, "C44": 4.5, "C55": 14.5})


def test_rounding_of_a_table_is_allowed():
    assert Material.from_constants("6/mmm", layered(C44=4.5, C55=4.6)).stiffness_voigt()[3, 3] == pytest.approx(4.55)
    assert Material.from_constants("6/mmm", layered(C66=441.0)).stiffness_voigt()[5, 5] == pytest.approx(440.3, abs=0.5)
    noisy = layered() + 1e-3 * np.random.default_rng(0).uniform(-1, 1, (6, 6))  # as a calculation gives it
    assert Material.from_constants("6/mmm", noisy).stiffness_voigt()[3, 3] == pytest.approx(4.5, abs=2e-3)


@pytest.mark.parametrize("value", [0.8, 3.0, -17.0])
def test_a_constant_that_the_group_forbids_is_not_dropped(value):
    C = np.zeros((6, 6))
    C[:3, :3] = [[86.6, 6.7, 12.4], [6.7, 86.6, 12.4], [12.4, 12.4, 106.4]]
    C[3, 3] = C[4, 4] = 58.0
    C[5, 5] = (86.6 - 6.7) / 2
    C[0, 3] = C[3, 0] = C[4, 5] = C[5, 4] = value
    C[1, 3] = C[3, 1] = -value
    assert Material.from_constants("32", C).stiffness_voigt()[0, 3] == pytest.approx(value)  # control: where it may stand
    with pytest.raises(MaterialError, match=r"0 by symmetry \(the group allows nothing else\)"):
        Material.from_constants("6/mmm", C)


def test_third_order_entries_too():
    third = voigt_of_polynomial(Material.from_constants("m-3m", C2, C3).law.get_buffer("energy_3").numpy(), 3)
    spoiled = third.copy()
    spoiled[0, 3, 3] = spoiled[3, 0, 3] = spoiled[3, 3, 0] = 20.0  # C144, whose partners are C255 and C366
    with pytest.raises(MaterialError, match=r"order 3.*C144 = 20 given"):
        Material.from_constants("m-3m", C2, spoiled)


def test_unstable_tables_are_warned_of():
    with pytest.warns(ConstantsWarning, match=r"unstable.*eigenvalue -10 GPa"):
        Material.from_constants("m-3m", {"C11": 50.0, "C12": 60.0, "C44": 30.0})
    with pytest.warns(ConstantsWarning, match="unstable"):
        Material.from_constants("m-3m", {"C11": 165.6, "C12": 63.9, "C44": -79.5})


def test_tables_of_another_unit():
    GPa = Material.from_constants("m-3m", C2).stiffness_voigt()
    for unit, factor in (("Pa", 1e9), ("MPa", 1e3), ("kbar", 10.0)):
        table = {name: value * factor for name, value in C2.items()}
        with pytest.raises(MaterialError, match="those of diamond are 443 and 535: pass unit="):
            Material.from_constants("m-3m", table)
        np.testing.assert_allclose(Material.from_constants("m-3m", table, unit=unit).stiffness_voigt(), GPa, atol=1e-9)
    mbar = {name: value / 100 for name, value in C2.items()}
    with pytest.warns(ConstantsWarning, match="Mbar"):
        Material.from_constants("m-3m", mbar)
    np.testing.assert_allclose(Material.from_constants("m-3m", mbar, unit="Mbar").stiffness_voigt(), GPa, atol=1e-9)
    soft = Material.from_constants("m-3m", {"C11": 8.6, "C12": 7.0, "C44": 5.9}, unit="GPa")  # as sodium: said, so no warning
    assert soft.stiffness_voigt()[0, 0] == pytest.approx(8.6)
    with pytest.raises(MaterialError, match="unknown unit"):
        Material.from_constants("m-3m", C2, unit="hPa")


KBAR = {  # metals whose largest constant in kbar is that of a hard crystal in GPa; Simmons & Wang 1971
    "aluminium": ("m-3m", {"C11": 1068.0, "C12": 607.0, "C44": 282.0}),
    "silver": ("m-3m", {"C11": 1240.0, "C12": 937.0, "C44": 461.0}),
    "lead": ("m-3m", {"C11": 495.0, "C12": 423.0, "C44": 149.0}),
    "magnesium": ("6/mmm", {"C11": 597.0, "C12": 262.0, "C13": 217.0, "C33": 617.0, "C44": 164.0}),
}


@pytest.mark.parametrize("metal", KBAR)
def test_tables_in_kbar_are_judged_by_their_moduli(metal):
    group, table = KBAR[metal]
    if metal in ("aluminium", "silver"):
        with pytest.raises(MaterialError, match="pass unit="):
            Material.from_constants(group, table)
    else:  # as hard as tungsten, which is no proof
        with pytest.warns(ConstantsWarning, match="kbar or another unit"):
            Material.from_constants(group, table)
    said = Material.from_constants(group, table, unit="kbar").stiffness_voigt()  # said, so no warning
    assert said[0, 0] == pytest.approx(table["C11"] / 10)


def test_the_hardest_crystals_and_nearly_incompressible_bodies_are_no_tables_in_kbar():
    with pytest.warns(ConstantsWarning, match="few solids are so hard"):
        diamond = Material.from_constants("m-3m", {"C11": 1079.0, "C12": 124.0, "C44": 578.0})
    assert diamond.stiffness_voigt()[0, 0] == pytest.approx(1079.0)
    lam, G = 1666.0, 0.3334  # E = 1, nu = 0.4999, the unit left open
    with pytest.warns(ConstantsWarning, match="few solids are so hard"):
        Material.from_constants("m-3m", {"C11": lam + 2 * G, "C12": lam, "C44": G})
    assert Material.from_constants("m-3m", C2).stiffness_voigt()[0, 0] == pytest.approx(165.6)  # control: no warning


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_named(bad):
    word = "NaN" if np.isnan(bad) else "inf"
    with pytest.raises(MaterialError, match=f"C12 is {word}"):
        Material.from_constants("m-3m", {**C2, "C12": bad})
    table = Material.from_constants("m-3m", C2).stiffness_voigt()
    table[0, 3] = bad
    with pytest.raises(MaterialError, match=f"C14 is {word}"):
        Material.from_constants("m-3m", table)
    with pytest.raises(MaterialError, match="C44 is 'soft'"):
        Material.from_constants("m-3m", {**C2, "C44": "soft"})
