"""Two tasks outside mechanics for networks of a finite group: the hand of a molecule, and shapes on a grid in any orientation."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from constitutive.equivariant import FiniteGroup

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
SHAPES = ("I", "L", "T", "S", "O", "P", "U", "V")
_CELLS = {  # on a grid of 5 × 5, no two alike by turns and mirrors
    "I": [(2, 1), (2, 2), (2, 3), (2, 4)], "L": [(1, 1), (2, 1), (3, 1), (3, 2)], "T": [(2, 1), (2, 2), (2, 3), (3, 2)],
    "S": [(2, 1), (2, 2), (3, 2), (3, 3)], "O": [(1, 1), (1, 2), (2, 1), (2, 2)], "P": [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)],
    "U": [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3)], "V": [(1, 1), (2, 1), (3, 1), (3, 2), (3, 3)],
}  # fmt: skip


def molecules(count, seed, *, noise=0.15):
    """Centres with four different neighbours in random orientations, in enantiomeric pairs: (2 count, 12) positions, hand 0 or 1."""
    rng = np.random.default_rng(seed)
    R = Rotation.random(count, random_state=rng).as_matrix()
    right = (TETRAHEDRON + noise * rng.normal(size=(count, 4, 3))) @ R.swapaxes(1, 2)
    left = right * np.array([1, 1, -1])  # the mirror image of the same molecule
    positions = np.concatenate([right, left]).reshape(2 * count, 12)
    return torch.from_numpy(positions), torch.arange(2 * count) // count


def square_group():
    """Quarter turns and mirrors of the plane, and how they permute the 25 cells of a grid."""
    group = FiniteGroup.from_matrices(np.array([[[0, -1], [1, 0]], [[1, 0], [0, -1]]], dtype=float))
    grid = np.array([(i, j) for i in range(5) for j in range(5)]) - 2
    images = np.einsum("gij,nj->gni", group.matrices, grid).round().astype(int) + 2
    return group, np.eye(25)[images[..., 0] * 5 + images[..., 1]].swapaxes(1, 2)


def pictures(count, seed, *, upright, noise=0.15):
    """Noisy pictures (count, 25) of the shapes, as drawn or in any of the eight orientations, and the number of each shape."""
    rng = np.random.default_rng(seed)
    _, D = square_group()
    label = np.arange(count) % len(SHAPES)
    clean = np.zeros((len(SHAPES), 5, 5))
    for k, name in enumerate(SHAPES):
        clean[k][tuple(np.array(_CELLS[name]).T)] = 1
    flat = clean.reshape(-1, 25)[label] + noise * rng.normal(size=(count, 25))
    if not upright:
        flat = np.einsum("nij,nj->ni", D[rng.integers(0, 8, count)], flat)
    return torch.from_numpy(flat - 0.17), torch.from_numpy(label)


def train(network, x, label, *, steps=100, ridge=1e-4):
    """Cross-entropy by L-BFGS; two classes have one logit for each as well."""
    optimiser = torch.optim.LBFGS(network.parameters(), max_iter=steps, history_size=20, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), label) + ridge * sum((p**2).sum() for p in network.parameters())
        loss.backward()
        return loss

    optimiser.step(closure)
    return network


def accuracy(network, x, label):
    with torch.no_grad():
        return float((network(x).argmax(1) == label).double().mean())
