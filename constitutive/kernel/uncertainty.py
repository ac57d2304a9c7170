r"""C of the uncertainty of the stress: the norm of its standard deviation at a strain.

With the columns :math:`\Phi(x)` of the law's linear parameters and the factor L of their covariance (see ``fitting.uncertainty``), the
deviation has the norm :math:`\|\Phi L\|`. Each column of L is a law of its own: its polynomial is put together here, its channels
share one pass over the units. The norm is the same in all axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.fitting import Uncertainty
from constitutive.kernel import polynomial
from constitutive.kernel.classes import Classes
from constitutive.kernel.ctext import Tables
from constitutive.kernel.flatten import UnsupportedLawError, cleaned, is_identity, representatives
from constitutive.kernel.sums import stress_weights
from constitutive.tensors.packing import mandel_matrix
from constitutive.tensors.polynomials import exponents, substitution

NOTHING = """
enum { HAS_UNCERTAINTY = 0 };
INLINE void deviation(const double *numbers, const pack x[6], pack *out) { (void)numbers, (void)x, (void)out; }
"""


@dataclass(frozen=True)
class FlatUncertainty:
    """An uncertainty in the axes of a program.

    Attributes
    ----------
    weights : array (channels, representatives, 6)
        One row for each channel and representative; each stands for the folded signs.
    biases : array (channels,)
        Of the channels.
    share : float
        Scale over the order of the group: what a unit's stress counts.
    factor : array (channels, columns)
        How much of each channel a column holds.
    polynomials : list of dict
        For each column: degree → coefficients.
    """

    weights: Float[np.ndarray, "channels r 6"]
    biases: Float[np.ndarray, " channels"]
    share: float
    factor: Float[np.ndarray, "channels columns"]
    polynomials: list[dict[int, Float[np.ndarray, " terms"]]]


def flatten_uncertainty(uncertainty: Uncertainty, frame: Float[np.ndarray, "6 6"], signs: Float[np.ndarray, "k 6"]) -> FlatUncertainty:
    """Turn an uncertainty into a program's axes.

    Parameters
    ----------
    uncertainty : Uncertainty
    frame : array (6, 6)
        Mandel matrix of the rotation into the program's axes.
    signs : array (k, 6)
        Signs of the diagonal operations that the program folds.

    Returns
    -------
    FlatUncertainty
        Deviations in GPa.

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
    return FlatUncertainty(weights, uncertainty.biases, own.scale / len(group), uncertainty.factor[:channels], polynomials)


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


def source(flat: FlatUncertainty | None, classes: Classes, tables: Tables) -> str:
    """The function ``deviation`` and what it needs; its tables are added to the others. Without an uncertainty it does nothing."""
    if flat is None:
        return NOTHING
    terms = _terms(flat)
    placed = polynomial.arrange(classes, {"stress": terms})
    counts = [polynomial.prefix(terms, placed, c) for c in range(classes.fold)]
    size = max([len(m) for m in placed.by_class] + [1])
    degree = max(flat.polynomials[0], default=1) - 1
    _add_tables(flat, classes, tables, terms, placed)
    return "\n".join([
        f"enum {{ HAS_UNCERTAINTY = 1, COLUMNS = {flat.factor.shape[1]}, CHANNELS = {len(flat.biases)} }};",
        f"enum {{ REPEATS = {flat.weights.shape[1]} }};",
        f"enum {{ DEVIATION_MONOMIALS = {size}, DEVIATION_DEGREE = {degree}, DEVIATION_TERMS = {max(counts)} }};",
        polynomial.recipe(placed, "deviation_monomials", "DEVIATION_MONOMIALS"),
        polynomial.zeros(counts, max(counts), "DEVIATION_PADDING"),
        BODY if len(flat.biases) else BODY.replace(CHANNELS_ONCE, ""),
    ])  # fmt: skip


def _terms(flat: FlatUncertainty) -> polynomial.Terms:
    """Monomials of the stress with their coefficients in all columns, one after another."""
    return [
        (tuple(int(e) for e in exponent), np.concatenate(column))
        for degree in flat.polynomials[0]
        for exponent, *column in zip(
            exponents(degree - 1), *(polynomial.gradient(p[degree], degree).T for p in flat.polynomials), strict=True
        )
        if np.any(column)
    ]


def _add_tables(flat: FlatUncertainty, classes: Classes, tables: Tables, terms: polynomial.Terms, placed: polynomial.Monomials) -> None:
    units, columns = flat.weights.reshape(-1, 6), flat.factor.shape[1]
    root, repeats, zero = np.sqrt(flat.biases**2 + 4), flat.weights.shape[1], np.zeros(len(units))
    head = np.stack([np.repeat(flat.biases, repeats), np.repeat(flat.biases / root, repeats), zero, zero], axis=1)
    tables.add("DEVIATION_UNIT", np.hstack([head, units]))
    tables.add("DEVIATION_STRESS", stress_weights(classes, 0.5 * flat.share * units))
    tables.add("DEVIATION_FACTOR", flat.factor.T if len(flat.biases) else np.zeros((columns, 1)))
    parts = [[(monomial, values[6 * k : 6 * k + 6]) for monomial, values in terms] for k in range(columns)]
    blocks = [polynomial.stress_matrix(part, placed, classes) for part in parts]
    tables.add("DEVIATION_POLYNOMIAL", np.vstack(blocks) if terms else np.zeros((1, 6)))


CHANNELS_ONCE = """    for (long h = 0; h < CHANNELS; h++) {
        for (int i = 0; i < 6; i++) channel[h][i] = (pack){0};
        for (long first = 0; first < REPEATS; first += BLOCK) {
            const long n = REPEATS - first < BLOCK ? REPEATS - first : BLOCK;
            features(WANT_STRESS, x, DEVIATION_UNIT + h * REPEATS + first, n, 0, transformed, 0);
            add_stress(r, DEVIATION_STRESS[h * REPEATS + first], n, channel[h]);
        }
    }
"""

BODY = (
    """
static __attribute__((noinline)) void deviation(const double *numbers, const pack x[6], pack *out) {
    pack m[FOLD][DEVIATION_MONOMIALS], channel[CHANNELS + 1][6], transformed[FOLD][BLOCK], square = {0};
    const pack *f[FOLD], *r[FOLD];
    for (int i = 0; i < FOLD; i++) f[i] = m[i], r[i] = transformed[i];
    (void)r;
    DEVIATION_PADDING
    if (DEVIATION_DEGREE > 0) deviation_monomials(x, DEVIATION_DEGREE, m);
"""
    + CHANNELS_ONCE
    + """    for (long k = 0; k < COLUMNS; k++) {
        pack s[6];
        for (int i = 0; i < 6; i++) s[i] = (pack){0};
        for (long h = 0; h < CHANNELS; h++)
            for (int i = 0; i < 6; i++) FOR_VECTORS s[i].v[v] += DEVIATION_FACTOR[k][h] * channel[h][i].v[v];
        if (DEVIATION_TERMS) add_stress(f, DEVIATION_POLYNOMIAL[k * DEVIATION_TERMS], DEVIATION_TERMS, s);
        for (int i = 0; i < 6; i++) FOR_VECTORS square.v[v] += s[i].v[v] * s[i].v[v];
    }
    for (int p = 0; p < POINTS; p++) set(out, p, sqrt(get(&square, p)));
}
"""
)
