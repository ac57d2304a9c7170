r"""C of the uncertainty of the stress: the norm of its standard deviation at a strain.

With the columns :math:`\Phi(x)` of the law's outer parameters and the factor L of their covariance (see ``laws.uncertainty``), the
deviation has the norm :math:`\|\Phi L\|`. Each column of L is a law of its own: its polynomial is put together here, its channels
share one pass over the units. The norm is the same in all axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.fitting import Uncertainty
from constitutive.kernel import polynomial
from constitutive.kernel import source as text
from constitutive.kernel.flatten import UnsupportedLawError, cleaned, is_identity, representatives
from constitutive.tensors.packing import mandel_matrix
from constitutive.tensors.polynomials import exponents, substitution

if TYPE_CHECKING:
    from constitutive.kernel.source import Source

NOTHING = """
enum { HAS_SPREAD = 0 };
INLINE void deviation(const pack x[6], pack *out) { (void)x, (void)out; }
"""


@dataclass(frozen=True)
class Spread:
    """An uncertainty in the axes of a program.

    Attributes
    ----------
    weights
        One row for each channel and representative; each stands for the folded signs.
    biases
        Of the channels.
    share
        What a unit's stress counts: one over the order of the group.
    factor
        (channels, columns): how much of each channel a column holds.
    polynomials
        For each column: degree → coefficients.
    """

    weights: Float[np.ndarray, "channels r 6"]
    biases: Float[np.ndarray, " channels"]
    share: float
    factor: Float[np.ndarray, "channels columns"]
    polynomials: list[dict[int, Float[np.ndarray, " terms"]]]


def spread(uncertainty: Uncertainty, frame: Float[np.ndarray, "6 6"], signs: Float[np.ndarray, "k 6"]) -> Spread:
    """Turn an uncertainty into a program's axes.

    Raises
    ------
    UnsupportedLawError
        Its group does not hold the folded signs.
    """
    own = uncertainty.basis
    group = frame @ np.asarray(mandel_matrix(own.rotations)) @ frame.T
    kept = representatives(group, signs)
    if len(kept) * len(signs) != len(group):
        raise UnsupportedLawError("the group of the uncertainty is another than the law's")
    channels = len(uncertainty.biases)
    directions = uncertainty.directions / own.scale @ frame.T
    weights = np.einsum("hj,gji->hgi", directions, group[kept])
    rows = uncertainty.factor[channels:]
    polynomials = _polynomials(uncertainty, rows, frame, signs)
    return Spread(weights, uncertainty.biases, own.scale / len(group), uncertainty.factor[:channels], polynomials)


def _polynomials(uncertainty: Uncertainty, rows: np.ndarray, frame: np.ndarray, signs: np.ndarray) -> list[dict[int, np.ndarray]]:
    result: list[dict[int, np.ndarray]] = [{} for _ in range(rows.shape[1])]
    start = 0
    for degree, basis in zip(uncertainty.basis.degrees, uncertainty.basis.energy, strict=True):
        part = rows[start : start + len(basis)].T @ basis * uncertainty.basis.scale ** (1 - degree)
        start += len(basis)
        turned = part if is_identity(frame) else part @ substitution(frame.T[None], degree)[0]
        for column, row in enumerate(turned):
            result[column][degree] = cleaned(row, signs, degree)
    return result


def source(whole: Source) -> str:
    """All of it; without an uncertainty, a function that does nothing."""
    s = whole.spread
    if s is None:
        return NOTHING
    terms = [
        (tuple(int(e) for e in exponent), np.concatenate(column))
        for degree in s.polynomials[0]
        for exponent, *column in zip(exponents(degree - 1), *(text.gradient(p[degree], degree).T for p in s.polynomials), strict=True)
        if np.any(column)
    ]
    placed = polynomial.arrange(whole, {"stress": terms})
    counts = [polynomial.prefix(terms, placed, c) for c in range(whole.fold)]
    count, columns, channels = max(counts), s.factor.shape[1], len(s.biases)
    blocks = [_column_table(whole, terms, placed, k, count) for k in range(columns)]
    units, half = s.weights.reshape(-1, 6), 0.5 * s.share
    root = np.sqrt(s.biases**2 + 4)
    zero = np.zeros(len(units))
    biases = np.repeat(s.biases, s.weights.shape[1])
    head = np.stack([biases, np.repeat(s.biases / root, s.weights.shape[1]), zero, zero], axis=1)
    size = max([len(m) for m in placed.by_class] + [1])
    return "\n".join([
        f"enum {{ HAS_SPREAD = 1, COLUMNS = {columns}, CHANNELS = {channels}, REPEATS = {s.weights.shape[1]} }};",
        f"enum {{ SPREAD_MONOMIALS = {size}, SPREAD_DEGREE = {max(s.polynomials[0], default=1) - 1}, SPREAD_TERMS = {count} }};",
        polynomial.recipe(placed, "spread_monomials", "SPREAD_MONOMIALS"),
        text.table("SPREAD_UNIT", np.hstack([head, units])),
        text.table("SPREAD_STRESS", text.stress_weights(whole, half * units)),
        text.table("SPREAD_FACTOR", s.factor.T if channels else np.zeros((columns, 1))),
        text.table("SPREAD_POLYNOMIAL", np.vstack(blocks) if count else np.zeros((1, 6))),
        polynomial.zeros(counts, count, "SPREAD_PADDING"),
        BODY if channels else BODY.replace(CHANNELS_ONCE, ""),
    ])  # fmt: skip


def _column_table(
    whole: Source, terms: list[tuple[polynomial.Monomial, np.ndarray]], placed: polynomial.Monomials, column: int, count: int
) -> np.ndarray:
    part = [(monomial, values[6 * column : 6 * column + 6]) for monomial, values in terms]
    blocks = [polynomial.matrix(part, placed, c, entries) for c, entries in enumerate(whole.stress_entries)]
    return np.hstack([np.vstack([b, np.zeros((count - len(b), b.shape[1]))]) for b in blocks])


CHANNELS_ONCE = """    for (long h = 0; h < CHANNELS; h++) {
        for (int i = 0; i < 6; i++) channel[h][i] = (pack){0};
        for (long first = 0; first < REPEATS; first += BLOCK) {
            const long n = REPEATS - first < BLOCK ? REPEATS - first : BLOCK;
            features(WANT_STRESS, x, SPREAD_UNIT + h * REPEATS + first, n, 0, transformed, 0);
            add_stress(r, SPREAD_STRESS[h * REPEATS + first], n, channel[h]);
        }
    }
"""

BODY = (
    """
static __attribute__((noinline)) void deviation(const pack x[6], pack *out) {
    pack m[FOLD][SPREAD_MONOMIALS], channel[CHANNELS + 1][6], transformed[FOLD][BLOCK], square = {0};
    const pack *f[FOLD], *r[FOLD];
    for (int i = 0; i < FOLD; i++) f[i] = m[i], r[i] = transformed[i];
    SPREAD_PADDING
    if (SPREAD_DEGREE > 0) spread_monomials(x, SPREAD_DEGREE, m);
"""
    + CHANNELS_ONCE
    + """    for (long k = 0; k < COLUMNS; k++) {
        pack s[6];
        for (int i = 0; i < 6; i++) s[i] = (pack){0};
        for (long h = 0; h < CHANNELS; h++)
            for (int i = 0; i < 6; i++) FOR_VECTORS s[i].v[v] += SPREAD_FACTOR[k][h] * channel[h][i].v[v];
        if (SPREAD_TERMS) add_stress(f, SPREAD_POLYNOMIAL[k * SPREAD_TERMS], SPREAD_TERMS, s);
        for (int i = 0; i < 6; i++) FOR_VECTORS square.v[v] += s[i].v[v] * s[i].v[v];
    }
    for (int p = 0; p < POINTS; p++) set(out, p, sqrt(get(&square, p)));
}
"""
)
