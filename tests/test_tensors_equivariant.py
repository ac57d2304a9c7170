"""Equivariant bases against e3nn."""

import numpy as np
import pytest
import torch
from e3nn import o3
from e3nn.util.test import assert_equivariant
from hypothesis import given
from hypothesis import strategies as st
from tensor_cases import EXACT, GROUPS, PIEZOELECTRIC, rotation, seeds

from constitutive.symmetry import MagneticPointGroup
from constitutive.tensors import (
    equivariant_basis,
    invariant_basis,
    irreps_matrices,
    number_of_invariants,
)


@pytest.mark.parametrize("symbol", ["-43m", "32", "6/mmm", "-6m2", "2/m"])
@pytest.mark.parametrize(("irreps_in", "irreps_out"), [("1o", "0e + 2e"), ("0e + 2e", "0e + 2e"), ("2x1o + 3e", "1o + 1e + 4e")])
def test_equivariant_maps_commute_with_the_group(symbol, irreps_in, irreps_out):
    group = GROUPS[symbol]
    maps = equivariant_basis(group, irreps_in, irreps_out)
    D_in, D_out = irreps_matrices(group, irreps_in), irreps_matrices(group, irreps_out)
    for a, b in zip(D_in, D_out, strict=True):
        assert float((maps @ a - b @ maps).abs().max() if len(maps) else 0.0) < EXACT
    flat = maps.reshape(len(maps), maps.shape[1] * maps.shape[2])
    assert torch.allclose(flat @ flat.T, torch.eye(len(maps), dtype=torch.float64), atol=EXACT)


def equivariance_error(function, irreps_in: str, irreps_out: str, operations: np.ndarray) -> float:
    """What e3nn's ``assert_equivariant`` measures, over the operations of a finite group: f(D x) against D f(x)."""
    x = torch.randn(8, o3.Irreps(irreps_in).dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    D_in, D_out = irreps_matrices(operations, irreps_in), irreps_matrices(operations, irreps_out)
    return max(float((function(x @ a.T) - function(x) @ b.T).abs().max()) for a, b in zip(D_in, D_out, strict=True))


def test_a_layer_of_equivariant_maps_is_equivariant_under_its_group_only():
    group = GROUPS["-43m"]
    weight = (torch.arange(1, 4, dtype=torch.float64)[:, None, None] * equivariant_basis(group, "0e + 2e", "0e + 2e")).sum(0)

    def layer(x):
        return x @ weight.T

    assert equivariance_error(layer, "0e + 2e", "0e + 2e", group.operations) < EXACT
    assert equivariance_error(layer, "0e + 2e", "0e + 2e", GROUPS["6/mmm"].operations) > 1e-2  # control
    piezo = equivariant_basis(group, "1o", "0e + 2e")[0]
    assert equivariance_error(lambda x: x @ piezo.T, "1o", "0e + 2e", group.operations) < EXACT
    assert equivariance_error(lambda x: x @ piezo.T, "1o", "0e + 2e", GROUPS["m-3m"].operations) > 1e-2  # control: inversion


def test_e3nns_own_check_takes_isotropic_maps_and_refuses_cubic_ones():
    """``assert_equivariant`` asks for all of O(3): the isotropic maps are among ours for every group, the cubic ones fail it."""
    isotropic = o3.Linear("0e + 2e", "0e + 2e", shared_weights=True, internal_weights=True)
    assert_equivariant(isotropic, irreps_in=["0e + 2e"], irreps_out=["0e + 2e"], tolerance=1e-4)
    weight = isotropic(torch.eye(6)).detach().double().T
    maps = equivariant_basis(GROUPS["m-3m"], "0e + 2e", "0e + 2e").reshape(3, 36)
    assert float((weight.reshape(36) - (maps @ weight.reshape(36)) @ maps).abs().max()) < 1e-5

    def cubic(x):
        return x @ maps[2].reshape(6, 6).to(x.dtype).T + x @ maps[1].reshape(6, 6).to(x.dtype).T

    with pytest.raises(AssertionError, match=r"equivariance|Largest|failed"):
        assert_equivariant(cubic, irreps_in=["0e + 2e"], irreps_out=["0e + 2e"], tolerance=1e-4)


def test_linear_maps_agree_with_cartesian_tensors():
    """Maps vector → symmetric tensor are the piezoelectric tensors, in number for each group."""
    for symbol, group in GROUPS.items():
        assert len(equivariant_basis(group, "1o", "0e + 2e")) == PIEZOELECTRIC.get(symbol, 0)


@given(seeds, st.integers(0, 6))
def test_irreps_matrices_agree_with_e3nn(seed, degree):
    R = torch.from_numpy(rotation(seed))
    ours = irreps_matrices(R.numpy()[None], f"{degree}e")[0]
    theirs = o3.Irreps(f"{degree}e").D_from_matrix(R)
    assert float((ours - theirs).abs().max()) < 1e-5  # e3nn's constants and Euler angles are not exact
    assert float((ours @ ours.T - torch.eye(2 * degree + 1, dtype=torch.float64)).abs().max()) < EXACT


def test_tensors_of_a_magnetic_group():
    whole, half = GROUPS["4/mmm"], next(g for g in GROUPS["4/mmm"].subgroups() if g.symbol == "4/m")
    iron = MagneticPointGroup.from_groups(whole, half)
    assert iron.symbol == "4/mm'm'"
    (moment,) = invariant_basis(iron, "i", "axial", time_odd=True)
    assert np.abs(np.abs(moment) - [0, 0, 1]).max() < EXACT
    assert number_of_invariants(whole, "i", "axial", time_odd=True) == 0  # control: without time reversal none is left
