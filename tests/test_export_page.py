"""The tables of the page on exports: one strain path of one crystal by all outputs side by side."""

import importlib.util
import re

import numpy as np
import pytest
import torch
import yaml
from export_cases import abaqus_six, by_law, evaluate, shared_library, umat
from export_page import STRAINS, path_row, update

from constitutive import shipped
from constitutive.export import export
from constitutive.material import Material

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the packages tried here


def by_c(m, E, folder):
    _, source = export(m, "c", folder / "c", name="law")
    return evaluate(shared_library(source), "law", E)[2]


def by_umat(language):
    def call(m, E, folder):
        c, f = export(m, "umat", folder / language, name="law", unit="GPa")
        library = shared_library(c if language == "C" else f, compiler="gcc" if language == "C" else "gfortran")
        rows = [umat(library, abaqus_six(e) * np.array([1, 1, 1, 2, 2, 2]), np.eye(3))[0] for e in E]
        return np.array([[[s[0], s[3], s[4]], [s[3], s[1], s[5]], [s[4], s[5], s[2]]] for s in rows])

    return call


def by_onnx(precision, kind):
    def call(m, E, folder):
        import onnxruntime as ort

        (path,) = export(m, "onnx", folder / f"{precision}.onnx", precision=precision)
        return ort.InferenceSession(str(path)).run(None, {"E": E.astype(kind)})[1]

    return call


def by_torch(m, E, folder):
    (path,) = export(m, "torch", folder / "law.pt2")
    return torch.export.load(path).module()(torch.from_numpy(E))[1].numpy()


def by_jax(m, E, folder):
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)  # compiled for three strains only
    path, _ = export(m, "jax", folder / "page_law.py")
    spec = importlib.util.spec_from_file_location("page_law", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    S = np.asarray(module.stress(E))
    jax.config.update("jax_disable_most_optimizations", False)
    return S


OUTPUTS = {
    "C": by_c,
    "UMAT in C": by_umat("C"),
    "UMAT in Fortran": by_umat("Fortran"),
    "ONNX, float64": by_onnx("double", np.float64),
    "ONNX, float32": by_onnx("single", np.float32),
    "torch.export": by_torch,
    "JAX": by_jax,
}


def test_the_path_by_all_outputs(tmp_path):
    """The law by itself first; CalculiX's row is of `make test-calculix`."""
    m = Material.load(shipped("silicon"))
    law = by_law(m.law, STRAINS)[1]
    rows = ["| the law | " + " | ".join(f"{s:.5f}" for s in law[:, 0, 0]) + " | – |"]
    update(rows + [path_row(name, call(m, STRAINS, tmp_path), m, 1e-5 if "32" in name else 1e-12) for name, call in OUTPUTS.items()])


# ---- tables of constants ------------------------------------------------------------------------------------------------


def numbers(text):
    return [float(word) for word in re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", text)]


def triangle(values, order, lower):
    """A symmetric matrix in the order xx yy zz yz xz xy of a triangle in another order, by columns of the upper (Abaqus) or by rows."""
    names = ["xx", "yy", "zz", "yz", "xz", "xy"]
    place = [names.index(word) for word in order.split()]
    C = np.zeros((6, 6))
    pairs = [(a, b) for b in range(6) for a in range(b + 1)] if lower else [(a, b) for a in range(6) for b in range(a, 6)]
    for (a, b), value in zip(pairs, values, strict=True):
        C[place[a], place[b]] = C[place[b], place[a]] = value
    return C


def abaqus_card(text):
    return triangle(numbers(text.split("TYPE=ANISOTROPIC")[1]), "xx yy zz xy xz yz", True) / 1e3


def ansys(text):
    rows = [line.split(",")[2:] for line in text.splitlines() if line.startswith("TBDATA")]
    return triangle([float(v) for row in rows for v in row], "xx yy zz xy yz xz", False) / 1e3


def elate(text):
    return np.array(numbers(text)).reshape(6, 6)


def moose(text):
    return triangle(numbers(text.split("C_ijkl = '")[1].split("'")[0]), "xx yy zz yz xz xy", False) / 1e3


def neml2(text):
    factors = np.repeat([1.0, np.sqrt(0.5)], 3)
    return np.array(numbers(text.split("values = '")[1].split("'")[0])).reshape(6, 6) * np.outer(factors, factors) / 1e3


def pymatgen(text):
    from monty.json import MontyDecoder

    return np.asarray(MontyDecoder().decode(text).voigt)


def elasticipy(text):
    return np.array(numbers(text.split("MATRIX = [")[1].split("\n]")[0])).reshape(6, 6)


def damask(text):
    (phase,) = yaml.safe_load(text)["phase"].values()
    c = {name: value / 1e9 for name, value in phase["mechanical"]["elastic"].items() if name != "type"}
    C = np.diag([c["C_11"]] * 3 + [c["C_44"]] * 3)
    C[:3, :3] += c["C_12"] * (1 - np.eye(3))
    return C


TABLES = {
    "`abaqus-elastic`": ("abaqus-elastic", ".inp", abaqus_card),
    "`ansys-anel`": ("ansys-anel", ".mac", ansys),
    "`elate`": ("elate", "silicon.txt", elate),
    "`moose`, ComputeElasticityTensor": ("moose", "silicon.i", moose),
    "`moose`, NEML2": ("moose", "_neml2.i", neml2),
    "`pymatgen`": ("pymatgen", ".json", pymatgen),
    "`elasticipy`": ("elasticipy", ".py", elasticipy),
    "`damask`": ("damask", ".yaml", damask),
}


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of pymatgen
def test_the_path_by_all_tables_of_constants(tmp_path):
    """Hooke's law with the constants as a reader of each format takes them."""
    m = Material.load(shipped("silicon"))
    expected = m.stiffness_voigt()
    rows = []
    for name, (to, end, read) in TABLES.items():
        path = next(p for p in export(m, to, tmp_path / to, name="silicon") if p.name.endswith(end))
        C = read(path.read_text())
        assert np.abs(C - expected).max() <= 1e-9 * expected.max(), name
        S = STRAINS[:, range(3), range(3)] @ C[0, :3] + 2 * STRAINS[:, [1, 0, 0], [2, 2, 1]] @ C[0, 3:]
        rows.append(f"| {name} | " + " | ".join(f"{s:.5f}" for s in S) + " | below 1e-09 |")
    update(rows)
