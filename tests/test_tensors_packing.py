"""Packing of tensors to Voigt, Mandel and irreducible components, and formulas of index symmetry."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensor_cases import EXACT, GROUPS, rotation, seeds, symmetric

from constitutive.errors import ConstitutiveError
from constitutive.tensors import (
    from_mandel,
    invariant_basis,
    irreps_matrices,
    mandel_matrix,
    mandel_to_irreps,
    number_of_invariants,
    pairs_formula,
    stiffness_mandel_to_voigt,
    stiffness_voigt_to_mandel,
    strain_from_voigt,
    strain_to_voigt,
    stress_from_voigt,
    stress_to_voigt,
    tangent_from_mandel,
    tangent_to_mandel,
    to_mandel,
)

# ---- packing


@given(seeds, st.sampled_from([(), (1,), (4, 2)]))
def test_packing_goes_there_and_back(seed, batch):
    T = symmetric(seed, *batch)
    for there, back in ((to_mandel, from_mandel), (strain_to_voigt, strain_from_voigt), (stress_to_voigt, stress_from_voigt)):
        assert np.abs(back(there(T)) - T).max() < EXACT


@given(seeds)
def test_mandel_components_keep_products_and_turn_by_orthogonal_matrices(seed):
    S, E, R = symmetric(seed), symmetric(seed + 1), rotation(seed)
    assert to_mandel(S) @ to_mandel(E) == pytest.approx(np.sum(S * E), rel=EXACT)
    assert stress_to_voigt(S) @ strain_to_voigt(E) == pytest.approx(np.sum(S * E), rel=EXACT)
    D = mandel_matrix(R)
    assert np.abs(D @ D.T - np.eye(6)).max() < EXACT
    assert np.abs(to_mandel(R @ E @ R.T) - D @ to_mandel(E)).max() < 1e-11
    assert np.abs(mandel_matrix(-R) - D).max() < EXACT


def test_voigt_order_and_shear_factor():
    E = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
    assert strain_to_voigt(E).tolist() == pytest.approx([1, 2, 3, 8, 10, 12])
    assert stress_to_voigt(E).tolist() == pytest.approx([1, 2, 3, 4, 5, 6])
    assert strain_to_voigt(E) @ strain_to_voigt(E) != pytest.approx(np.sum(E * E))  # control: engineering shear keeps no products


@given(seeds)
def test_stiffness_is_one_map_in_every_packing(seed):
    D = np.random.default_rng(seed).normal(size=(6, 6))
    E = symmetric(seed)
    full = np.einsum("ijkl,kl->ij", tangent_from_mandel(D), E)
    assert np.abs(to_mandel(full) - D @ to_mandel(E)).max() < 1e-11
    assert np.abs(tangent_to_mandel(tangent_from_mandel(D)) - D).max() < 1e-11
    C = stiffness_mandel_to_voigt(D)
    assert np.abs(stress_to_voigt(full) - C @ strain_to_voigt(E)).max() < 1e-11
    assert np.abs(stiffness_voigt_to_mandel(C) - D).max() < 1e-11


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_packing_keeps_torch_tensors_their_dtype_and_gradients(dtype):
    T = torch.tensor(symmetric(3, 5), dtype=dtype, requires_grad=True)
    x = to_mandel(T)
    assert x.dtype == dtype
    assert torch.allclose(from_mandel(x), T, atol=1e-6)
    (x**2).sum().backward()
    assert torch.allclose(T.grad, 2 * T, atol=1e-5)
    for function in (strain_to_voigt, stress_to_voigt, mandel_matrix):
        assert np.allclose(function(T).detach().numpy(), function(T.detach().numpy().astype(float)), atol=1e-5)


@given(seeds)
def test_mandel_and_irreps_are_one_representation(seed):
    Q, R = mandel_to_irreps(), rotation(seed)
    D = irreps_matrices(R[None], "0e + 2e")[0].numpy()
    assert np.abs(Q @ mandel_matrix(R) @ Q.T - D).max() < EXACT
    swapped = Q[[0, 2, 1, 3, 4, 5]]  # control: two components exchanged
    assert np.abs(swapped @ mandel_matrix(R) @ swapped.T - D).max() > 1e-3


# ---- formulas


@pytest.mark.parametrize(
    ("formula", "size"),
    [
        ("i", 3),
        ("ij", 9),
        ("ij=ji", 6),
        ("ij=-ji", 3),
        ("ijk=ikj", 18),
        ("ijk=-jik=-ikj", 1),
        ("ijkl=jikl=klij", 21),
        ("ij=ji=-ji", 0),
    ]
    + [(pairs_formula(3), 56), (pairs_formula(4), 126), ("ijkl=jikl=ijlk", 36)],
)
def test_index_symmetries_leave_the_known_number_of_components(formula, size):
    assert number_of_invariants(GROUPS["1"], formula) == size
    assert len(invariant_basis(GROUPS["1"], formula)) == size


def test_levi_civita_is_the_one_antisymmetric_tensor():
    (epsilon,) = invariant_basis(GROUPS["432"], "ijk=-jik=-ikj")
    assert epsilon[0, 1, 2] == pytest.approx(-epsilon[1, 0, 2])
    assert abs(epsilon[0, 1, 2]) == pytest.approx(1 / np.sqrt(6))


@pytest.mark.parametrize("formula", ["ij=jk", "-ij=ji", "iij", "ijklmnpqr", "i1"])
def test_a_formula_without_sense_is_refused(formula):
    with pytest.raises(ConstitutiveError, match="formula"):
        invariant_basis(GROUPS["1"], formula)
