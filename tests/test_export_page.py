"""The table of the page on exports: one strain path of one crystal by all outputs side by side."""

import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from export_cases import abaqus_six, by_law, evaluate, shared_library, umat

from constitutive import shipped
from constitutive.export import export
from constitutive.material import Material

PAGE = Path(__file__).resolve().parent.parent / "docs" / "export.md"
STEPS = (0.01, 0.02, 0.03)
DIRECTION = np.array([[1.0, 0.4, 0.0], [0.4, -0.5, 0.2], [0.0, 0.2, 0.0]])
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
    path, _ = export(m, "jax", folder / "page_law.py")
    spec = importlib.util.spec_from_file_location("page_law", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return np.asarray(module.stress(E))


OUTPUTS = {
    "C": by_c,
    "UMAT in C": by_umat("C"),
    "UMAT in Fortran": by_umat("Fortran"),
    "ONNX, float64": by_onnx("double", np.float64),
    "ONNX, float32": by_onnx("single", np.float32),
    "torch.export": by_torch,
    "JAX": by_jax,
}


def table(folder):
    """Lines of the table."""
    m = Material.load(shipped("silicon"))
    E = np.array(STEPS)[:, None, None] * DIRECTION
    law = by_law(m.law, E)[1]
    lines = [
        "| output | " + " | ".join(f"S_xx at E_xx = {e:g}" for e in STEPS) + " | difference of S |",
        "|---|" + "---|" * (len(STEPS) + 1),
    ]
    lines.append("| the law | " + " | ".join(f"{s:.5f}" for s in law[:, 0, 0]) + " | – |")
    for name, call in OUTPUTS.items():
        S = call(m, E, folder)
        error = np.abs(S - law).max() / np.abs(law).max()
        bound = 10.0 ** np.ceil(np.log10(max(error, 1e-13)))
        assert bound <= (1e-5 if "32" in name else 1e-12), name
        lines.append(f"| {name} | " + " | ".join(f"{s:.5f}" for s in S[:, 0, 0]) + f" | below {1e-5 if '32' in name else 1e-12:.0e} |")
    return lines


def test_the_table_of_the_page(tmp_path):
    """`CONSTITUTIVE_WRITE=1` writes it."""
    lines = table(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("CONSTITUTIVE_WRITE"):
        PAGE.write_text(
            re.sub(r"(?:^\| output \|.*\n(?:\|.*\n)*|^TABLE\n)", "\n".join(lines) + "\n", text, flags=re.MULTILINE), encoding="utf-8"
        )
        return
    assert "\n".join(lines) in text
