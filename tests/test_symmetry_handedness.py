"""Left and right crystals."""

import numpy as np
import pytest

from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    PointGroup,
    enantiomorph,
    enantiomorph_number,
    find_symmetry,
    quartz,
    random_crystal,
    require_symmetry,
    wrong_operations,
)
from constitutive.symmetry import operations as ops
from constitutive.tensors import pairs_formula, project


def springs(structure):
    """Stiffness (3, 3, 3, 3) and piezoelectric tensor (3, 3, 3) of a crystal held by springs between near atoms, ions relaxed.

    ψ = Σ k (|r| − r₀)² / 2V to second order in strain and displacements u; e_ijk = Σ q ∂u_i/∂ε_jk / V.
    """
    charge = np.array([2.4 if str(s) == "Si" else -1.2 for s in structure.species])
    n, volume = len(structure), structure.volume
    hessian, coupling, clamped = np.zeros((n, 3, n, 3)), np.zeros((n, 3, 3, 3)), np.zeros((3, 3, 3, 3))
    for i, j, offset, distance in zip(*structure.get_neighbor_list(3.4), strict=True):
        bond = structure[int(j)].coords + offset @ structure.lattice.matrix - structure[int(i)].coords
        unit = bond / distance
        stiffness = {28.0: 0.7, 22.0: 8.0, 16.0: 1.0}[float(structure[int(i)].specie.Z + structure[int(j)].specie.Z)] * np.exp(
            1.6 - distance
        )
        nn = stiffness * np.outer(unit, unit) / 2
        hessian[i, :, i] += nn
        hessian[j, :, j] += nn
        hessian[i, :, j] -= nn
        hessian[j, :, i] -= nn
        pull = np.einsum("ab,c->abc", nn, bond)  # energy nn : (u_j − u_i + ε bond)²
        coupling[j] += pull
        coupling[i] -= pull
        clamped += np.einsum("ac,b,d->abcd", nn, bond, bond)
    response = -np.einsum("iajb,jbcd->iacd", np.linalg.pinv(hessian.reshape(3 * n, -1), rcond=1e-9).reshape(n, 3, n, 3), coupling)
    response = (response + response.swapaxes(2, 3)) / 2
    clamped = (clamped + clamped.swapaxes(0, 1) + clamped.swapaxes(2, 3) + clamped.swapaxes(0, 1).swapaxes(2, 3)) / 4
    relaxed = clamped + np.einsum("iabc,iade->bcde", (coupling + coupling.swapaxes(2, 3)) / 2, response)
    return relaxed / volume, np.einsum("i,iabc->abc", charge, response) / volume


def test_inversion_of_right_quartz_gives_the_other_hand():
    right, left = quartz("right"), enantiomorph(quartz("right"))
    assert find_symmetry(right).space_group == "P3_221"
    assert find_symmetry(left).space_group == "P3_121"
    assert enantiomorph_number(154) == 152
    assert find_symmetry(left).point_group == find_symmetry(right).point_group
    (C_right, e_right), (C_left, e_left) = springs(right), springs(left)
    assert abs(e_right[0, 0, 0]) > 1e-3
    assert e_left[0, 0, 0] == pytest.approx(-e_right[0, 0, 0], rel=1e-9)
    assert np.abs(e_left + e_right).max() < 1e-12
    assert np.abs(C_left - C_right).max() < 1e-12 * np.abs(C_right).max() * 100
    assert abs(C_right[0, 0, 1, 2]) > 1e-3
    assert quartz("left").matches(left)
    with pytest.raises(SymmetryError, match="hand"):
        quartz("both")


def test_tensors_of_a_model_of_quartz_have_its_symmetry_and_no_mirror():
    C, e = springs(quartz("right"))
    group = find_symmetry(quartz("right")).point_group
    assert project(C, group, pairs_formula(2)).relative_residual < 1e-9
    assert project(e, group, "ijk=ikj").relative_residual < 1e-7
    mirrored = PointGroup.from_symbol("-6m2")
    assert project(e, mirrored, "ijk=ikj").relative_residual > 0.1  # control


def test_a_mirror_imposed_on_quartz_is_reported():
    report = find_symmetry(quartz("right"))
    assert require_symmetry(report, report.point_group) is report
    with pytest.raises(SymmetryError, match=r"wrong symmetry: 6 of the 12.*point group is 32.*misses atoms"):
        require_symmetry(quartz("right"), report.point_group.laue_group)
    wrong = wrong_operations(report, PointGroup.from_symbol("3m"))
    assert len(wrong) == 3
    assert all("mirror" in w.words and w.mismatch > 0.5 for w in wrong)


def test_the_frames_of_both_hands_are_those_of_ieee_1978():
    """The bonds put C14 of quartz to the positive side in either hand, as a potential and the tables of 1978 have it."""
    for hand in ("right", "left"):
        frames = find_symmetry(quartz(hand)).frames
        assert frames.open_choices == 2
        assert PointGroup.from_symbol("32") == find_symmetry(quartz(hand)).point_group.rotated(frames.ieee)
        assert ops.contains(PointGroup.from_symbol("32").operations, frames.ieee, 1e-6)


def test_the_eleven_pairs():
    pairs = {n: enantiomorph_number(n) for n in range(1, 231) if enantiomorph_number(n) != n}
    assert len(pairs) == 22
    assert all(pairs[b] == a for a, b in pairs.items())
    for number in pairs:
        assert random_crystal(number).point_group.is_chiral
