r"""Homogeneous polynomials in the six Mandel components of a symmetric tensor, or in other variables, and invariants among them.

A polynomial of degree d is a vector of coefficients over the monomials :math:`x^\alpha`, :math:`|\alpha| = d`, in the
order of :func:`exponents`. The group acts on them by substitution, :math:`(g \cdot p)(x) = p(D(g)^T x)`; in the
apolar inner product :math:`\langle p, q\rangle = \sum_\alpha \alpha!/d!\; p_\alpha q_\alpha` that action is
orthogonal, so the group average is an orthogonal projector and its range the invariants
(Kolda, *Homogeneous polynomials and symmetric tensors*; Sturmfels, *Algorithms in Invariant Theory*, 2008, sec. 2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from itertools import product as product_of
from math import factorial, isqrt, prod

import numpy as np
from jaxtyping import Float, Int

from constitutive.tensors.packing import Array, like, mandel_matrix

SIZE = 6  # Mandel components of a symmetric tensor
ROUNDING = 1e-15  # entries of an orthogonal matrix below this are zeros
KEPT = {2: 256, 3: 256, 4: 256, 5: 48}  # substitutions kept of each degree: 127 kB each of degree 4, 0.5 MB of degree 5


@lru_cache(maxsize=64)
def exponents(degree: int, variables: int = SIZE) -> Int[np.ndarray, "terms k"]:
    """Exponents of all monomials of one degree, in lexicographic order.

    Parameters
    ----------
    degree : int
        Sum of the exponents in each row.
    variables : int
        Number of variables k; the six Mandel components when not given.

    Returns
    -------
    int array (terms, k)
        Read-only.
    """
    choices = combinations_with_replacement(range(variables), degree)
    rows = [np.bincount(np.array(c, dtype=np.int64), minlength=variables) for c in choices]
    table = np.array(rows, dtype=np.int64).reshape(-1, variables)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def raising(degree: int, variables: int = SIZE) -> Int[np.ndarray, "terms k"]:
    """Where each monomial of one degree goes when multiplied by each variable: positions in ``exponents(degree + 1)``.

    Parameters
    ----------
    degree : int
        Of the monomials before the multiplication.
    variables : int
        Number of variables k.

    Returns
    -------
    int array (terms, k)
        Read-only.
    """
    position = {tuple(row): k for k, row in enumerate(exponents(degree + 1, variables))}
    steps = np.eye(variables, dtype=np.int64)
    table = np.array([[position[tuple(row + step)] for step in steps] for row in exponents(degree, variables)], dtype=np.int64)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def _recipe(degree: int, variables: int = SIZE) -> tuple[Int[np.ndarray, " terms"], Int[np.ndarray, " terms"]]:
    """For each monomial of a degree: one parent monomial of the degree below, and the variable that multiplies it."""
    table = exponents(degree, variables)
    variable = np.argmax(table > 0, axis=1)
    lower = {tuple(row): k for k, row in enumerate(exponents(degree - 1, variables))}
    reduced = table - np.eye(variables, dtype=np.int64)[variable]
    parent = np.array([lower[tuple(row)] for row in reduced], dtype=np.int64)
    return parent, variable


@lru_cache(maxsize=64)
def _recipe_in_torch(degree: int, variables: int = SIZE) -> tuple[Int[Array, " terms"], Int[Array, " terms"]]:
    """The same as tensors, made once: a law asks for them at every evaluation."""
    import torch

    parent, variable = _recipe(degree, variables)
    return torch.from_numpy(parent), torch.from_numpy(variable)


def monomials(x: Float[Array, "n k"], degree: int) -> list[Float[Array, "n terms"]]:
    """Values of all monomials of degree 0, 1, …, ``degree`` at each point.

    Parameters
    ----------
    x : array (n, k)
        Points, six Mandel components or other variables; a tensor of torch or an array of NumPy.
    degree : int
        The highest.

    Returns
    -------
    list of array (n, terms)
        One array, of the kind of x, for each degree, over ``exponents``.
    """
    recipe = _recipe if isinstance(x, np.ndarray) else _recipe_in_torch
    values = [like(np.ones((len(x), 1)), x)]
    for k in range(1, degree + 1):
        parent, variable = recipe(k, x.shape[1])
        values.append(values[-1][:, parent] * x[:, variable])
    return values


def differentiate(coefficients: Float[Array, "*batch terms"], degree: int, variables: int = SIZE) -> Float[Array, "*batch k lower"]:
    r"""Coefficients of the partial derivatives: :math:`\partial_i x^{\beta + e_i} = (\beta_i + 1)\, x^\beta`.

    Parameters
    ----------
    coefficients
        Over ``exponents(degree)``, with any leading axes; a tensor of torch or an array of NumPy.
    degree
        At least 1.
    variables
        Number of variables k.

    Returns
    -------
    array (..., k, lower)
        Over ``exponents(degree - 1)``.
    """
    up = raising(degree - 1, variables).T.copy()  # torch takes no read-only array
    return coefficients[..., up] * like(exponents(degree - 1, variables).T + 1.0, coefficients)


def substitution(matrices: Float[np.ndarray, "g k k"], degree: int) -> Float[np.ndarray, "g terms terms"]:
    r"""Matrices T with :math:`(D x)^\alpha = \sum_\beta T_{\alpha\beta}\, x^\beta` for each matrix D.

    Parameters
    ----------
    matrices : array (g, k, k)
        D.
    degree : int
        |α|.

    Returns
    -------
    array (g, terms, terms)
    """
    size = matrices.shape[1]
    table = np.ones((len(matrices), 1, 1))
    for k in range(1, degree + 1):
        parent, variable = _recipe(k, size)
        terms = len(exponents(k, size))
        grown = np.zeros((len(matrices), terms, terms))
        for j in range(size):
            factor = matrices[:, variable, j]
            rows = np.nonzero(factor.any(axis=0))[0]  # a rotation of the crystal's own axes has few entries
            grown[:, rows[:, None], raising(k - 1, size)[:, j]] += factor[:, rows, None] * table[:, parent[rows], :]
        table = grown
    return table


@lru_cache(maxsize=64)
def apolar_weights(degree: int, variables: int = SIZE) -> Float[np.ndarray, " terms"]:
    """Weights α!/d! of the inner product in which orthogonal substitutions are orthogonal.

    Parameters
    ----------
    degree : int
        |α| = d.
    variables : int
        Number of variables.

    Returns
    -------
    array (terms,)
        Read-only.
    """
    products = [np.prod([factorial(int(a)) for a in row]) for row in exponents(degree, variables)]
    weights = np.array(products, dtype=np.float64) / factorial(degree)
    weights.setflags(write=False)
    return weights


def invariant_counts(rotations: Float[np.ndarray, "g 3 3"], highest: int) -> list[int]:
    r"""How many independent polynomials of each degree every rotation leaves unchanged, without making them.

    Molien: the mean over the group of the character :math:`h_d` of the polynomials of degree d, which follows from traces of powers by
    :math:`d\, h_d = \sum_{k=1}^d \operatorname{tr}(D^k)\, h_{d-k}` (Sturmfels, *Algorithms in Invariant Theory*, 2008, sec. 2.2).

    Parameters
    ----------
    rotations : array (g, 3, 3)
        The whole group, Cartesian.
    highest : int
        Highest degree.

    Returns
    -------
    list of int
        For degree 0, 1, …, ``highest``.

    Examples
    --------
    >>> invariant_counts(np.eye(3)[None], 3)
    [1, 6, 21, 56]
    """
    D = np.asarray(mandel_matrix(np.asarray(rotations, dtype=np.float64)))
    powers, traces = np.broadcast_to(np.eye(SIZE), D.shape), []
    for _ in range(highest):
        powers = powers @ D
        traces.append(np.einsum("gii->g", powers))
    characters = [np.ones(len(D))]
    for degree in range(1, highest + 1):
        characters.append(sum(traces[k - 1] * characters[degree - k] for k in range(1, degree + 1)) / degree)
    return [round(float(character.mean())) for character in characters]


def invariant_polynomials(rotations: Float[np.ndarray, "g 3 3"], degree: int) -> Float[np.ndarray, "invariants terms"]:
    """Orthonormal basis of the polynomials of one degree that every rotation leaves unchanged.

    Parameters
    ----------
    rotations
        The whole group, as Cartesian matrices (a list of generators is not enough).
    degree
        Power of the strain, at least 1.

    Returns
    -------
    Coefficients over ``exponents(degree)``, one row for each invariant, orthonormal in the apolar inner product.
    """
    group = np.ascontiguousarray(rotations, dtype=np.float64)
    return _invariants(group.tobytes(), degree)


@lru_cache(maxsize=128)
def _invariants(group: bytes, degree: int) -> Float[np.ndarray, "invariants terms"]:
    """Cached by the numbers of the rotations: a law, its data and its reload need the same basis."""
    matrices = np.asarray(mandel_matrix(np.frombuffer(group, dtype=np.float64).reshape(-1, 3, 3)))
    matrices[np.abs(matrices) < ROUNDING] = 0.0
    basis = _range(_average(matrices, degree), np.sqrt(apolar_weights(degree)))
    basis.setflags(write=False)
    return basis


def _range(average: Float[np.ndarray, "terms terms"], root: Float[np.ndarray, " terms"]) -> Float[np.ndarray, "invariants terms"]:
    """The polynomials that an average over the group leaves unchanged, orthonormal in the inner product with weights root²."""
    average = average * root[:, None] / root[None, :]
    values, vectors = np.linalg.eigh((average + average.T) / 2)
    return _fix_signs(vectors[:, values > 0.5].T) / root


def _average(matrices: Float[np.ndarray, "g 6 6"], degree: int) -> Float[np.ndarray, "terms terms"]:
    of = _KEPT_SUBSTITUTIONS.get(degree, _substitution)
    total: np.ndarray = np.zeros(())
    for matrix in matrices:  # one at a time: 24 matrices of degree 6 together would take 40 MB
        total = total + of(matrix.tobytes(), degree)
    return total.T / len(matrices)


def _substitution(matrix: bytes, degree: int) -> Float[np.ndarray, "terms terms"]:
    numbers = np.frombuffer(matrix)
    return substitution(numbers.reshape(1, isqrt(len(numbers)), -1), degree)[0]


_KEPT_SUBSTITUTIONS = {d: lru_cache(maxsize=size)(_substitution) for d, size in KEPT.items()}  # subgroups share their group's operations


def _fix_signs(rows: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k n"]:
    """Rows with their largest entry positive: the same basis on every machine up to rounding."""
    largest = np.argmax(np.abs(rows) > 0.999 * np.abs(rows).max(axis=1, keepdims=True), axis=1)
    return rows * np.sign(rows[np.arange(len(rows)), largest])[:, None]


# -- several variables, each with its own representation --------------------------------------------------------------


def invariants_of_blocks(blocks: Sequence[Float[np.ndarray, "g _ _"]], degree: int) -> Float[np.ndarray, "invariants terms"]:
    """Orthonormal basis of the invariant polynomials of one degree in several variables, such as a strain and a field.

    Parameters
    ----------
    blocks
        For each variable the matrices of the whole group on its components, orthogonal.
    degree
        Power of all variables together, at least 1.

    Returns
    -------
    Coefficients over ``exponents(degree, k)``, k the number of all components, one row for each invariant, orthonormal in the apolar inner
    product; each invariant has one degree in each variable, those with the highest degree in the first variable come first.
    """
    kept = tuple(np.ascontiguousarray(matrices, dtype=np.float64).tobytes() for matrices in blocks)
    return _invariants_of_blocks(kept, tuple(matrices.shape[1] for matrices in blocks), degree)


@lru_cache(maxsize=64)
def _invariants_of_blocks(blocks: tuple[bytes, ...], sizes: tuple[int, ...], degree: int) -> Float[np.ndarray, "invariants terms"]:
    matrices = [np.frombuffer(b).reshape(-1, k, k).copy() for b, k in zip(blocks, sizes, strict=True)]
    for block in matrices:
        block[np.abs(block) < ROUNDING] = 0.0
    basis = np.concatenate([_of_one_multidegree(matrices, tuple(int(d) for d in degrees)) for degrees in exponents(degree, len(sizes))])
    basis.setflags(write=False)
    return basis


def _of_one_multidegree(matrices: list[np.ndarray], degrees: tuple[int, ...]) -> Float[np.ndarray, "invariants terms"]:
    """Invariants of given degrees in each variable: of the tensor product of the substitutions in each."""
    sizes, order = [block.shape[1] for block in matrices], len(matrices[0])
    total: np.ndarray = np.zeros(())
    for k in range(order):
        product = np.ones((1, 1))
        for block, degree in zip(matrices, degrees, strict=True):
            of = _KEPT_SUBSTITUTIONS.get(degree, _substitution)
            product = np.kron(product, of(block[k].tobytes(), degree))
        total = total + product
    root = np.ones(1)
    for size, degree in zip(sizes, degrees, strict=True):
        root = np.kron(root, np.sqrt(apolar_weights(degree, size)))
    found = _range(total.T / order, root)
    position = {tuple(row): k for k, row in enumerate(exponents(sum(degrees), sum(sizes)).tolist())}
    parts = [exponents(degree, size).tolist() for size, degree in zip(sizes, degrees, strict=True)]
    places = [position[tuple(e for part in choice for e in part)] for choice in product_of(*parts)]
    rows = np.zeros((len(found), len(position)))
    rows[:, places] = found
    share = prod(factorial(d) for d in degrees) / factorial(sum(degrees))
    return rows / np.sqrt(share)
