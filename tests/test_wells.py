"""Wells and saddles against energies that can be solved by hand: a cubic-to-tetragonal martensite, and a ferroelectric."""

import json
import warnings

import numpy as np
import pytest
import torch
from command_line import run
from landau import ferroelectric, martensite

from constitutive import Material, StressStrainData, shipped
from constitutive.calibration import calibrate_energy, evaluate
from constitutive.errors import CalibrationError, MaterialError
from constitutive.laws.coupled import STRAIN, CoupledSeriesLaw, Variable, coupled_law_from_state
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import stiffness_mandel_to_voigt
from constitutive.units import VACUUM_PERMITTIVITY
from constitutive.variants import SymmetricStartWarning, find_wells, relax, walls

CUBIC = PointGroup.from_symbol("m-3m")


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


def tilts() -> Variable:
    """The alternating tilts of the octahedra of a perovskite: they turn as an axial vector does."""
    signs = np.linalg.det(CUBIC.operations)[:, None, None]
    return Variable.of_matrices("tilt", CUBIC, signs * CUBIC.operations, conjugate="torque")


def test_an_order_parameter_given_as_matrices_is_learned_with_its_wells():
    """ψ(E, Q) of tilts from 60 states: the wells are those of the energy; an axial vector keeps 4/m where a polar one keeps 4mm."""
    tilt = tilts()
    coefficients = {d: getattr(ferroelectric(b=-0.3), f"energy_{d}").numpy() for d in (2, 3, 4)}  # even in P: the same in Q
    true = CoupledSeriesLaw(coefficients, (STRAIN, tilt), CUBIC)
    rng = np.random.default_rng(2)
    values = {"strain": rng.uniform(-0.02, 0.02, (60, 6)), "tilt": rng.uniform(-0.6, 0.6, (60, 3))}
    x = torch.from_numpy(np.concatenate(list(values.values()), 1))
    gradient = true.gradient(x).numpy()
    fit = calibrate_energy((STRAIN, tilt), "m-3m", values, {"stress": gradient[:, :6], "torque": gradient[:, 6:]}, effort="quick", units=96)
    assert max(fit.report.held_out_errors.values()) < 0.1
    found, exact = (find_wells(law, CUBIC, starts=4, sizes={"tilt": 0.6}) for law in (fit.law, true))
    (well,), (expected,) = found.minima, exact.minima
    assert (well.subgroup.symbol, well.count) == (expected.subgroup.symbol, expected.count) == ("4/m", 6)
    assert find_wells(ferroelectric(b=-0.3), CUBIC, starts=4).minima[0].subgroup.symbol == "4mm"  # the control
    assert np.linalg.norm(well.values["tilt"]) == pytest.approx(np.linalg.norm(expected.values["tilt"]), rel=0.02)
    assert well.energy == pytest.approx(expected.energy, rel=0.05)
    settings, arrays = fit.law.state()
    again = coupled_law_from_state(settings, arrays, np.array(CUBIC.operations))
    assert again.variables == fit.law.variables
    assert torch.equal(again.gradient(x), fit.law.gradient(x))


def test_wells_of_the_strain_alone_are_learned():
    true, rng = martensite(-2.0), np.random.default_rng(3)
    E = rng.uniform(-0.05, 0.05, (60, 6))
    S = true.stress_mandel(torch.from_numpy(E)).numpy()
    fit = calibrate_energy((STRAIN,), CUBIC, {"strain": E}, {"stress": S}, effort="quick", units=96)
    (well,), (expected,) = (find_wells(law, CUBIC, starts=4).minima for law in (fit.law, true))
    assert (well.subgroup.symbol, well.count) == ("4/mmm", 3)
    assert np.abs(well.strain).max() == pytest.approx(np.abs(expected.strain).max(), rel=0.02)


def test_representations_that_are_none_are_named():
    turned = np.array(CUBIC.operations)
    with pytest.raises(MaterialError, match="not orthogonal"):
        Variable.of_matrices("q", CUBIC, 2 * turned)
    with pytest.raises(MaterialError, match="one k×k matrix for each of 48"):
        Variable.of_matrices("q", CUBIC, turned[:3])
    with pytest.raises(MaterialError, match="no representation of the group"):
        Variable.of_matrices("q", CUBIC, turned[::-1])
    with pytest.raises(MaterialError, match="one that is none of them"):
        tilts().matrices(PointGroup.from_symbol("6mm").operations)
    with pytest.raises(CalibrationError, match="those of the variables are stress"):
        calibrate_energy((STRAIN,), CUBIC, {"strain": np.zeros((5, 6))}, {"torque": np.zeros((5, 3))})
    with pytest.raises(CalibrationError, match="stress: finite numbers of shape"):
        calibrate_energy((STRAIN,), CUBIC, {"strain": np.zeros((5, 6))}, {"stress": np.zeros((5, 3))})


def test_the_commands_print_wells_and_twins(tmp_path):
    Material.from_coupled_law(ferroelectric(b=-0.3), "m-3m", name="landau").save(tmp_path / "landau")
    words = ["wells", "landau", "--starts", "6", "--plot", "--out", "pictures"]
    done = run(*words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(s["subgroup"], s["variants"]) for s in found["states"] if s["kind"] == "minimum"] == [("4mm", 6)]
    assert (tmp_path / found["picture"]).stat().st_size > 10_000
    table = run("twins", "landau", "--starts", "6", "--plot", cwd=tmp_path)
    assert table.returncode == 0, table.stderr
    assert "m-3m to 4mm: 6 variants" in table.stdout
    assert "neutral" in table.stdout
    assert (tmp_path / "twins_landau.png").stat().st_size > 10_000
    plain = ["twins", "--group", "m-3m", "--subgroup", "4mm", "--strain=-0.003,-0.003,0.01,0,0,0", "--polarization", "0,0,0.26", "--json"]
    rows = json.loads(run(*plain, cwd=tmp_path).stdout)["walls"]
    assert [(r["angle"], r["plane"], r["charge"], r["walls"]) for r in rows] == [(90, "{110}", "charged", 12), (90, "{110}", "neutral", 12)]
    for wrong, text in (
        (["twins"], "--group, --subgroup, --strain missing"),
        (["twins", "landau", "--group", "m-3m"], "not both"),
        (["twins", "landau", "--well", "2", "--starts", "6"], "1 kinds of wells"),
        (["twins", "--group", "m-3m", "--subgroup", "4mm", "--strain", "1,nan"], "6 finite numbers"),
    ):
        answer = run(*wrong, cwd=tmp_path)
        assert answer.returncode == 2
        assert text in " ".join(answer.stderr.split())
