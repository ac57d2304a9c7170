"""Crystals and helpers that the tests of symmetry share."""

from dataclasses import replace

import numpy as np
from ase.build import bulk
from hypothesis import strategies as st
from pymatgen.core import Structure
from scipy.spatial.transform import Rotation

from constitutive.symmetry.tables import SYMBOLS

EXACT = 1e-12
MIRROR = np.diag([-1.0, 1.0, 1.0])
seeds = st.integers(0, 2**32 - 1)
symbols = st.sampled_from(SYMBOLS)


def rotation(seed):
    return Rotation.from_quat(np.random.default_rng(seed).normal(size=4)).as_matrix()


def with_basis(cell, M, *, matrix=None):
    """The same crystal in the cell with vectors M a, its Cartesian frame then turned or mirrored by a matrix."""
    M = np.asarray(M)
    reach = int(np.abs(M).sum()) + 1
    grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    fractions = grid @ np.linalg.inv(M)
    inside = grid[((fractions > -1e-9) & (fractions < 1 - 1e-9)).all(axis=1)]
    assert len(inside) == round(abs(np.linalg.det(M)))
    positions = np.concatenate([(cell.positions + shift) @ np.linalg.inv(M) for shift in inside])
    turn = np.eye(3) if matrix is None else matrix
    count = len(inside)
    return replace(
        cell,
        lattice=M @ cell.lattice @ turn.T,
        positions=positions,
        kinds=np.tile(cell.kinds, count),
        weights=np.tile(cell.weights, count),
    )


def unimodular(seed, steps=3):
    rng, M = np.random.default_rng(seed), np.eye(3, dtype=int)
    for _ in range(steps):
        i, j = rng.permutation(3)[:2]
        step = np.eye(3, dtype=int)
        step[i, j] = rng.choice([-1, 1])
        M = step @ M
    return M


def as_structure(cell):
    return Structure(cell.lattice, [cell.names[k - 1] for k in cell.kinds], cell.positions)


def elastic(C14):
    """A trigonal stiffness (GPa, like quartz) in the frame x along a, z along c."""
    C = np.diag([87.0, 87, 106, 58, 58, 40])
    C[0, 1] = C[1, 0] = 7
    C[:2, 2] = C[2, :2] = 12
    C[0, 3] = C[3, 0] = C[4, 5] = C[5, 4] = C14
    C[1, 3] = C[3, 1] = -C14
    return C


def iron(moments):
    atoms = bulk("Fe", cubic=True)
    del atoms.arrays["initial_magmoms"]
    atoms.set_initial_magnetic_moments(np.array(moments, dtype=float))
    return atoms
