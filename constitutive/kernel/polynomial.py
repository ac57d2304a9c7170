"""C of the polynomial part: monomials by class, then sums over those that occur."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from constitutive.kernel.classes import Classes, upper
from constitutive.kernel.ctext import Tables, sized
from constitutive.kernel.flatten import Program
from constitutive.tensors.polynomials import differentiate, exponents

Monomial = tuple[int, ...]  # exponents
Terms = list[tuple[Monomial, np.ndarray]]  # monomials with their coefficients


def gradient(row: Float[np.ndarray, " terms"], degree: int, components: int = 6) -> Float[np.ndarray, "k lower"]:
    """Coefficients of the derivatives of a polynomial of one degree."""
    return differentiate(torch.from_numpy(np.ascontiguousarray(row)), degree, components).numpy()


def hessian(row: Float[np.ndarray, " terms"], degree: int, components: int = 6) -> Float[np.ndarray, "m lower"]:
    """Coefficients of the second derivatives, upper triangle."""
    full = differentiate(torch.from_numpy(gradient(row, degree, components)), degree - 1, components).numpy()
    return np.array([full[i, j] for i, j in upper(components)])


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


def needed(polynomial: dict[int, Float[np.ndarray, " terms"]], components: int = 6) -> dict[str, Terms]:
    """Monomials with their coefficients in energy, stress and tangent, the constant ones apart."""
    found: dict[str, Terms] = {"energy": [], "stress": [], "tangent": []}
    for degree, row in polynomial.items():
        derivatives = (("energy", row[None], 0), ("stress", gradient(row, degree, components), 1))
        for name, rows, lower in (*derivatives, *([("tangent", hessian(row, degree, components), 2)] if degree > 1 else [])):
            for exponent, column in zip(exponents(degree - lower, components), rows.T, strict=True):
                if degree > lower and np.any(column):
                    found[name].append((tuple(int(e) for e in exponent), column))
    return found


def parent(monomial: Monomial) -> tuple[Monomial, int]:
    """The monomial that gives this one when multiplied by a variable, and the variable."""
    variable = next(i for i, e in enumerate(monomial) if e)
    return tuple(e - (i == variable) for i, e in enumerate(monomial)), variable


def arrange(classes: Classes, found: dict[str, Terms]) -> Monomials:
    """Place all monomials and those on the way to them."""
    wanted = {monomial for terms in found.values() for monomial, _ in terms}
    for monomial in list(wanted):
        while sum(monomial) > 1:
            monomial = parent(monomial)[0]
            wanted.add(monomial)
    result = Monomials(by_class=[[] for _ in range(classes.fold)])
    for monomial in sorted(wanted, key=lambda m: (sum(m), m)):
        c = 0
        for variable, e in enumerate(monomial):
            c ^= classes.of[variable] if e % 2 else 0
        result.place[monomial] = (c, len(result.by_class[c]))
        result.by_class[c].append(monomial)
    return result


def source(program: Program, classes: Classes, tables: Tables) -> str:
    """The function ``polynomial`` and what it needs; its tables are added to the others. Without a polynomial it adds nothing."""
    components = len(classes.of)
    found = needed(program.polynomial, components)
    placed = arrange(classes, found)
    size = max((len(m) for m in placed.by_class), default=0) or 1
    add_constants(program.polynomial, tables, components)
    for name, terms in found.items():
        add_table(tables, classes, name, terms, placed)
    ends = [prefix(found["stress"], placed, c) for c in range(classes.fold)]
    body = sized(BODY, components).format(
        calls=calls(classes, found["tangent"], placed), energy_count=prefix(found["energy"], placed, 0), stress_count=max(ends)
    )
    return "\n".join(
        [
            f"enum {{ DEGREE = {max(program.degree, 1)}, MONOMIALS = {size} }};\n",
            TIMES,
            recipe(placed, components=components),
            zeros(ends, max(ends), "STRESS_PADDING"),
            body,
        ]
    )


def add_constants(polynomial: dict[int, Float[np.ndarray, " terms"]], tables: Tables, components: int = 6) -> None:
    """Tables of stress and tangent at zero strain."""
    first = gradient(polynomial[1], 1, components)[:, 0] if 1 in polynomial else np.zeros(components)
    second = hessian(polynomial[2], 2, components)[:, 0] if 2 in polynomial else np.zeros(len(upper(components)))
    tables.add("STRESS_AT_ZERO", first[None])
    tables.add("TANGENT_AT_ZERO", second[None])


def recipe(placed: Monomials, name: str = "monomials", size: str = "MONOMIALS", components: int = 6) -> str:
    """The function that multiplies the monomials up, degree by degree."""
    lines = [f"static void {name}(const pack x[{components}], int degree, pack m[FOLD][{size}]) {{", "    (void)x, (void)m;"]
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


def prefix(terms: Terms, placed: Monomials, c: int) -> int:
    """How many monomials of a class the sum runs over: up to the last that has a coefficient."""
    return max((placed.place[m][1] + 1 for m, _ in terms if placed.place[m][0] == c), default=0)


def matrix(terms: Terms, placed: Monomials, c: int, columns: list[int]) -> np.ndarray:
    """Coefficients of a class, one row for each monomial."""
    result = np.zeros((prefix(terms, placed, c), len(columns)))
    for monomial, column in terms:
        if placed.place[monomial][0] == c:
            result[placed.place[monomial][1]] = column[columns]
    return result


def zeros(ends: list[int], count: int, name: str) -> str:
    """A macro that zeroes the rest of each class, where a common sum goes beyond its end.

    The weights there are zero, but what the memory holds may be NaN.
    """
    loop = "for (long k = {0}; k < {1}; k++) m[{2}][k] = (pack){{0}};"
    loops = " ".join(loop.format(end, count, c) for c, end in enumerate(ends) if end < count)
    return f"#define {name} {loops}\n"


def add_table(tables: Tables, classes: Classes, name: str, terms: Terms, placed: Monomials) -> None:
    """Tables of one quantity in the order in which its sums take them."""
    if name == "energy":
        tables.add("POLYNOMIAL_ENERGY", matrix(terms, placed, 0, [0]))
    elif name == "stress":
        tables.add("POLYNOMIAL_STRESS", stress_matrix(terms, placed, classes))
    else:
        for k, (c, part) in enumerate(classes.tangent_parts):
            tables.add(f"POLYNOMIAL_TANGENT_{k}", matrix(terms, placed, c, part))


def stress_matrix(terms: Terms, placed: Monomials, classes: Classes) -> np.ndarray:
    """Coefficients of the stress; in its sum all classes run together, shorter ones with zeros at their ends."""
    count = max(prefix(terms, placed, c) for c in range(classes.fold))
    blocks = [matrix(terms, placed, c, entries) for c, entries in enumerate(classes.stress)]
    return np.hstack([np.vstack([b, np.zeros((count - len(b), b.shape[1]))]) for b in blocks])


def calls(classes: Classes, terms: Terms, placed: Monomials) -> str:
    """The sums of the tangent."""
    lines = []
    for k, (c, _) in enumerate(classes.tangent_parts):
        count = prefix(terms, placed, c)
        if count:
            lines.append(f"        add_tangent_{k}(f, POLYNOMIAL_TANGENT_{k}[0], {count}, c);")
    return "\n".join(lines)


BODY = """
INLINE void polynomial(const double *numbers, int want, const pack x[6], pack *psi, pack s[6], pack c[21]) {{
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
