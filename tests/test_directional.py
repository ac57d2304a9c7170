"""Directional moduli against published tables, other codes, finite differences, and each other."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from constitutive.elasticity import QUANTITIES, DirectionalModuli, half_sphere, plane_axes
from constitutive.errors import ConstitutiveError
from constitutive.kinematics import cauchy_from_first_piola
from constitutive.laws import SeriesLaw
from constitutive.symmetry import PointGroup
from constitutive.tensors import from_mandel, mandel_matrix, stiffness_mandel_to_voigt, stiffness_voigt_to_mandel, to_mandel


def voigt(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float).reshape(6, 6)


def cubic(C11: float, C12: float, C44: float) -> np.ndarray:
    C = np.diag([C11 - C12] * 3 + [C44] * 3)
    C[:3, :3] += C12
    return C


# Published output of ELATE (Gaillac, Pullumbi & Coudert, J. Phys.: Condens. Matter 28 (2016) 275201), progs.coudert.name/elate,
# for tensors of the Materials Project (GPa): K and G by Voigt, Reuss; then min, max of E, β (1/TPa), G and ν.
ELATE = {
    "Ca2SiO4": (
        "184 69 72 0 0 0 69 134 68 0 0 0 72 68 163 0 0 0 0 0 0 54 0 0 0 0 0 0 36 0 0 0 0 0 0 42",
        (99.889, 97.983, 44.533, 43.294),
        (95.657, 137.82, 2.4909, 4.5987, 36, 54, 0.17282, 0.44377),
    ),
    "TbZr": (
        "104 32 47 0 0 0 32 104 47 0 0 0 47 47 120 0 0 0 0 0 0 30 0 0 0 0 0 0 30 0 0 0 0 0 0 36",
        (64.444, 63.309, 32.667, 32.319),
        (81.629, 87.515, 3.5288, 6.1334, 30, 36, 0.1588, 0.36545),
    ),
    "BeSe": (
        "149 94 40 0 0 0 94 149 40 0 0 0 40 40 189 0 0 0 0 0 0 5 0 0 0 0 0 0 5 0 0 0 0 0 0 28",
        (92.778, 92.683, 28.467, 10.307),
        (18.579, 175.83, 3.4873, 3.8149, 5, 53.472, 0.057994, 0.86509),
    ),
    "Ti4O5": (
        "466 103 103 0 0 0 103 361 134 27 0 0 103 134 361 -27 0 0 0 27 -27 113 0 0 0 0 0 0 56 0 0 0 0 0 0 56",
        (207.56, 206.36, 101.53, 82.803),
        (170.17, 423.14, 1.3798, 1.7331, 56, 160.21, 0.10443, 0.61478),
    ),
    "BaCO3": (
        "96 23 46 0 0 0 23 100 25 0 0 0 46 25 71 0 0 0 0 0 0 6 0 0 0 0 0 0 21 0 0 0 0 0 0 6",
        (50.556, 49.771, 18.133, 10.805),
        (20.666, 90.498, 4.6245, 8.7083, 6, 35.033, 0.074595, 0.7601),
    ),
    "PbC2S2N2": (
        "34 27 16 0 5 0 27 48 17 0 7 0 16 17 41 0 5 0 0 0 0 13 0 4 5 7 5 0 10 0 0 0 0 4 0 20",
        (27, 23.137, 12.8, 10.517),
        (17.356, 51.33, 6.1338, 29.389, 6.5335, 21.815, 0.06986, 0.73606),
    ),
    "SmTaO4": (
        "280 89 116 0 -10 0 89 194 99 0 16 0 116 99 278 0 -13 0 0 0 0 66 0 9 -10 16 -13 0 71 0 0 0 0 9 0 64",
        (151.11, 144.7, 70.067, 66.803),
        (136.11, 225.98, 1.512, 3.5558, 52.21, None, 0.08963, None),  # two maxima that ELATE missed: see below
    ),
}
SMTAO4 = voigt(ELATE["SmTaO4"][0])


@pytest.mark.parametrize("name", ELATE)
def test_averages_and_extremes_as_elate_prints_them(name):
    matrix, averages, extremes = ELATE[name]
    moduli = DirectionalModuli.from_voigt(voigt(matrix))
    a = moduli.averages
    np.testing.assert_allclose((a.bulk_voigt, a.bulk_reuss, a.shear_voigt, a.shear_reuss), averages, rtol=5e-5)  # five digits printed
    order = ("youngs_modulus", "linear_compressibility", "shear_modulus", "poisson_ratio")
    found = [extreme.value for quantity in order for extreme in moduli.extremes(quantity)]
    for ours, theirs in zip(found, extremes, strict=True):
        assert theirs is None or ours == pytest.approx(theirs, rel=1e-4)


def test_maxima_that_elate_missed_are_there():
    """ELATE prints 81.676 GPa and 0.44712 for SmTaO4; elasticipy 7.0.0 gives 0.452771100571 at the point that we find."""
    moduli = DirectionalModuli.from_voigt(SMTAO4)
    _, shear = moduli.extremes("shear_modulus")
    _, poisson = moduli.extremes("poisson_ratio")
    assert poisson.value == pytest.approx(0.452771100571, abs=1e-12)
    assert moduli.poisson_ratio(poisson.direction, poisson.across) == pytest.approx(poisson.value, abs=1e-12)
    assert moduli.shear_modulus(shear.direction, shear.across) == pytest.approx(shear.value, abs=1e-9)
    assert shear.value > 81.683


def test_single_directions_as_elasticipy_gives_them():
    """elasticipy 7.0.0 on SmTaO4's tensor, density 5000 kg/m³ (its velocities are in km/s per √(GPa m³/kg): × √1e9 gives m/s)."""
    moduli = DirectionalModuli.from_voigt(SMTAO4, density=5000.0)
    n = np.array([[1, 2, 3], [-1, 0.5, 2], [0.3, -1, 0.2]])
    m = np.array([[3, 0, -1], [2, 0, 1], [1, 0.5, 1.0]])
    np.testing.assert_allclose(moduli.youngs_modulus(n), [185.99026339734814, 211.82239458370674, 155.04985164489563])
    np.testing.assert_allclose(moduli.shear_modulus(n, m), [68.52130632047859, 73.20599914789233, 64.0708067891579])
    np.testing.assert_allclose(moduli.poisson_ratio(n, m), [0.27363583656348384, 0.36418093424172154, 0.3532032809053747])
    compressibility = [0.002100205366612974, 0.001809047319839959, 0.0033302695527079435]
    np.testing.assert_allclose(moduli.linear_compressibility(n), 1e3 * np.array(compressibility))
    velocities = [
        [0.2239364493907415, 0.12475748162844377, 0.10434575895548617],
        [0.23858714356993663, 0.12426646257331399, 0.10909027394465681],
        [0.20436127023426587, 0.11384714090985676, 0.10895760603041783],
    ]
    np.testing.assert_allclose(moduli.sound_velocities(n), np.sqrt(1e9) * np.array(velocities))


def test_silicon_as_engineers_quote_it():
    """Hopcroft, Nix & Kenny, J. Microelectromech. Syst. 19 (2010) 229, from C11, C12, C44 = 165.7, 63.9, 79.6 GPa."""
    moduli = DirectionalModuli.from_voigt(cubic(165.7, 63.9, 79.6))
    E = moduli.youngs_modulus(np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]]))
    np.testing.assert_allclose(E, [130, 169, 188], atol=0.6)
    assert moduli.poisson_ratio([1, 1, 0], [1, -1, 0]) == pytest.approx(0.064, abs=2e-3)
    assert moduli.poisson_ratio([1, 0, 0], [0, 1, 0]) == pytest.approx(0.28, abs=2e-3)
    assert moduli.shear_modulus([1, 0, 0], [0, 1, 0]) == pytest.approx(79.6, abs=0.05)
    assert moduli.shear_modulus([1, 1, 0], [1, -1, 0]) == pytest.approx(50.9, abs=0.05)
    low, high = moduli.extremes("youngs_modulus")
    np.testing.assert_allclose(np.sort(np.abs(low.direction)), [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(np.abs(high.direction), 3**-0.5, atol=1e-6)


def test_sound_in_diamond():
    """ioffe.ru/SVA/NSM/Semicond/Diamond/mechanic.html: McSkimin & Andreatch, J. Appl. Phys. 43 (1972) 2944; in km/s."""
    moduli = DirectionalModuli.from_voigt(cubic(1079.0, 124.0, 578.0), density=3515.0)
    found = moduli.sound_velocities(np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]])) / 1e3
    np.testing.assert_allclose(found, [[17.52, 12.82, 12.82], [18.32, 12.82, 11.66], [18.58, 12.06, 12.06]], atol=0.02)
    _, modes = moduli.sound_modes([1, 1, 0])
    np.testing.assert_allclose(np.abs(modes[0]), [2**-0.5, 2**-0.5, 0], atol=1e-12)


def test_pymatgen_where_it_is_right():
    """pymatgen's averages are right; its y_mod is a factor 1e9 off and its directional_elastic_mod is C_nnnn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.elasticity import ElasticTensor

        theirs = ElasticTensor.from_voigt(SMTAO4)
        ours = DirectionalModuli.from_voigt(SMTAO4)
        assert ours.averages.bulk_hill == pytest.approx(theirs.k_vrh, rel=1e-12)
        assert ours.averages.shear_hill == pytest.approx(theirs.g_vrh, rel=1e-12)
        assert ours.averages.poisson_hill == pytest.approx(theirs.homogeneous_poisson, rel=1e-12)
        assert ours.averages.youngs_hill == pytest.approx(theirs.y_mod / 1e9, rel=1e-12)
        assert ours.universal_anisotropy == pytest.approx(theirs.universal_anisotropy, rel=1e-9)
        n, m = np.array([1.0, 2.0, 3.0]), np.array([3.0, 0.0, -1.0])
        assert ours.poisson_ratio(n, m) == pytest.approx(theirs.directional_poisson_ratio(n, m), rel=1e-9)


def test_universal_anisotropy_of_a_cubic_crystal():
    """6/5 (√A − 1/√A)² with Zener's ratio A: Ranganathan & Ostoja-Starzewski, PRL 101 (2008) 055504."""
    A = 2 * 75.4 / (168.4 - 121.4)
    expected = 1.2 * (np.sqrt(A) - 1 / np.sqrt(A)) ** 2
    assert DirectionalModuli.from_voigt(cubic(168.4, 121.4, 75.4)).universal_anisotropy == pytest.approx(expected, rel=1e-12)


def test_an_isotropic_crystal_has_one_value_everywhere():
    moduli = DirectionalModuli.from_voigt(cubic(250.0, 90.0, 80.0))
    for quantity, value in (("youngs_modulus", 202.35294117647058), ("shear_modulus", 80.0), ("poisson_ratio", 90 / 340)):
        low, high = moduli.extremes(quantity)
        assert low.value == pytest.approx(value, rel=1e-12)
        assert high.value == pytest.approx(value, rel=1e-12)
    assert moduli.universal_anisotropy == pytest.approx(0, abs=1e-12)


matrices = st.integers(0, 10**6).map(lambda seed: np.random.default_rng(seed).normal(size=(6, 9)) * 8)


@given(root=matrices)
def test_ranges_over_the_plane_bound_every_direction_in_it(root):
    moduli = DirectionalModuli.from_voigt(np.asarray(stiffness_mandel_to_voigt(root @ root.T + 20 * np.eye(6))))
    n = half_sphere(7)
    u, v = plane_axes(n)
    angles = np.linspace(0, np.pi, 61)
    m = np.cos(angles)[:, None, None] * u + np.sin(angles)[:, None, None] * v
    for values, (low, high, m_low, m_high), at in (
        (moduli.shear_modulus(n, m), moduli.shear_range(n), moduli.shear_modulus),
        (moduli.poisson_ratio(n, m), moduli.poisson_range(n), moduli.poisson_ratio),
    ):
        span = np.ptp(values, axis=0)
        assert (values.min(axis=0) >= low - 1e-9 * np.abs(low)).all()
        assert (values.max(axis=0) <= high + 1e-9 * np.abs(high)).all()
        assert (values.min(axis=0) - low <= 2e-3 * span + 1e-12).all()  # and the bounds are reached
        np.testing.assert_allclose(at(n, m_low), low, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(at(n, m_high), high, rtol=1e-9, atol=1e-12)


@given(root=matrices, seed=st.integers(0, 1000))
def test_turning_crystal_and_directions_changes_nothing(root, seed):
    mandel = root @ root.T + 20 * np.eye(6)
    R = Rotation.random(random_state=seed).as_matrix()
    D = np.asarray(mandel_matrix(R))
    still = DirectionalModuli.from_voigt(np.asarray(stiffness_mandel_to_voigt(mandel)), density=1000.0)
    turned = DirectionalModuli.from_voigt(np.asarray(stiffness_mandel_to_voigt(D @ mandel @ D.T)), density=1000.0)
    n, m = np.array([0.2, -1.0, 0.5]), np.array([1.0, 0.2, 0.0])
    for name in ("youngs_modulus", "linear_compressibility", "sound_velocities"):
        np.testing.assert_allclose(getattr(turned, name)(R @ n), getattr(still, name)(n), rtol=1e-9)
    for name in ("shear_modulus", "poisson_ratio"):
        np.testing.assert_allclose(getattr(turned, name)(R @ n, R @ m), getattr(still, name)(n, m), rtol=1e-9, atol=1e-12)
    assert abs(turned.youngs_modulus(n) - still.youngs_modulus(n)) > 1e-6 * still.youngs_modulus(n)  # control


# ---- at finite strain -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nonlinear() -> SeriesLaw:
    """A cubic law of orders 2 and 3 in the strain, the third of arbitrary but fixed size."""
    C = np.asarray(stiffness_voigt_to_mandel(cubic(165.7, 63.9, 79.6)))
    second = [C[i, j] * (0.5 if i == j else 1.0) for i in range(6) for j in range(i, 6)]
    third = np.random.default_rng(3).normal(scale=150.0, size=56)
    return SeriesLaw({2: np.array(second), 3: third}, PointGroup.from_symbol("m-3m").laue_rotations)


STRAINED = np.eye(3) + np.array([[0.02, 0.01, -0.015], [-0.02, -0.01, 0.005], [0.01, 0.02, 0.015]])


def cauchy(law, F: np.ndarray) -> np.ndarray:
    P, _ = law(F)
    return np.asarray(cauchy_from_first_piola(F, P))


def test_at_zero_strain_it_is_the_table_of_constants(nonlinear):
    moduli, table = DirectionalModuli.from_law(nonlinear), DirectionalModuli.from_voigt(cubic(165.7, 63.9, 79.6))
    np.testing.assert_allclose(moduli.stiffness, table.stiffness, atol=1e-10)
    np.testing.assert_allclose(moduli.acoustic, table.acoustic, atol=1e-10)


def test_moduli_in_a_strained_state_are_those_of_a_further_load(nonlinear):
    """Pull the strained crystal along n a little more, with all other Cauchy stresses held and no rotation."""
    moduli = DirectionalModuli.from_law(nonlinear, STRAINED)
    n = np.array([1.0, 2.0, -1.0]) / np.sqrt(6)
    rise = np.asarray(to_mandel(np.outer(n, n)))
    step, before = 1e-4, cauchy(nonlinear, STRAINED)
    slopes = []
    for k in range(6):
        eps = np.asarray(from_mandel(np.eye(6)[k] * step))
        ahead, behind = (cauchy(nonlinear, (np.eye(3) + s * eps) @ STRAINED) for s in (1, -1))
        slopes.append(np.asarray(to_mandel(ahead - behind)) / (2 * step))
    strain = np.linalg.solve(np.array(slopes).T, rise)
    assert moduli.youngs_modulus(n) == pytest.approx(1 / (rise @ strain), rel=1e-6)
    assert np.abs(before).max() > 1  # GPa: the state does carry stress,
    naive = DirectionalModuli.from_law(nonlinear).youngs_modulus(n)
    assert abs(naive / moduli.youngs_modulus(n) - 1) > 0.02  # and it matters


def test_sound_in_a_strained_state_is_that_of_the_first_elasticity(nonlinear):
    """ρ v² a = J⁻¹ (F n̂)(F n̂) : dP/dF a, with the law's own dP/dF: another road to the acoustic tensor."""
    moduli = DirectionalModuli.from_law(nonlinear, STRAINED, density=2330.0)
    _, A = nonlinear(STRAINED)
    J = np.linalg.det(STRAINED)
    n = np.array([0.3, -0.5, 0.8])
    n /= np.linalg.norm(n)
    N = STRAINED.T @ n
    acoustic = np.einsum("iJkL,J,L->ik", A, N, N) / J
    speeds = np.sqrt(np.linalg.eigvalsh(acoustic)[::-1] * 1e9 / (2330.0 / J))
    np.testing.assert_allclose(moduli.sound_velocities(n), speeds, rtol=1e-12)


# ---- refusals -----------------------------------------------------------------------------------------------------------


def test_an_unstable_crystal_is_refused():
    with pytest.raises(ConstitutiveError, match=r"not stable here: its stiffness has an eigenvalue of -\d"):
        DirectionalModuli.from_voigt(cubic(50.0, 90.0, 40.0))


@pytest.mark.parametrize("matrix", [np.eye(5), np.full((6, 6), np.nan), np.triu(np.ones((6, 6)))])
def test_a_matrix_that_is_no_stiffness_is_refused(matrix):
    with pytest.raises(ConstitutiveError, match="symmetric 6×6 stiffness"):
        DirectionalModuli.from_voigt(matrix)


def test_directions_that_make_no_sense_are_refused():
    moduli = DirectionalModuli.from_voigt(SMTAO4)
    with pytest.raises(ConstitutiveError, match="length 0"):
        moduli.youngs_modulus([0, 0, 0])
    with pytest.raises(ConstitutiveError, match="has to be perpendicular to n"):
        moduli.poisson_ratio([1, 0, 0], [1, 1, 0])
    with pytest.raises(ConstitutiveError, match="needs the density"):
        moduli.sound_velocities([1, 0, 0])
    with pytest.raises(ConstitutiveError, match="no directional quantity is named"):
        moduli.extremes("hardness")


def test_as_dict_is_plain_and_complete():
    found = DirectionalModuli.from_voigt(SMTAO4).as_dict()
    assert set(QUANTITIES) < set(found)
    assert found["youngs_modulus"]["min"]["value"] == pytest.approx(136.106, abs=1e-3)
    assert found["poisson_ratio"]["max"]["m"] is not None
