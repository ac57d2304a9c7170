r"""C source of a program: tables of hexadecimal floats, sums with every accumulator in a register, and the fixed parts around them.

The polynomial and the layer of units end in the same sums: an entry of stress or tangent of class :math:`\chi` gathers features of
class :math:`\chi`. The features are monomials, or Hadamard transforms over the folded signs of :math:`\varphi'` and
:math:`\varphi''` (squareplus: with :math:`q = z^2 + 4`, :math:`\varphi' = \tfrac12(1 + z/\sqrt q)`,
:math:`\varphi'' = 2 q^{-3/2}`). Features of a block of units go to the first cache, then each sum runs through them with one
multiplication and addition for each entry.

Only hexadecimal floats and the name, cleaned to letters, digits, blanks and ``._+-``, come from the law.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.kernel.flatten import Program
from constitutive.tensors.polynomials import differentiate, exponents

if TYPE_CHECKING:
    from constitutive.kernel.spread import Spread

DECLARATION = """
typedef struct {
    long count;            /* points */
    const double *strain;  /* count rows of 6 or 9 */
    long strain_step;      /* from one row to the next */
    int strain_kind;       /* 6 E in Mandel components, 9 E, 10 F */
    const double *map;     /* 0, or 43 numbers: A (6 by 6, row by row), x0 (6), w */
    long map_step;         /* 0: one map for all points; 43: one for each */
    double unit;           /* without a map: stress, tangent and energy are multiplied by it */
    double *stress;        /* 0, or count rows */
    int stress_kind;       /* 6 S in Mandel components, 9 S, 10 P */
    double *tangent;       /* 0, or count rows */
    int tangent_kind;      /* 21 upper triangle of dS/dE in Mandel components, 36 all of it, 81 dP/dF */
    int single;            /* the units' part of the tangent in single precision */
    double *energy;        /* 0, or count numbers */
    double *distance;      /* 0, or count numbers: up to 1 inside the domain; 0 without a domain */
    double *uncertainty;   /* 0, or count numbers: norm of the standard deviation of the stress */
} batch;
"""
ENTRY = "constitutive_evaluate"
BLOCK = 16  # units whose features are kept in the first cache
WIDEST = 13  # sums at once: two vectors each and the operands fill 32 registers
KNOWN_GROUPS = frozenset(["-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m"])
UPPER = tuple((i, j) for i in range(6) for j in range(i, 6))


def printable(text: str) -> str:
    """A name as it may stand in a comment of C: letters, digits, blanks and ``._+-`` of it, 80 characters at most."""
    return re.sub(r"[^A-Za-z0-9 ._+-]", " ", text)[:80].strip() or "unnamed"


def hexadecimal(value: float) -> str:
    """A float as C reads it back without rounding.

    Raises
    ------
    MaterialError
        It is not finite.
    """
    if not np.isfinite(value):
        raise MaterialError(f"a parameter of the law is {value}; calibrate it again")
    return float(value).hex()


def table(name: str, array: Float[np.ndarray, "rows columns"], kind: str = "double") -> str:
    """A constant two-dimensional array."""
    for value in np.asarray(array)[~np.isfinite(array)]:
        hexadecimal(float(value))  # says what is wrong
    rows = ",\n    ".join("{" + ", ".join(map(float.hex, row)) + "}" for row in array.astype(float).tolist())
    return f"static const {kind} {name}[{max(len(array), 1)}][{array.shape[1]}] = {{\n    {rows or '{0}'}}};\n"


@dataclass(frozen=True)
class Source:
    """The C source of a program.

    Attributes
    ----------
    program : Program
        What it evaluates.
    name, group : str
        For the head comment.
    spread : Spread, optional
        The uncertainty of the stress.
    """

    program: Program
    name: str = "unnamed"
    group: str = ""
    spread: Spread | None = None

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """Class of each Mandel component: which of the folded signs change it."""
        generators = self.program.signs[[k for k in (1, 2) if k < len(self.program.signs)]]
        return tuple(int(sum((row[i] < 0) << k for k, row in enumerate(generators))) for i in range(6))

    @property
    def fold(self) -> int:
        """Signs, and so classes: 1, 2 or 4."""
        return len(self.program.signs)

    @cached_property
    def stress_entries(self) -> list[list[int]]:
        """Components of each class."""
        return [[i for i in range(6) if self.classes[i] == c] for c in range(self.fold)]

    @cached_property
    def tangent_entries(self) -> list[list[int]]:
        """Entries of the upper triangle of each class."""
        return [[k for k, (i, j) in enumerate(UPPER) if self.classes[i] ^ self.classes[j] == c] for c in range(self.fold)]

    @cached_property
    def digest(self) -> str:
        """Hash of what is evaluated: the same for the same law on every machine."""
        return hashlib.sha256(self.body.encode()).hexdigest()

    @cached_property
    def body(self) -> str:
        """The source after its head comment."""
        from constitutive.kernel import layer, polynomial, spread

        fixed = {name: (files("constitutive.kernel") / f"{name}.c").read_text() for name in ("lanes", "domain", "batch")}
        parts = [
            DECLARATION,
            fixed["lanes"],
            WANTS + f"enum {{ FOLD = {self.fold}, BLOCK = {BLOCK} }};\n",
            sums(self),
            polynomial.source(self),
            layer.source(self),
            spread.source(self),
            domain_constants(self.program),
            fixed["domain"],
            fixed["batch"],
            f"long {ENTRY}(const batch *b) {{ return evaluate(b); }}\n",
        ]
        return "\n".join(parts)

    @cached_property
    def text(self) -> str:
        """The whole source."""
        return head_comment(self) + self.body


WANTS = "enum { WANT_STRESS = 1, WANT_TANGENT = 2, WANT_ENERGY = 4, WANT_SINGLE = 8 };\n"


def head_comment(source: Source) -> str:
    """Name, group, hash and equation."""
    p = source.program
    terms = " ".join(f"{d}" for d in p.polynomial) or "none"
    group = source.group if source.group in KNOWN_GROUPS else "of its own"
    lines = [
        f"Law: {printable(source.name)}",
        f"Group: {group}",
        f"Hash: {source.digest}",
        "psi(x) = sum_alpha c_alpha x^alpha + sum_n a_n [phi(w_n.x + b_n) - phi(b_n) - phi'(b_n) w_n.x],",
        "phi(z) = (z + sqrt(z^2 + 4))/2; S = dpsi/dx, C = dS/dx in GPa.",
        "x: Green-Lagrange strain in Mandel components (xx yy zz r2.yz r2.xz r2.xy, r2 = sqrt 2).",
        f"Polynomial of degrees {terms}; {p.units} units, {source.fold} at once by twofold axes along the axes.",
        "Generated; edits are lost.",
    ]
    return "/* " + "\n * ".join(lines) + "\n */\n"


def domain_constants(p: Program) -> str:
    """The metric of the domain and its extension."""
    if p.domain is None:
        return "enum { HAS_DOMAIN = 0, EXTENDS = 0 };\n" + table("METRIC", np.zeros((6, 6))) + RADII.format(*["0.0"] * 3)
    kappa, reach = p.extension or (0.0, 0.0)
    head = f"enum {{ HAS_DOMAIN = 1, EXTENDS = {int(p.extension is not None)} }};\n"
    numbers = [hexadecimal(v) for v in (p.domain.radius, kappa, reach)]
    return head + table("METRIC", np.asarray(p.domain.metric)) + RADII.format(*numbers)


RADII = "static const double RADIUS = {}, KAPPA = {}, REACH = {};\nstatic const double EDGE = 1.0 + 1e-9;\n"


# ---- sums ------------------------------------------------------------------------------------------------------------


def tangent_parts(source: Source) -> list[tuple[int, list[int]]]:
    """Classes with the entries of the tangent that are summed at once."""
    parts = []
    for c, entries in enumerate(source.tangent_entries):
        count = -(-len(entries) // WIDEST)
        parts += [(c, list(part)) for part in np.array_split(entries, count)] if count else []
    return [(c, [int(k) for k in part]) for c, part in parts]


def sums(source: Source) -> str:
    """The functions that add features to stress and tangent."""
    stress = [(c, entries) for c, entries in enumerate(source.stress_entries)]
    lines = [sum_function("add_stress", stress)]
    lines += [sum_function(f"add_tangent_{k}", [part]) for k, part in enumerate(tangent_parts(source))]
    return "\n".join(lines)


def sum_function(name: str, groups: list[tuple[int, list[int]]]) -> str:
    """``out[i] += Σ_k w[k][i] f[class of i][k]`` with each out[i] in a register."""
    outputs = [(c, i) for c, entries in groups for i in entries]
    width = len(outputs)
    get = "".join(f"    vec s{n} = out[{i}].v[0]; SECOND(vec t{n} = out[{i}].v[1];)\n" for n, (_, i) in enumerate(outputs))
    features = "".join(f"        vec f{c} = f[{c}][k].v[0]; SECOND(vec g{c} = f[{c}][k].v[1];)\n" for c, _ in groups)
    steps = "".join(f"        s{n} += w[{n}] * f{c}; SECOND(t{n} += w[{n}] * g{c};)\n" for n, (c, _) in enumerate(outputs))
    put = "".join(f"    out[{i}].v[0] = s{n}; SECOND(out[{i}].v[1] = t{n};)\n" for n, (_, i) in enumerate(outputs))
    return (
        f"static void {name}(const pack *const *f, const double *w, long count, pack *out) {{\n{get}"
        f"    for (long k = 0; k < count; k++, w += {width}) {{\n{features}{steps}    }}\n{put}}}\n"
    )


def stress_weights(source: Source, rows: Float[np.ndarray, "units 6"]) -> Float[np.ndarray, "units 6"]:
    """Columns in the order in which ``add_stress`` takes them."""
    return rows[:, [i for entries in source.stress_entries for i in entries]]


def gradient(row: Float[np.ndarray, " terms"], degree: int) -> Float[np.ndarray, "6 lower"]:
    """Coefficients of the derivatives of a polynomial of one degree."""
    return differentiate(torch.from_numpy(np.ascontiguousarray(row)), degree).numpy()


def hessian(row: Float[np.ndarray, " terms"], degree: int) -> Float[np.ndarray, "21 lower"]:
    """Coefficients of the second derivatives, upper triangle."""
    full = differentiate(torch.from_numpy(gradient(row, degree)), degree - 1).numpy()
    return np.array([full[i, j] for i, j in UPPER])


def monomial_classes(source: Source, degree: int) -> np.ndarray:
    """Class of each monomial of one degree."""
    result = np.zeros(len(exponents(degree)), dtype=int)
    for variable, c in enumerate(source.classes):
        result ^= np.where(exponents(degree)[:, variable] % 2 == 1, c, 0)
    return result
