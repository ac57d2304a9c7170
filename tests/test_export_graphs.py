"""Exported graphs and array functions: ONNX by onnxruntime, torch.export, JAX, against the law."""

import importlib.util
import json
import sys

import numpy as np
import onnxruntime as ort
import pytest
import torch
from export_cases import by_law, largest_error, tensors
from kernel_laws import KINDS, LAUE, SKEW, everything, group, material_of

from constitutive.export import ExportError, export, flat
from constitutive.export.formats import subject_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the packages tried here
]
E = np.concatenate([tensors(20, 0.02), tensors(20, 0.15)])


def material(symbol):
    return material_of(everything(group(symbol)), symbol, SKEW, "some law")


def run_onnx(path, strains):
    return ort.InferenceSession(str(path)).run(None, {"E": strains})


@pytest.mark.parametrize("symbol", LAUE)
def test_onnx_for_each_laue_class(symbol, tmp_path):
    m = material(symbol)
    expected = by_law(m.law, E)
    for precision, kind, tolerance in (("double", np.float64, 1e-12), ("single", np.float32, 1e-5)):
        (path,) = export(m, "onnx", tmp_path / f"{precision}.onnx", outside="extend", precision=precision)
        *found, outside = run_onnx(path, E.astype(kind))
        assert found[1].dtype == kind
        assert largest_error(found, expected) <= tolerance
        assert 0 < outside.sum() < len(E)


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_for_each_kind_of_law(kind, tmp_path):
    symbol = "-1" if kind in ("unconstrained", "sum with a turned term") else "mmm"
    law = KINDS[kind](group(symbol), np.random.default_rng(2))
    m = material_of(law, symbol, SKEW if "within" in kind else None)
    (path,) = export(m, "onnx", tmp_path / "law.onnx", outside="extend" if "domain" in kind else None)
    expected = by_law(law, E)
    kept = [k for k in range(3) if np.abs(expected[k]).max() > 0]
    found = run_onnx(path, E)
    assert largest_error([found[k] for k in kept], [expected[k] for k in kept]) <= 1e-12


def test_onnx_carries_its_header(tmp_path):
    (path,) = export(material("m-3m"), "onnx", tmp_path / "law.onnx")
    found = ort.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    assert {"Material", "Point group", "Frame", "Orientation", "Units", "Domain", "Error", "Hash"} <= set(found)


@pytest.mark.parametrize("symbol", ["-1", "-3m", "m-3m"])
def test_torch_program(symbol, tmp_path):
    m = material(symbol)
    (path,) = export(m, "torch", tmp_path / "law.pt2", outside="extend")
    extra = {"header.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    *found, _ = program(torch.from_numpy(E))
    assert largest_error(found, by_law(m.law, E)) <= 1e-12
    assert json.loads(extra["header.json"])["Point group"].startswith(symbol)


@pytest.mark.parametrize("symbol", LAUE)
def test_the_arrays_by_numpy_and_in_single_precision_by_torch(symbol):
    """The function that all three share."""
    m = material(symbol)
    p = flat.arrays(subject_of(m, "onnx", outside="extend"))
    assert largest_error(flat.evaluate(p, E, np)[:3], by_law(m.law, E)) <= 1e-12
    single = {k: torch.tensor(v, dtype=torch.int64 if v.dtype.kind == "i" else torch.float32) for k, v in p.items()}
    found = [a.numpy() for a in flat.evaluate(single, torch.from_numpy(E).float(), torch)[:3]]
    assert largest_error(found, by_law(m.law, E)) <= 1e-5


def test_policy_to_stop_gives_nan():
    p = flat.arrays(subject_of(material("mmm"), "onnx", outside="stop"))
    _, S, _, outside = flat.evaluate(p, E, np)
    assert (np.isnan(S).all(axis=(1, 2)) == outside).all()


def test_jax(tmp_path):
    """A pure function: the numbers, jit and vmap, and third derivatives against ours."""
    import jax

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    from kernel_laws import network, series

    from constitutive.laws import SumLaw

    R = group("-3m")
    law = SumLaw([series(R, rng, (2, 3)), network(R, rng, 3)])
    m = material_of(law, "-3m", name="law")
    module_path, _ = export(m, "jax", tmp_path / "law_by_jax.py")
    spec = importlib.util.spec_from_file_location("law_by_jax", module_path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = by_law(law, E)
    assert largest_error([module.energy(E), module.stress(E), module.tangent(E)], expected) <= 1e-12
    stress = jax.jit(jax.vmap(jax.grad(module.energy)))
    assert largest_error([stress(E)], [expected[1]]) <= 1e-12
    e = E[0]
    third = np.asarray(jax.jacfwd(module.tangent)(e)).reshape(9, 9, 9)
    basis = flat._mandel_rows()
    ours = law.derivative_mandel(torch.from_numpy(basis @ e.ravel()), 3).numpy()
    ours = np.einsum("abc,ai,bj,ck->ijk", ours, basis, basis, basis)
    assert np.abs(third - ours).max() <= 1e-11 * np.abs(ours).max()
    with pytest.raises(ExportError, match="precision 'single'"):
        export(m, "jax", tmp_path, precision="single")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="--to onnx needs the package onnx"):
        export(material("m-3m"), "onnx", tmp_path / "law.onnx")
