"""Exported graphs and array functions: ONNX by onnxruntime, torch.export, JAX, against the law."""

import importlib.util
import json
import sys
from functools import lru_cache

import numpy as np
import onnxruntime as ort
import pytest
import torch
from export_cases import by_law, largest_error, tensors
from kernel_laws import KINDS, LAUE, SKEW, a_domain, group, linear, material_of, network, series

from constitutive.export import ExportError, export, flat
from constitutive.export.formats import subject_of
from constitutive.laws import BoundedLaw, RotatedLaw, SumLaw

pytestmark = [
    pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the packages tried here
]
E = np.concatenate([tensors(20, 0.02), tensors(20, 0.15)])


SINGLE, DOUBLE = (np.float32, 1e-5, "single"), (np.float64, 1e-12, "double")


@lru_cache
def material(symbol):
    """A law with all that a graph holds, of a Laue class."""
    rng, R = np.random.default_rng(0), group(symbol)
    inner = SumLaw([linear(R, rng), series(R, rng, (2, 3)), network(R, rng, 3)])
    return material_of(BoundedLaw(inner, a_domain(R), "extend").rotated(SKEW), symbol, SKEW, "some law")


def of_kind(kind):
    symbol = "-1" if kind in ("unconstrained", "sum with a turned term") else "mmm"
    return material_of(KINDS[kind](group(symbol), np.random.default_rng(2)), symbol, SKEW if "within" in kind else None)


def of_class(symbol):
    """Without a domain: torch takes its time for each operation of a graph."""
    rng, R = np.random.default_rng(0), group(symbol)
    return material_of(SumLaw([series(R, rng, (3,)), network(R, rng, 3)]), symbol, name="some law")


KIND = [pytest.param(of_kind, kind, id=kind) for kind in KINDS]
GRAPHS = {"onnx": [pytest.param(material, s, id=s) for s in LAUE] + KIND, "torch": [pytest.param(of_class, s, id=s) for s in LAUE] + KIND}


def by_onnx(path, strains):
    return ort.InferenceSession(str(path)).run(None, {"E": strains})


def by_program(path, strains):
    return [result.numpy() for result in torch.export.load(path).module()(torch.from_numpy(strains))]


def errors_of_graph(m, to, run, folder):
    """The tolerances by precision hold for energy, stress and tangent, and the flag is set where it should be."""
    extends = isinstance(m.law, RotatedLaw | BoundedLaw)
    expected = by_law(m.law, E)
    kept = [k for k in range(3) if np.abs(expected[k]).max() > 0]
    for kind, tolerance, precision in (DOUBLE, SINGLE):
        (path,) = export(m, to, folder / precision, outside="extend" if extends else None, precision=precision, name="law")
        *found, outside = run(path, E.astype(kind))
        assert found[1].dtype == kind
        assert largest_error([found[k] for k in kept], [expected[k] for k in kept]) <= tolerance
        assert (0 < outside.sum() < len(E)) == extends


@pytest.mark.parametrize(("make", "case"), GRAPHS["onnx"])
def test_onnx_in_both_precisions(make, case, tmp_path):
    """Each Laue class and each kind of law."""
    errors_of_graph(make(case), "onnx", by_onnx, tmp_path)


@pytest.mark.parametrize(("make", "case"), GRAPHS["torch"])
def test_torch_program_in_both_precisions(make, case, tmp_path):
    """Each Laue class and each kind of law."""
    errors_of_graph(make(case), "torch", by_program, tmp_path)


def test_onnx_carries_its_header(tmp_path):
    (path,) = export(material("m-3m"), "onnx", tmp_path / "law.onnx")
    found = ort.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    assert {"Material", "Point group", "Frame", "Orientation", "Units", "Domain", "Error", "Hash"} <= set(found)


def test_torch_program_carries_its_header(tmp_path):
    (path,) = export(of_kind("linear"), "torch", tmp_path / "law.pt2")
    extra = {"header.json": ""}
    torch.export.load(path, extra_files=extra)
    assert {"Material", "Point group", "Frame", "Orientation", "Units", "Domain", "Outside", "Error", "Hash"} <= set(
        json.loads(extra["header.json"])
    )


@pytest.mark.parametrize("symbol", LAUE)
def test_the_arrays_by_numpy(symbol):
    """The functions that all graphs share: closed forms, and the energy that JAX differentiates."""
    m = material(symbol)
    p = flat.arrays(subject_of(m, "onnx", outside="extend"))
    assert largest_error([*flat.evaluate(p, E, np)[:3], flat.energy(p, E, np)], [*by_law(m.law, E), by_law(m.law, E)[0]]) <= 1e-12


def test_policy_to_stop_gives_nan():
    p = flat.arrays(subject_of(material("mmm"), "onnx", outside="stop"))
    _, S, _, outside = flat.evaluate(p, E, np)
    assert (np.isnan(S).all(axis=(1, 2)) == outside).all()
    assert (np.isnan(flat.energy(p, E, np)) == outside).all()


@pytest.fixture
def jax(monkeypatch):
    """JAX in double precision; programs are compiled once here, so quickly rather than well."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)
    yield jax
    jax.config.update("jax_disable_most_optimizations", False)


def test_jax(jax, tmp_path):
    """A pure function: the numbers inside and outside the domain, jit and vmap, and third derivatives against ours."""
    m = material("-3m")
    files = export(m, "jax", tmp_path / "law_by_jax.py", outside="extend")
    assert [path.suffix for path in files] == [".py", ".npz"]
    spec = importlib.util.spec_from_file_location("law_by_jax", files[0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = by_law(m.law, E)
    assert largest_error([module.energy(E), module.stress(E), module.tangent(E)], expected) <= 1e-12
    assert 0 < module.outside(E).sum() < len(E)
    stress = jax.jit(jax.vmap(jax.grad(module.energy)))
    assert largest_error([stress(E)], [expected[1]]) <= 1e-12
    by_unit = jax.grad(lambda unit: module.energy(E[0], {**module.P, "unit": unit}))(1.0)
    assert float(by_unit) == pytest.approx(expected[0][0], rel=1e-12)


def test_third_derivatives_by_jax(jax, tmp_path):
    law = SumLaw([f(group("-3m"), np.random.default_rng(0), k) for f, k in ((series, (2, 3)), (network, 3))])
    path, _ = export(material_of(law, "-3m"), "jax", tmp_path / "law_by_jax.py")
    spec = importlib.util.spec_from_file_location("law_by_jax", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    e = E[0]
    third = np.asarray(jax.jit(jax.jacfwd(jax.hessian(module.energy)))(e)).reshape(9, 9, 9)
    basis = flat._mandel_rows()
    ours = law.derivative_mandel(torch.from_numpy(basis @ e.ravel()), 3).numpy()
    ours = np.einsum("abc,ai,bj,ck->ijk", ours, basis, basis, basis)
    assert np.abs(third - ours).max() <= 1e-11 * np.abs(ours).max()


def test_jax_is_written_in_double_precision(tmp_path):
    with pytest.raises(ExportError, match="precision 'single'"):
        export(material("-3m"), "jax", tmp_path, precision="single")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="--to onnx needs the package onnx"):
        export(material("m-3m"), "onnx", tmp_path / "law.onnx")
