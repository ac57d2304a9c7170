"""Piezoelectric and dielectric constants, and the longitudinal response by direction in both hands."""

from __future__ import annotations

import numpy as np

from constitutive.elasticity import CoupledConstants, coupled_constants, half_sphere, longitudinal_coupling, longitudinal_piezoelectric
from constitutive.plots import interactive
from constitutive.plots.numbers import MINUS
from constitutive.report.known import Known, Section
from constitutive.report.markup import Content, Markup, figure, table, tag

MIRROR = np.diag([-1.0, 1.0, 1.0])
NOTHING = 1e-9  # of the largest, below which a constant is zero by symmetry
DIRECTIONS = 20_000


def piezoelectricity(known: Known) -> Section | None:
    """Constants of a law of a field or a polarisation; nothing for other laws, and no surfaces where d vanishes."""
    law = known.material.coupled
    if law is None:
        return None
    temperature = known.material.card.get("reference_temperature_K")
    own = coupled_constants(law, reference_temperature=None if temperature is None else float(temperature))
    if own.d is None or own.e is None:
        return None
    frame = "In the Cartesian axes of the data, columns in the order xx yy zz yz xz xy, at zero field."
    content: list[Content] = [tag("p", frame), *_tables(own)]
    if np.abs(own.d).max() < 1e-6:
        return Section("piezoelectric", "Piezoelectricity", [*content, tag("p", "The group allows no piezoelectricity.")])
    chiral = bool((np.linalg.det(np.asarray(known.material.point_group.operations)) > 0).all())
    crystals = {"this crystal" if chiral else "": own}
    if chiral:
        crystals["its mirror image (x to −x)"] = coupled_constants(law.rotated(MIRROR))
    hands = (
        "The crystal has two hands. In the same axes its mirror image has the mirrored surface: a field that stretches one along a twofold "
        "axis shrinks the other. Elasticity does not tell them apart."
        if chiral
        else "The group has improper operations, so that the mirror image is the same crystal turned."
    )
    content.append(tag("p", hands))
    captions = {
        "piezoelectric": "d(n), strain along n for a field along n: the distance from the origin is its size, the colour its sign.",
        "coupling": "k(n), longitudinal coupling factor: k² is the share of the work on a rod along n that becomes electric.",
    }
    for quantity, caption in captions.items():
        picture = interactive.response_surface(crystals, quantity)  # type: ignore[arg-type]  # the two names above
        content.append(figure(f"surface-{quantity}", picture, f"{caption} {_largest(own, quantity)}"))
    return Section("piezoelectric", "Piezoelectricity", content)


def _largest(constants: CoupledConstants, quantity: str) -> str:
    n = half_sphere(DIRECTIONS)
    of = longitudinal_piezoelectric if quantity == "piezoelectric" else longitudinal_coupling
    value = np.abs(of(constants, n))
    k = int(value.argmax())
    unit = " pm/V" if quantity == "piezoelectric" else ""
    return f"Largest: {value[k]:.4g}{unit} along ({', '.join(f'{c:.3f}' for c in np.round(n[k], 3) + 0.0)}).".replace("-", MINUS)


def _tables(own: CoupledConstants) -> list[Markup]:
    parts = [("e (C/m²)", own.e), ("d (pm/V)", own.d), ("g (V m/N)", own.g), ("h (GV/m)", own.h)]
    parts += [("ε, constant strain (ε₀)", own.permittivity_constant_strain), ("ε, constant stress (ε₀)", own.permittivity_constant_stress)]
    blocks = []
    for name, matrix in parts:
        if matrix is None:
            continue
        small = NOTHING * float(np.abs(matrix).max())
        cells = [[("0" if abs(v) <= small else f"{v:.4g}").replace("-", MINUS) for v in row] for row in np.asarray(matrix)]
        head = [name, *(("xx", "yy", "zz", "yz", "xz", "xy") if len(cells[0]) == 6 else "xyz")]
        blocks.append(table(head, [[axis, *row] for axis, row in zip("xyz", cells, strict=True)], numbers=1))
    return [tag("div", *blocks[k : k + 2], class_="pair") for k in range(0, len(blocks), 2)]
