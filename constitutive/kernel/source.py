r"""C source of a program: functions made for its shape, tables of its numbers, and the fixed parts around them.

Every quantity is a sum over features, monomials and activations of units (squareplus: with :math:`q = z^2 + 4`,
:math:`\varphi' = \tfrac12(1 + z/\sqrt q)`, :math:`\varphi'' = 2 q^{-3/2}`). Features of a block of units go to the first cache, then
each sum runs through them with one multiplication and addition for each entry.

What is compiled depends on the shape of the law alone (group, degrees, number of units, domain or none): its numbers are passed in.
So the thousand laws of an identification share one compiled module.

Only hexadecimal floats and the name, cleaned to letters, digits, blanks and ``._+-``, come from the law.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
from jaxtyping import Float

from constitutive.kernel import layer, polynomial, sums, uncertainty
from constitutive.kernel.classes import Classes
from constitutive.kernel.ctext import Tables, printable
from constitutive.kernel.flatten import Program
from constitutive.kernel.uncertainty import FlatUncertainty
from constitutive.laws.bounded import EDGE

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
    const double *numbers; /* the law's tables, where the source does not hold them */
    double *uncertainty;   /* 0, or count numbers: norm of the standard deviation of the stress */
} batch;
"""
ENTRY = "constitutive_evaluate"
KNOWN_GROUPS = frozenset(["-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m"])
WANTS = """
enum { WANT_STRESS = 1, WANT_TANGENT = 2, WANT_ENERGY = 4, WANT_SINGLE = 8 };

/* A block of points: rows read, strains in the crystal's axes, strains at which the law is evaluated, and where they lie in the domain. */
typedef struct {
    pack in[9], own[43], at[6], inside[6], normal[6], distance;
    const pack *map; /* the orientation of all points, or that of each in `own` */
    long first, count;
    int outside;
} block;
"""
EDGE_DECLARATION = f"static const double EDGE = {EDGE!r};\n"  # distance from which a strain counts as outside


@dataclass(frozen=True)
class Source:
    """The C source of a program.

    Attributes
    ----------
    program : Program
        What it evaluates.
    name, group : str
        For the head comment.
    uncertainty : FlatUncertainty, optional
        The uncertainty of the stress.
    portable : bool
        Plain C99 for one point at a time, instead of vectors of points.
    """

    program: Program
    name: str = "unnamed"
    group: str = ""
    uncertainty: FlatUncertainty | None = None
    portable: bool = False

    @cached_property
    def _parts(self) -> tuple[str, Tables]:
        """The functions made for this shape of law, and its tables."""
        classes, tables = Classes.of_signs(self.program.signs), Tables()
        functions = [
            sums.source(classes),
            polynomial.source(self.program, classes, tables),
            layer.source(self.program, classes, tables, portable=self.portable),
            uncertainty.source(self.uncertainty, classes, tables),
            _domain(self.program, tables),
        ]
        return "\n".join([f"enum {{ FOLD = {classes.fold} }};", *functions]), tables

    def _assembled(self, tables: str) -> str:
        lanes = "scalar" if self.portable else "lanes"
        fixed = {name: (files("constitutive.kernel") / f"{name}.c").read_text() for name in (lanes, "domain", "batch")}
        functions = self._parts[0]
        entry = "" if self.portable else f"long {ENTRY}(const batch *b) {{ return evaluate(b); }}\n"
        return "\n".join([DECLARATION, fixed[lanes], WANTS, tables, functions, fixed["domain"], fixed["batch"], entry])

    @cached_property
    def shape(self) -> str:
        """The source that takes :attr:`numbers` from its caller: the same for all laws of one shape. This is what is compiled."""
        return self._assembled(self._parts[1].references)

    @cached_property
    def numbers(self) -> Float[np.ndarray, " n"]:
        """What the compiled shape needs of this law."""
        return self._parts[1].numbers

    @cached_property
    def digest(self) -> str:
        """Hash of what is evaluated: the same for the same law on every machine."""
        return hashlib.sha256(self.shape.encode() + self.numbers.astype("<f8").tobytes()).hexdigest()

    @cached_property
    def text(self) -> str:
        """The whole source with the numbers in it, to be read or compiled elsewhere."""
        return head_comment(self) + self._assembled(self._parts[1].constants)


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
        f"Polynomial of degrees {terms}; {p.units} units, {len(p.signs)} at once by twofold axes along the axes.",
        "Generated; edits are lost.",
    ]
    return "/* " + "\n * ".join(lines) + "\n */\n"


def _domain(p: Program, tables: Tables) -> str:
    """The metric of the domain and its extension (radius in strain, κ in GPa, L in strain)."""
    tables.add("METRIC", np.zeros((6, 6)) if p.domain is None else np.asarray(p.domain.metric))
    radius = 0.0 if p.domain is None else p.domain.radius
    tables.add("DOMAIN_NUMBERS", np.array([[radius, *(p.extension or (0.0, 0.0))]]))
    names = "".join(f"#define {name} (DOMAIN_NUMBERS[0][{k}])\n" for k, name in enumerate(("RADIUS", "KAPPA", "REACH")))
    extends = p.domain is not None and p.extension is not None
    return f"enum {{ HAS_DOMAIN = {int(p.domain is not None)}, EXTENDS = {int(extends)} }};\n" + names + EDGE_DECLARATION
