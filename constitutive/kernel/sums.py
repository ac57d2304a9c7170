r"""C of the sums that add features to stress and tangent, with every accumulator in a register.

The polynomial and the layer of units end in the same sums: an entry of stress or tangent of class :math:`\chi` gathers features of
class :math:`\chi`. The features are monomials, or Hadamard transforms over the folded signs of :math:`\varphi'` and
:math:`\varphi''`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.kernel.classes import Classes


def source(classes: Classes) -> str:
    """The functions ``add_stress`` and ``add_tangent_k``, one for each part of the tangent."""
    stress = [(c, entries) for c, entries in enumerate(classes.stress)]
    lines = [sum_function("add_stress", stress)]
    lines += [sum_function(f"add_tangent_{k}", [part]) for k, part in enumerate(classes.tangent_parts)]
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


def stress_weights(classes: Classes, rows: Float[np.ndarray, "units c"]) -> Float[np.ndarray, "units c"]:
    """Columns in the order in which ``add_stress`` takes them."""
    return rows[:, [i for entries in classes.stress for i in entries]]
