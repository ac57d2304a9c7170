"""C of the polynomial part: monomials by class, then sums over those that occur."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from constitutive.kernel import source as text
from constitutive.tensors.polynomials import exponents

if TYPE_CHECKING:
    from constitutive.kernel.source import Source

Monomial = tuple[int, ...]  # exponents


@dataclass
class Monomials:
    """The monomials that occur, sorted by degree within each class.

    Attributes
    ----------
    place : dict
        Exponents → (class, position).
    by_class : list
        Exponents of each class.
    """

    place: dict[Monomial, tuple[int, int]] = field(default_factory=dict)
    by_class: list[list[Monomial]] = field(default_factory=list)


def needed(source: Source) -> dict[str, list[tuple[Monomial, np.ndarray]]]:
    """Monomials with their coefficients in energy (1), stress (6) and tangent (21), the constant ones apart."""
    found: dict[str, list[tuple[Monomial, np.ndarray]]] = {"energy": [], "stress": [], "tangent": []}
    for degree, row in source.program.polynomial.items():
        derivatives = (("energy", row[None], 0), ("stress", text.gradient(row, degree), 1))
        for name, rows, lower in (*derivatives, *([("tangent", text.hessian(row, degree), 2)] if degree > 1 else [])):
            for exponent, column in zip(exponents(degree - lower), rows.T, strict=True):
                if degree > lower and np.any(column):
                    found[name].append((tuple(int(e) for e in exponent), column))
    return found


def parent(monomial: Monomial) -> tuple[Monomial, int]:
    """The monomial that gives this one when multiplied by a variable, and the variable."""
    variable = next(i for i, e in enumerate(monomial) if e)
    return tuple(e - (i == variable) for i, e in enumerate(monomial)), variable


def arrange(source: Source, found: dict[str, list[tuple[Monomial, np.ndarray]]]) -> Monomials:
    """Place all monomials and those on the way to them."""
    wanted = {monomial for terms in found.values() for monomial, _ in terms}
    for monomial in list(wanted):
        while sum(monomial) > 1:
            monomial = parent(monomial)[0]
            wanted.add(monomial)
    result = Monomials(by_class=[[] for _ in range(source.fold)])
    for monomial in sorted(wanted, key=lambda m: (sum(m), m)):
        c = 0
        for variable, e in enumerate(monomial):
            c ^= source.classes[variable] if e % 2 else 0
        result.place[monomial] = (c, len(result.by_class[c]))
        result.by_class[c].append(monomial)
    return result


def source(source: Source) -> str:
    """All of it; without a polynomial, functions that add nothing."""
    found = needed(source)
    placed = arrange(source, found)
    degree = max(source.program.degree, 1)
    size = max((len(m) for m in placed.by_class), default=0) or 1
    parts = [
        f"enum {{ DEGREE = {degree}, MONOMIALS = {size} }};\n",
        constants(source),
        TIMES,
        recipe(placed),
        *(sum_tables(source, name, found[name], placed) for name in ("energy", "stress", "tangent")),
        padding(source, found, placed),
        BODY.format(calls=calls(source, found, placed), **counts(source, found, placed)),
    ]
    return "\n".join(parts)


def constants(source: Source) -> str:
    """Stress and tangent at zero strain."""
    polynomial = source.program.polynomial
    first = text.gradient(polynomial[1], 1)[:, 0] if 1 in polynomial else np.zeros(6)
    second = text.hessian(polynomial[2], 2)[:, 0] if 2 in polynomial else np.zeros(21)
    return text.table("STRESS_AT_ZERO", first[None]) + text.table("TANGENT_AT_ZERO", second[None])


def recipe(placed: Monomials, name: str = "monomials", size: str = "MONOMIALS") -> str:
    """The function that multiplies the monomials up, degree by degree."""
    lines = [f"static void {name}(const pack x[6], int degree, pack m[FOLD][{size}]) {{", "    (void)x, (void)m;"]
    last = 1
    for monomial, (c, k) in placed.place.items():
        degree = sum(monomial)
        if degree > last:
            lines.append(f"    if (degree < {degree}) return;")
            last = degree
        before, variable = parent(monomial)
        if degree == 1:
            lines.append(f"    m[{c}][{k}] = x[{variable}];")
        else:
            pc, pk = placed.place[before]
            lines.append(f"    m[{c}][{k}] = times(m[{pc}][{pk}], x[{variable}]);")
    lines += ["    (void)degree;", "}"]
    return "\n".join(lines) + "\n"


TIMES = """INLINE pack times(pack a, pack b) {
    FOR_VECTORS a.v[v] *= b.v[v];
    return a;
}

"""


def prefix(terms: list[tuple[Monomial, np.ndarray]], placed: Monomials, c: int) -> int:
    """How many monomials of a class the sum runs over: up to the last that has a coefficient."""
    return max((placed.place[m][1] + 1 for m, _ in terms if placed.place[m][0] == c), default=0)


def matrix(terms: list[tuple[Monomial, np.ndarray]], placed: Monomials, c: int, columns: list[int]) -> np.ndarray:
    """Coefficients of a class, one row for each monomial."""
    result = np.zeros((prefix(terms, placed, c), len(columns)))
    for monomial, column in terms:
        if placed.place[monomial][0] == c:
            result[placed.place[monomial][1]] = column[columns]
    return result


def counts(source: Source, found: dict[str, list[tuple[Monomial, np.ndarray]]], placed: Monomials) -> dict[str, int]:
    """The lengths of the sums of energy and stress; in the latter all classes run together."""
    stress = max(prefix(found["stress"], placed, c) for c in range(source.fold))
    return {"energy_count": prefix(found["energy"], placed, 0), "stress_count": stress}


def padding(source: Source, found: dict[str, list[tuple[Monomial, np.ndarray]]], placed: Monomials) -> str:
    """Zeros where the sum of the stress goes beyond the end of a shorter class (their weights are zero, but rubbish may be NaN)."""
    ends = [prefix(found["stress"], placed, c) for c in range(source.fold)]
    return zeros(ends, max(ends), "STRESS_PADDING")


def zeros(ends: list[int], count: int, name: str) -> str:
    """A macro that zeroes the rest of each class."""
    loop = "for (long k = {0}; k < {1}; k++) m[{2}][k] = (pack){{0}};"
    loops = " ".join(loop.format(end, count, c) for c, end in enumerate(ends) if end < count)
    return f"#define {name} {loops}\n"


def sum_tables(source: Source, name: str, terms: list[tuple[Monomial, np.ndarray]], placed: Monomials) -> str:
    """Tables of one quantity in the order in which its sums take them."""
    if name == "energy":
        return text.table("POLYNOMIAL_ENERGY", matrix(terms, placed, 0, [0]))
    if name == "stress":
        count = max(prefix(terms, placed, c) for c in range(source.fold))
        blocks = [matrix(terms, placed, c, entries) for c, entries in enumerate(source.stress_entries)]
        padded = [np.vstack([b, np.zeros((count - len(b), b.shape[1]))]) for b in blocks]
        return text.table("POLYNOMIAL_STRESS", np.hstack(padded))
    parts = text.tangent_parts(source)
    return "\n".join(text.table(f"POLYNOMIAL_TANGENT_{k}", matrix(terms, placed, c, part)) for k, (c, part) in enumerate(parts))


def calls(source: Source, found: dict[str, list[tuple[Monomial, np.ndarray]]], placed: Monomials) -> str:
    """The sums of the tangent."""
    lines = []
    for k, (c, _) in enumerate(text.tangent_parts(source)):
        count = prefix(found["tangent"], placed, c)
        if count:
            lines.append(f"        add_tangent_{k}(f, POLYNOMIAL_TANGENT_{k}[0], {count}, c);")
    return "\n".join(lines)


BODY = """
INLINE void polynomial(int want, const pack x[6], pack *psi, pack s[6], pack c[21]) {{
    pack m[FOLD][MONOMIALS];
    const pack *f[FOLD];
    const int degree = want & WANT_ENERGY ? DEGREE : want & WANT_STRESS ? DEGREE - 1 : DEGREE - 2;
    if (want & WANT_STRESS) {{ STRESS_PADDING }}
    if (degree > 0) monomials(x, degree, m);
    for (int k = 0; k < FOLD; k++) f[k] = m[k];
    if (want & WANT_ENERGY) {{
        *psi = broadcast(0.0);
        for (long k = 0; k < {energy_count}; k++) FOR_VECTORS psi->v[v] += POLYNOMIAL_ENERGY[k][0] * m[0][k].v[v];
    }}
    if (want & WANT_STRESS) {{
        for (int i = 0; i < 6; i++) s[i] = broadcast(STRESS_AT_ZERO[0][i]);
        if ({stress_count}) add_stress(f, POLYNOMIAL_STRESS[0], {stress_count}, s);
    }}
    if (want & WANT_TANGENT) {{
        for (int i = 0; i < 21; i++) c[i] = broadcast(TANGENT_AT_ZERO[0][i]);
{calls}
    }}
}}
"""
