"""Wells and saddles against energies that can be solved by hand: a cubic-to-tetragonal martensite, and a ferroelectric."""

import itertools
import warnings
from collections import Counter

import numpy as np
import pytest
import torch

from constitutive import Material, StressStrainData, shipped
from constitutive.calibration import evaluate
from constitutive.errors import MaterialError
from constitutive.laws import SeriesLaw
from constitutive.laws.coupled import CoupledSeriesLaw
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import stiffness_mandel_to_voigt
from constitutive.tensors.polynomials import exponents
from constitutive.units import VACUUM_PERMITTIVITY
from constitutive.variants import SymmetricStartWarning, find_wells, relax, walls

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


def roots(A, B=-150.0, C=3e3):
    """Stationary values of e₃ along the tetragonal line, by hand."""
    return [(-3 * B + sign * np.sqrt(9 * B**2 - 32 * A * C)) / (8 * C) for sign in (1, -1)]


def test_a_martensite_below_its_transition():
    found = find_wells(martensite(-2.0), CUBIC, starts=12)
    assert [(w.kind, w.subgroup.symbol, w.count, w.negative_modes) for w in found.states] == [
        ("minimum", "4/mmm", 3, 0), ("saddle", "4/mmm", 3, 1), ("saddle", "m-3m", 1, 2),
    ]  # fmt: skip
    for well, e3 in zip(found.states, roots(-2.0), strict=False):
        axial = np.sort(np.diag(well.strain))
        assert max(np.abs(axial)) == pytest.approx(2 * abs(e3) / 6**0.5, rel=1e-9)
        assert well.energy == pytest.approx(-2.0 * e3**2 - 150 * e3**3 + 3e3 * e3**4, rel=1e-9)
        assert abs(np.trace(well.strain)) < 1e-12
    assert "stays there" in found.sentence
    assert "perturb=" in found.sentence


def test_a_martensite_above_its_transition_has_two_kinds_of_wells():
    found = find_wells(martensite(2.0 / 3), CUBIC, starts=12)
    assert {(w.subgroup.symbol, w.count) for w in found.minima} == {("m-3m", 1), ("4/mmm", 3)}
    assert {(w.subgroup.symbol, w.negative_modes) for w in found.saddles} == {("4/mmm", 1)}
    assert "stays there" not in found.sentence
    single = find_wells(martensite(20.0), CUBIC, starts=12)  # control: far above, one well
    assert [(w.kind, w.count) for w in single.states] == [("minimum", 1)]


def ferroelectric(b=1.0, a=0.5, d=1.5, q=3.0, C11=200.0):
    """½ C11 ΣE_ii² + 50 ΣE_ij² − q Σ E_ii P_i² − a P² + b Σ P_i⁴ + d P⁴."""
    E = [linear(*np.eye(9)[k]) for k in range(6)]
    P2 = [linear(*np.eye(9)[k]) * linear(*np.eye(9)[k]) for k in (6, 7, 8)]
    P = P2[0].plus(*P2[1:])
    total = P.times(-a).plus((P * P).times(d), *[(p * p).times(b) for p in P2], *[(e * e).times(C11 / 2) for e in E[:3]])
    total = total.plus(*[(e * e).times(50.0) for e in E[3:]], *[(e * p).times(-q) for e, p in zip(E[:3], P2, strict=True)])
    return CoupledSeriesLaw(total.rows(9), ("strain", "polarization"), CUBIC)


@pytest.fixture(scope="module")
def rhombohedral():
    law = ferroelectric()
    return law, find_wells(law, CUBIC, starts=20)


def test_a_ferroelectric_has_eight_wells_in_one_orbit(rhombohedral):
    _, found = rhombohedral
    b = 1.0 - 3.0**2 / (2 * 200.0)  # once the strain has followed
    expected = {"3m": (8, 0, 3), "mm2": (12, 1, 2), "4mm": (6, 2, 1), "m-3m": (1, 3, 0)}
    assert [w.subgroup.symbol for w in found.states] == list(expected)  # 3m lowest, as in BaTiO3 at zero temperature
    for well in found.states:
        count, negative, n = expected[well.subgroup.symbol]
        assert (well.count, well.negative_modes) == (count, negative)
        assert well.count == CUBIC.order // well.subgroup.order
        if n:
            P2 = 0.5 / (2 * (1.5 * n + b))  # a / 2(d n + b) for n equal components
            assert np.linalg.norm(well.polarization) == pytest.approx(np.sqrt(n * P2), rel=1e-9)
            assert np.diag(well.strain).max() == pytest.approx(3.0 * P2 / 200.0, rel=1e-9)
            assert well.energy == pytest.approx(-(0.5**2) * n / (4 * (1.5 * n + b)), rel=1e-9)
    assert len(found.minima) == 1
    table = walls(found.minima[0].variants())
    assert {(r["angle"], r["plane"]) for r in table.rows() if r["charge"] == "neutral"} <= {(71, "{110}"), (109, "{100}")}


def test_a_symmetric_start_stays_symmetric_and_says_so(rhombohedral):
    law, _ = rhombohedral
    along = {"polarization": np.array([0, 0, 0.1])}
    with pytest.warns(SymmetricStartWarning, match="symmetry 4mm, .* on a saddle of 4mm with 2 directions"):
        stuck = relax(law, CUBIC, along)
    assert np.abs(stuck.polarization[:2]).max() < 1e-12
    with pytest.warns(SymmetricStartWarning, match="symmetry m-3m"):
        assert relax(law, CUBIC, {}).count == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = relax(law, CUBIC, along, perturb={"polarization": np.array([0.01, -0.02, 0])})
        assert chosen.subgroup.symbol == "3m"
        assert (np.sign(chosen.polarization) == [1, -1, 1]).all()  # the well is the user's choice
        assert relax(law, CUBIC, {}, perturb=0.01, seed=3).kind == "minimum"


def test_of_a_material():
    silicon = Material.from_constants("m-3m", {"C11": 165.7, "C12": 63.9, "C44": 79.6})
    found = silicon.wells(starts=4)
    assert [(w.kind, w.count) for w in found.states] == [("minimum", 1)]
    assert abs(found.states[0].energy) < 1e-30
    assert silicon.relax({"strain": np.diag([0.02, 0.01, 0])}).count == 1
    coupled = Material.from_coupled_law(ferroelectric(), "m-3m")
    assert coupled.wells(starts=6, sizes={"polarization": 0.6}).minima[0].subgroup.symbol == "3m"
    assert coupled.relax({"polarization": np.array([0.1, 0.2, 0.3])}).count == 8
    assert "saddle" in found._repr_html_() or "minimum" in found._repr_html_()
    assert found.as_dict()["states"][0]["variants"] == 1


def test_stationary_to_rounding(rhombohedral):
    law, found = rhombohedral
    for well in found.states:
        assert float(law.gradient(torch.from_numpy(well.point)[None]).abs().max()) < 1e-8
    assert found.given_up < 30


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"starts": 0}, "starts=0"),
        ({"sizes": {"strain": 0.0}}, "size 0.0 of strain"),
        ({"sizes": {"strain": float("nan")}}, "positive number"),
        ({"sizes": {"field": 1.0}}, "sizes of field"),
    ],
)
def test_what_cannot_be_meant_is_named(options, words):
    with pytest.raises(MaterialError, match=words):
        find_wells(martensite(2.0), CUBIC, **options)
    law = martensite(2.0)
    for start, perturb, text in (
        ({"polarization": np.zeros(3)}, None, "'polarization' found"),
        ({"strain": np.zeros(6)}, None, r"shape \(3, 3\)"),
        ({"strain": np.eye(3)[[1, 2, 0]]}, None, "symmetric strain"),
        ({}, float("nan"), "perturb=nan"),
        ({}, -0.1, "perturb=-0.1"),
    ):
        with pytest.raises(MaterialError, match=text):
            relax(law, CUBIC, start, perturb=perturb)


# Of the shell model itself: path integrals of its forces (meV a cell), and 3m: C (GPa), e (C/m²), permittivity, by finite differences.
DEPTHS = {"3m": -55.0, "mm2": -52.0, "4mm": -42.0}
COUNTS = {"3m": 8, "mm2": 12, "4mm": 6, "m-3m": 1}
CONSTANTS = {"C11": 223.0, "e11": 3.957, "e14": -0.337, "permittivity": 14.72}


def test_the_wells_of_barium_titanate_learned_from_200_states():
    material = Material.load("batio3")
    assert material.card["data"]["samples"] == 200
    assert material.coupled.orbit_units() <= 768
    errors = evaluate(material, StressStrainData.load(shipped("batio3") / "unseen.json")).as_dict()
    assert errors["second_piola_relative_error"] <= 0.0076 / 2
    assert errors["electric_field_relative_error"] <= 0.0166 / 2
    found = material.wells(starts=20)
    assert {w.subgroup.symbol: w.count for w in found.states} == COUNTS
    assert [w.subgroup.symbol for w in found.minima] == ["3m"]  # eight minima, one orbit
    cell = abs(np.linalg.det(material.structure.lattice.matrix)) / 160.2176634 * 1e3  # meV over GPa
    for well in found.states[:3]:
        assert well.energy * cell == pytest.approx(DEPTHS[well.subgroup.symbol], rel=0.03)
    (well,) = found.minima
    assert np.linalg.norm(well.polarization) == pytest.approx(0.2719, rel=0.01)
    assert sorted(set(np.abs(well.strain).round(5).ravel())) == pytest.approx([0.00217, 0.00699], rel=0.02)
    C, e, permittivity = constants_at(material.coupled, well.point, np.sign(well.polarization))
    found_constants = {"C11": C[0, 0], "e11": e[0, 0], "e14": e[0, 3], "permittivity": permittivity[0, 0]}
    for name, value in CONSTANTS.items():
        assert found_constants[name] == pytest.approx(value, rel=0.055 if name == "e14" else 0.035), name


def constants_at(law, point, signs):
    """C at constant field, e and relative permittivity of a state of ψ(E, P), in the axes in which all components of P are positive."""
    H = law.hessian(torch.from_numpy(point)[None])[0].numpy()
    Q = np.diag([*(signs[[0, 1, 2, 1, 0, 0]] * signs[[0, 1, 2, 2, 2, 1]]), *signs])
    H = Q @ H @ Q
    chi = np.linalg.inv(H[6:, 6:])
    e = -chi @ H[6:, :6]
    C = H[:6, :6] - H[:6, 6:] @ chi @ H[6:, :6]
    e[:, 3:] /= np.sqrt(2)  # Mandel to Voigt
    return np.asarray(stiffness_mandel_to_voigt(C)), e, np.eye(3) + chi / VACUUM_PERMITTIVITY
