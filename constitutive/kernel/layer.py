r"""C of the layer of units: preactivations and activations of a block of units, then sums over it.

For one row of the table that stands for 2ᵏ units, the partial sums :math:`u_\chi = \sum_{i\in\chi} w_i x_i` (b in the first) give
the preactivations as their Hadamard transform, and with the :math:`\chi`-components of the transformed activations

.. math::
    S_i \mathrel{+}= \tfrac12 a\, w_i\, \widehat{(z q^{-1/2} - b\, q_b^{-1/2})}_{\chi(i)}, \qquad
    C_{ij} \mathrel{+}= 2 a\, w_i w_j\, \widehat{q^{-3/2}}_{\chi(i)\chi(j)}, \qquad
    \psi \mathrel{+}= \tfrac12 a \sum \left(\sqrt q - b\,q_b^{-1/2} z - 4 q_b^{-1/2}\right)

where the last is :math:`a(\varphi(z) - \varphi(b) - \varphi'(b)(z - b))` written out.
"""

from __future__ import annotations

import numpy as np

from constitutive.kernel import sums
from constitutive.kernel.classes import Classes, upper
from constitutive.kernel.ctext import Tables, sized
from constitutive.kernel.flatten import Program

BLOCK = 16  # units whose features are kept in the first cache

NOTHING = """
INLINE void layer(const double *numbers, int want, const pack x[6], pack *psi, pack s[6], pack c[21]) {
    (void)numbers, (void)want, (void)x, (void)psi, (void)s, (void)c;
}
"""
NOTHING_SINGLE = (
    "INLINE void layer_tangent_single(const double *numbers, const block *blocks, pack c[GROUP][21]) {\n"
    "    (void)numbers, (void)blocks;\n"
    "    memset(c, 0, GROUP * 21 * sizeof(pack));\n"
    "}\n"
)


def doubles(program: Program, classes: Classes, tables: Tables) -> str:
    """The function ``layer`` alone, for any number of components; its tables are added to the others."""
    text = sized(FEATURES, len(classes.of)).format(partial=partial_sums(classes, "u", "x[{0}].v[v]", "w"))
    shared = [f"enum {{ BLOCK = {BLOCK} }};\n", hadamard("hadamard", "vec", classes.fold), text]
    if not len(program.biases):
        return "\n".join([*shared, sized(NOTHING, len(classes.of))])
    add_tables(program, classes, tables, single=False)
    return "\n".join([*shared, f"enum {{ ROWS = {len(program.biases)} }};\n", _body(classes)])


def _body(classes: Classes) -> str:
    parts = range(len(classes.tangent_parts))
    return sized(BODY, len(classes.of)).format(sums="\n".join(f"            add_tangent_{k}(d, TANGENT_{k}[first], n, c);" for k in parts))


def source(program: Program, classes: Classes, tables: Tables, *, portable: bool = False) -> str:
    """The functions ``layer`` and ``layer_tangent_single``; their tables are added to the others. Without units they add nothing.

    ``portable`` leaves the tangent in single precision out, which needs vectors.
    """
    features = FEATURES.format(partial=partial_sums(classes, "u", "x[{0}].v[v]", "w"))
    shared = [f"enum {{ BLOCK = {BLOCK} }};\n", hadamard("hadamard", "vec", classes.fold), features]
    if not len(program.biases):
        return "\n".join([*shared, NOTHING, NOTHING_SINGLE])
    add_tables(program, classes, tables, single=not portable)
    parts = classes.tangent_parts
    rows, body = f"enum {{ ROWS = {len(program.biases)} }};\n", _body(classes)
    if portable:
        return "\n".join([*shared, rows, body, NOTHING_SINGLE])
    singles = [single_sum(k, part) for k, (_, part) in enumerate(parts)]
    return "\n".join([*shared, rows, hadamard("hadamard_single", "fvec", classes.fold), body, *singles, single(classes)])


def add_tables(program: Program, classes: Classes, tables: Tables, *, single: bool) -> None:
    """Tables of the weights of preactivations, stress and tangent; those in single precision where they are wanted."""
    p = program
    root = np.sqrt(p.biases**2 + 4)
    head = np.stack([p.biases, p.biases / root, 4 / root, p.amplitudes / 2], axis=1)
    tables.add("UNIT", np.hstack([head, p.weights]))
    tables.add("STRESS", sums.stress_weights(classes, p.amplitudes[:, None] / 2 * p.weights))
    products = np.stack([2 * p.amplitudes * p.weights[:, i] * p.weights[:, j] for i, j in upper(p.weights.shape[1])], axis=1)
    for k, (_, part) in enumerate(classes.tangent_parts):
        tables.add(f"TANGENT_{k}", products[:, part])
        if single:
            tables.add(f"TANGENT_SINGLE_{k}", products[:, part].astype(np.float32), "float")
    if single:
        tables.add("UNIT_SINGLE", np.hstack([p.biases[:, None], p.weights]).astype(np.float32), "float")


def hadamard(name: str, kind: str, fold: int) -> str:
    """The transform over the signs, in place; it is its own inverse but for a factor."""
    body = {
        1: "(void)u;",
        8: f"for (int h = 1; h < 8; h *= 2) for (int i = 0; i < 8; i++) if (!(i & h)) {{ {kind} p = u[i], q = u[i + h]; "
        "u[i] = p + q, u[i + h] = p - q; }",
        2: f"{kind} p = u[0] + u[1], q = u[0] - u[1]; u[0] = p, u[1] = q;",
        4: f"{kind} p = u[0] + u[2], m = u[0] - u[2], q = u[1] + u[3], r = u[1] - u[3]; "
        "u[0] = p + q, u[1] = p - q, u[2] = m + r, u[3] = m - r;",
    }[fold]
    return f"INLINE void {name}({kind} u[FOLD]) {{ {body} }}\n"


def partial_sums(classes: Classes, out: str, x: str, w: str) -> str:
    """Statements ``u[χ] = Σ_{i∈χ} w_i x_i``, with the bias in the first class."""
    lines = []
    for c, entries in enumerate(classes.stress):
        terms = " + ".join(f"{w}[{i}] * {x.format(i)}" for i in entries)
        lines.append(f"{out}[{c}] = {'b + ' if c == 0 else ''}{terms or '(vec){0}'};")
    return " ".join(lines)


FEATURES = """
/* Features of n units: e (energy), r (transformed φ'), d (transformed φ''). */
INLINE void features(int want, const pack x[6], const double (*unit)[10], long n, pack *e, pack r[FOLD][BLOCK],
                     pack d[FOLD][BLOCK]) {{
    for (long k = 0; k < n; k++) FOR_VECTORS {{
        const double *w = unit[k] + 4, b = unit[k][0];
        vec u[FOLD], first[FOLD], second[FOLD], root = {{0}};
        {partial}
        const vec u0 = u[0];
        hadamard(u);
        for (int i = 0; i < FOLD; i++) {{
            vec q = 4.0 + u[i] * u[i], y = inverse_root(q);
            if (want & WANT_ENERGY) root += q * y;
            first[i] = u[i] * y;
            second[i] = y * y * y;
        }}
        if (want & WANT_ENERGY) e->v[v] += unit[k][3] * (root - FOLD * (unit[k][1] * u0 + unit[k][2]));
        if (want & WANT_STRESS) {{
            hadamard(first);
            for (int i = 0; i < FOLD; i++) r[i][k].v[v] = i == 0 ? first[i] - FOLD * unit[k][1] : first[i];
        }}
        if (want & WANT_TANGENT) {{
            hadamard(second);
            for (int i = 0; i < FOLD; i++) d[i][k].v[v] = second[i];
        }}
    }}
}}
"""

BODY = """
INLINE void layer(const double *numbers, int want, const pack x[6], pack *psi, pack s[6], pack c[21]) {{
    pack stress_features[FOLD][BLOCK], tangent_features[FOLD][BLOCK];
    const pack *r[FOLD], *d[FOLD];
    for (int i = 0; i < FOLD; i++) r[i] = stress_features[i], d[i] = tangent_features[i];
    for (long first = 0; first < ROWS; first += BLOCK) {{
        const long n = ROWS - first < BLOCK ? ROWS - first : BLOCK;
        features(want, x, UNIT + first, n, psi, stress_features, tangent_features);
        if (want & WANT_STRESS) add_stress(r, STRESS[first], n, s);
        if (want & WANT_TANGENT) {{
{sums}
        }}
    }}
}}
"""


def single_sum(k: int, part: list[int]) -> str:
    """One of the sums of the tangent in single precision."""
    get = "".join(f"    fvec s{n} = out[{n}];\n" for n in range(len(part)))
    steps = "".join(f"        s{n} += w[{n}] * *f;\n" for n in range(len(part)))
    put = "".join(f"    out[{n}] = s{n};\n" for n in range(len(part)))
    return (
        f"static void add_tangent_single_{k}(const fvec *f, const float *w, long count, fvec *out) {{\n{get}"
        f"    for (long k = 0; k < count; k++, f++, w += {len(part)}) {{\n{steps}    }}\n{put}}}\n"
    )


def single(classes: Classes) -> str:
    """The tangent in single precision."""
    parts = classes.tangent_parts
    starts = np.cumsum([0] + [len(part) for _, part in parts])
    order = [entry for _, part in parts for entry in part]
    call = "        add_tangent_single_{k}(d[{c}], TANGENT_SINGLE_{k}[first], n, sum + {start});"
    sums = "\n".join(call.format(k=k, c=c, start=starts[k]) for k, (c, _) in enumerate(parts))
    place = "static const int SINGLE_PLACE[21] = {" + ", ".join(map(str, order)) + "};\n"
    return place + SINGLE.format(partial=partial_sums(classes, "u", "y[{0}]", "w"), sums=sums)


SINGLE = """
/* The units' part of the tangents of a group of blocks. */
static __attribute__((noinline)) void layer_tangent_single(const double *numbers, const block *blocks, pack c[GROUP][21]) {{
    fvec y[6], d[FOLD][BLOCK], sum[21];
    for (int i = 0; i < 6; i++)
        for (int p = 0; p < GROUP * POINTS; p++) y[i][p] = (float)get(&blocks[p / POINTS].inside[i], p % POINTS);
    for (int i = 0; i < 21; i++) sum[i] = 0.0f - (fvec){{0}};
    for (long first = 0; first < ROWS; first += BLOCK) {{
        const long n = ROWS - first < BLOCK ? ROWS - first : BLOCK;
        for (long k = 0; k < n; k++) {{
            const float *w = UNIT_SINGLE[first + k] + 1, b = UNIT_SINGLE[first + k][0];
            fvec u[FOLD];
            {partial}
            hadamard_single(u);
            for (int i = 0; i < FOLD; i++) {{
                fvec r = inverse_root_single(4.0f + u[i] * u[i]);
                u[i] = r * r * r;
            }}
            hadamard_single(u);
            for (int i = 0; i < FOLD; i++) d[i][k] = u[i];
        }}
{sums}
    }}
    for (int i = 0; i < 21; i++)
        for (int p = 0; p < GROUP * POINTS; p++) set(&c[p / POINTS][SINGLE_PLACE[i]], p % POINTS, (double)sum[i][p]);
}}
"""
