"""Exported C and Fortran: without a warning, with the law's numbers for every kind and group; the user material's tangent and states."""

import re
import subprocess
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from export_cases import ORDER, STRICT, abaqus_six, by_law, clang_diagnostics, evaluate, largest_error, shared_library, tensors, umat
from kernel_laws import KINDS, LAUE, SKEW, a_domain, everything, group, material_of, network, uncertain

from constitutive import shipped
from constitutive.errors import MaterialError
from constitutive.export import ExportError, export
from constitutive.kinematics import first_elasticity, first_from_second_piola, green_lagrange_strain
from constitutive.material import Material

pytestmark = pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning")
DOCS = Path(__file__).resolve().parent.parent / "docs" / "export.md"


# Abaqus passes more than a law needs, and tables may be empty
FORTRAN = ("-std=f2008", "-Wall", "-Wextra", "-Wno-unused-dummy-argument", "-Wno-zerotrip", "-Werror")


@lru_cache
def material(symbol):
    return material_of(everything(group(symbol)), symbol, SKEW, "some law")


def of_kind(kind):
    symbol = "-1" if kind in ("unconstrained", "sum with a turned term") else "mmm"
    return material_of(KINDS[kind](group(symbol), np.random.default_rng(2)), symbol, SKEW if "within" in kind else None)


@pytest.mark.parametrize("symbol", LAUE)
def test_c_gives_the_numbers_of_the_law_for_each_laue_class(symbol, tmp_path):
    m = material(symbol)
    header, source = export(m, "c", tmp_path, name="law", unit="MPa", outside="extend")
    assert header.suffix == ".h"
    E = np.concatenate([tensors(20, 0.03), tensors(20, 0.15)])
    flags, *found, deviation = evaluate(shared_library(source, *STRICT), "law", E)
    assert largest_error(found, by_law(m.law, E), 1e3) <= 1e-12
    assert {0, 1} == set(flags.tolist())
    assert (deviation == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_c_gives_the_numbers_of_each_kind_of_law(kind, tmp_path):
    m = of_kind(kind)
    _, source = export(m, "c", tmp_path, name="law", outside="extend" if "domain" in kind else None)
    E = tensors(30)
    _, *found, _ = evaluate(shared_library(source, *STRICT), "law", E)
    expected = by_law(m.law, E)
    kept = [k for k in range(3) if np.abs(expected[k]).max() > 0]
    assert largest_error([found[k] for k in kept], [expected[k] for k in kept]) <= 1e-12


@pytest.mark.parametrize("symbol", LAUE)
def test_clang_has_no_warning(symbol, tmp_path):
    """Gcc's turn is in the tests that run the code."""
    for path in export(material(symbol), "c", tmp_path, name="law"):
        assert clang_diagnostics(path) == []


@pytest.mark.parametrize("to", ["c", "umat", "calculix"])
def test_clang_has_no_warning_with_any_policy(to, tmp_path):
    for outside in ("warn", "extend", "stop"):
        for path in export(uncertain("-3m") if outside == "warn" else material("-3m"), to, tmp_path / outside, name="law", outside=outside):
            assert path.suffix == ".f90" or clang_diagnostics(path) == []


def test_clang_would_have_warnings(tmp_path):
    """The control: what each of the options finds, found."""
    (tmp_path / "bad.c").write_text("#include <math.h>\nint f(int a, int unused) { int c; if (a = 1) return c; return sizeof(int[0]); }\n")
    found = " ".join(clang_diagnostics(tmp_path / "bad.c"))
    for option in ("-Wparentheses", "-Wuninitialized", "-Wunused-parameter", "-Wzero-length-array"):
        assert option in found


def test_c_from_the_deformation_gradient_in_turned_axes_with_deviation(tmp_path):
    m = uncertain("-3m")
    _, source = export(m, "c", tmp_path, name="law")
    library = shared_library(source, *STRICT)
    turned = m.rotated(SKEW)
    F = np.eye(3) + 0.05 * np.random.default_rng(0).normal(size=(3, 3))
    E = green_lagrange_strain(F)
    psi, P, A, d = np.zeros(1), np.zeros((3, 3)), np.zeros((3, 3, 3, 3)), np.zeros(1)
    R = np.ascontiguousarray(SKEW)
    assert library.law_from_gradient(*(a.ctypes for a in (F, R, psi, P, A, d))) == 0
    S, C = turned.law.stress(torch.from_numpy(E)).numpy(), turned.law.tangent(torch.from_numpy(E)).numpy()
    assert largest_error([P, A], [first_from_second_piola(F, S), first_elasticity(F, S, C)]) <= 1e-12
    *_, by_strain = evaluate(library, "law", E[None], SKEW)
    from constitutive.tensors.packing import to_mandel

    expected = np.linalg.norm(turned.uncertainty.deviation_mandel(np.asarray(to_mandel(E))[None]))
    assert d[0] == pytest.approx(expected, rel=1e-10) == by_strain[0]
    assert library.law_from_gradient((-F).ctypes, None, psi.ctypes, P.ctypes, None, None) == 2
    F[0, 0] = np.nan
    assert library.law_from_gradient(F.ctypes, None, psi.ctypes, P.ctypes, None, None) == 2


def test_threads_share_the_library(tmp_path):
    m = material("m-3")
    _, source = export(m, "c", tmp_path, name="law")
    library, E = shared_library(source), tensors(200)
    results = [None] * 4

    def work(k):
        results[k] = evaluate(library, "law", E)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))


def test_the_c_program_of_the_page_runs(tmp_path):
    program = re.search(r"```text\n(/\* stretch\.c.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[1]
    m = Material.load(shipped("silicon"))
    (tmp_path / "stretch.c").write_text(program)
    export(m, "c", tmp_path / "silicon.c")
    subprocess.run(["gcc", *STRICT, "-o", "stretch", "stretch.c", "silicon.c", "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "stretch"], capture_output=True, text=True, check=True)
    F = np.diag([1.01, 1.0, 1.0])
    P, _ = m.law(F)
    assert float(done.stdout.split()[2]) == pytest.approx(P[0, 0], rel=1e-5)


def test_the_policy_to_stop_gives_nan_and_the_flag(tmp_path):
    m = material("mmm")
    _, source = export(m, "c", tmp_path, name="law", outside="stop")
    flags, _, S, _, _ = evaluate(shared_library(source), "law", tensors(40, 0.15))
    assert (np.isnan(S).all(axis=(1, 2)) == (flags == 1)).all()
    assert 0 < flags.sum() < len(flags) or flags.all()


# ---- user materials -----------------------------------------------------------------------------------------------------


@lru_cache
def user_material(language, folder):
    m = Material.load(shipped("quartz"))
    c, f = export(m, "umat", folder, name=f"quartz_{language}")
    flags = STRICT if language == "c" else FORTRAN
    return m, shared_library(c if language == "c" else f, *flags, compiler="gcc" if language == "c" else "gfortran")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("umat")


@pytest.mark.parametrize("language", ["c", "fortran"])
def test_umat_stress_tangent_and_states(language, folder):
    m, library = user_material(language, folder)
    turned = m.rotated(SKEW)
    F = np.eye(3) + 0.02 * np.random.default_rng(0).normal(size=(3, 3))
    J = np.linalg.det(F)

    def kirchhoff(F):
        S = turned.law.stress(torch.from_numpy(green_lagrange_strain(F))).numpy() * 1e3
        return F @ S @ F.T

    stress, state, tangent, cut = umat(library, np.full(6, 0.3), F, SKEW.ravel())
    assert np.abs(stress - abaqus_six(kirchhoff(F)) / J).max() <= 1e-12 * np.abs(stress).max()
    E = torch.from_numpy(green_lagrange_strain(F))
    assert state[0] == pytest.approx(1e3 * float(turned.law.energy(E)), rel=1e-12)
    assert (state[1], cut) == (0.0, 1.0)
    assert state[2] > 0
    numeric, h = np.zeros((6, 6)), 1e-6
    for b, (k, l) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))):
        D = np.zeros((3, 3))
        D[k, l] += 0.5
        D[l, k] += 0.5
        plus, minus = kirchhoff((np.eye(3) + h * D) @ F), kirchhoff((np.eye(3) - h * D) @ F)
        numeric[:, b] = abaqus_six(plus - minus) / (2 * h * J)  # D symmetric: no spin, so Jaumann's rate is the plain one
    assert np.abs(tangent - numeric).max() <= 1e-8 * np.abs(numeric).max()
    by_angles = umat(library, np.zeros(6), F, (30.0, 40.0, 50.0))[0]
    from scipy.spatial.transform import Rotation

    matrix = Rotation.from_euler("ZXZ", [30, 40, 50], degrees=True).as_matrix()
    assert np.abs(by_angles - umat(library, np.zeros(6), F, matrix.ravel())[0]).max() <= 1e-9 * np.abs(by_angles).max()


@pytest.mark.parametrize("language", ["c", "fortran"])
def test_umat_in_a_geometrically_linear_step(language, folder):
    m, library = user_material(language, folder)
    e = 0.01 * np.array([[1.0, 0.3, -0.2], [0.3, -0.5, 0.4], [-0.2, 0.4, 0.2]])
    S = 1e3 * m.law.stress(torch.from_numpy(e)).numpy()
    strain = abaqus_six(e) * np.array([1, 1, 1, 2, 2, 2])
    for F in (np.eye(3), np.eye(3) + e):
        stress, _, tangent, _ = umat(library, strain, F)
        assert np.abs(stress - abaqus_six(S)).max() <= 1e-12 * np.abs(S).max()
        assert np.abs(tangent - tangent.T).max() <= 1e-12 * np.abs(tangent).max()


@pytest.mark.parametrize("language", ["c", "fortran"])
def test_umat_cuts_the_increment_of_an_inverted_element(language, folder):
    _, library = user_material(language, folder)
    stress, state, _, cut = umat(library, np.zeros(6), -np.eye(3))
    assert (cut, state[1]) == (0.5, 1.0)
    assert np.isfinite(stress).all()


@pytest.mark.parametrize("language", ["c", "fortran"])
def test_umat_cuts_the_increment_outside_the_domain_where_it_is_to_stop(language, tmp_path):
    m = material("mmm")
    c, f = export(m, "umat", tmp_path, name="law", outside="stop")
    library = shared_library(c if language == "c" else f, compiler="gcc" if language == "c" else "gfortran")
    assert umat(library, np.zeros(6), np.diag([1.001, 1.0, 1.0]))[3] == 1.0
    assert umat(library, np.zeros(6), np.diag([1.4, 1.0, 1.0]))[3] == 0.5


@pytest.mark.parametrize("symbol", LAUE)
def test_fortran_gives_the_numbers_of_the_law_inside_and_outside(symbol, tmp_path):
    """Energy, S and dS/dE of the pure Fortran, by the user material in a geometrically linear step."""
    m = material(symbol)
    _, f = export(m, "umat", tmp_path, name="law", unit="GPa", outside="extend")
    fortran_like_law(m, shared_library(f, *FORTRAN, compiler="gfortran"), tensors(10, 0.12))


@pytest.mark.parametrize("kind", KINDS)
def test_fortran_gives_the_numbers_of_each_kind_of_law(kind, tmp_path):
    m = of_kind(kind)
    _, f = export(m, "umat", tmp_path, name="law", unit="GPa", outside="extend" if "domain" in kind else None)
    fortran_like_law(m, shared_library(f, *FORTRAN, compiler="gfortran"), tensors(10, 0.12))


def fortran_like_law(m, library, E):
    found = [umat(library, abaqus_six(e) * np.array([1, 1, 1, 2, 2, 2]), np.eye(3)) for e in E]
    i, j = np.array(ORDER).T
    energy, S, C = by_law(m.law, E)
    assert largest_error([[states[0] for _, states, *_ in found], [stress for stress, *_ in found]], [energy, S[:, i, j]]) <= 1e-12
    right = C[:, i, j][:, :, i, j]
    assert np.abs(np.array([tangent for _, _, tangent, _ in found]) - right).max() <= 1e-12 * np.abs(right).max()


@pytest.mark.parametrize("language", ["c", "fortran"])
def test_umat_in_plane_strain(language, folder):
    """Four components: 11 22 33 12."""
    _, library = user_material(language, folder)
    F = np.eye(3)
    F[:2, :2] += 0.02 * np.random.default_rng(0).normal(size=(2, 2))
    stress, _, tangent, _ = umat(library, np.zeros(6), F, SKEW.ravel())
    plane, _, plane_tangent, _ = umat(library, np.full(4, 0.3), F, SKEW.ravel())
    assert np.array_equal(plane, stress[:4])
    assert np.array_equal(plane_tangent, tangent[:4, :4])
    e = np.array([0.01, -0.02, 0.0, 0.013])
    assert np.array_equal(umat(library, e, np.eye(3))[0], umat(library, np.append(e, [0, 0]), np.eye(3))[0][:4])


# ---- what is refused ----------------------------------------------------------------------------------------------------


def test_what_code_cannot_hold_is_refused(tmp_path):
    plain = material_of(network(group("mmm"), np.random.default_rng(0)), "mmm")
    with pytest.raises(ExportError, match="states no domain"):
        export(plain, "c", tmp_path, outside="extend")
    with pytest.raises(ExportError, match="needed one of c, umat"):
        export(plain, "abaqus", tmp_path)
    with pytest.raises(ExportError, match="unit 'psi' found"):
        export(plain, "c", tmp_path, unit="psi")
    with pytest.raises(ExportError, match="precision 'single'"):
        export(plain, "c", tmp_path, precision="single")
    bounded = material_of(network(group("mmm"), np.random.default_rng(0)), "mmm", domain=a_domain(group("mmm")))
    with pytest.raises(MaterialError, match="policy 'raise' found"):
        export(bounded, "c", tmp_path, outside="raise")
    assert not list(tmp_path.iterdir())
