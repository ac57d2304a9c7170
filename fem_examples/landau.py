"""Landau energies with wells, as polynomials: a martensite of the strain alone, and a ferroelectric of strain and polarisation.

They are simple forms with few coefficients and of no particular crystal; `materials/batio3` is an energy learned from data.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from constitutive.laws import SeriesLaw
from constitutive.laws.coupled import CoupledSeriesLaw
from constitutive.symmetry import PointGroup
from constitutive.tensors.polynomials import exponents

CUBIC = PointGroup.from_symbol("m-3m")


class Polynomial(Counter):
    """Coefficients by exponents."""

    def __mul__(self, other):
        result = Polynomial()
        for (a, x), (b, y) in itertools.product(self.items(), other.items()):
            result[tuple(i + j for i, j in zip(a, b, strict=True))] += x * y
        return result

    def times(self, factor):
        return Polynomial({e: factor * v for e, v in self.items()})

    def plus(self, *others):
        result = Polynomial(self)
        for other in others:
            for e, v in other.items():
                result[e] += v
        return result

    def rows(self, size):
        degrees = sorted({sum(e) for e in self})
        return {d: np.array([self.get(tuple(int(i) for i in e), 0.0) for e in exponents(d, size)]) for d in degrees}


def linear(*c):
    return Polynomial({tuple(int(i == k) for i in range(len(c))): v for k, v in enumerate(c) if v})


def martensite(A, B=-150.0, C=3e3):
    """K/2 tr² + μ (shears) + A (e₂² + e₃²) + B e₃ (e₃² − 3 e₂²) + C (e₂² + e₃²)² (Ericksen's form), GPa."""
    trace, e2, e3 = linear(1, 1, 1, 0, 0, 0), linear(2**-0.5, -(2**-0.5), 0, 0, 0, 0), linear(*[-(6**-0.5)] * 2, 2 * 6**-0.5, 0, 0, 0)
    shears = [linear(*np.eye(6)[k]) for k in (3, 4, 5)]
    q = (e2 * e2).plus(e3 * e3)
    total = (trace * trace).times(50.0).plus(*[(s * s).times(30.0) for s in shears], q.times(A), (q * q).times(C))
    total = total.plus((e3 * (e3 * e3).plus((e2 * e2).times(-3.0))).times(B))
    return SeriesLaw(total.rows(6), CUBIC.laue_rotations)


def ferroelectric(b=1.0, a=0.5, d=1.5, q=3.0, C11=200.0):
    """½ C11 ΣE_ii² + 50 ΣE_ij² − q Σ E_ii P_i² − a P² + b Σ P_i⁴ + d P⁴."""
    E = [linear(*np.eye(9)[k]) for k in range(6)]
    P2 = [linear(*np.eye(9)[k]) * linear(*np.eye(9)[k]) for k in (6, 7, 8)]
    P = P2[0].plus(*P2[1:])
    total = P.times(-a).plus((P * P).times(d), *[(p * p).times(b) for p in P2], *[(e * e).times(C11 / 2) for e in E[:3]])
    total = total.plus(*[(e * e).times(50.0) for e in E[3:]], *[(e * p).times(-q) for e, p in zip(E[:3], P2, strict=True)])
    return CoupledSeriesLaw(total.rows(9), ("strain", "polarization"), CUBIC)
