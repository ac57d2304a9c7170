"""A law as a graph (ONNX, ``torch.export``) and as a differentiable function of arrays (JAX)."""

from __future__ import annotations

import importlib
import io
import json
import warnings
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from constitutive.errors import DependencyError
from constitutive.export import flat
from constitutive.export.subject import ExportError, Subject, header

OUTPUTS = ("energy", "stress", "tangent", "outside")
OPSET = 17
DERIVED = ("stress_", "tangent_", "products")  # arrays that only closed forms need


class FlatLaw(torch.nn.Module):
    """The law of :mod:`constitutive.export.flat` as a module whose graph has no branches.

    Parameters
    ----------
    arrays
        Of :func:`constitutive.export.flat.arrays`.
    dtype
        Precision of all numbers.
    """

    def __init__(self, arrays: flat.Arrays, dtype: torch.dtype):
        super().__init__()
        self.names = tuple(arrays)
        for name, array in arrays.items():
            integer = array.dtype.kind == "i"
            self.register_buffer(name, torch.tensor(array, dtype=torch.int64 if integer else dtype))

    def forward(self, E: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Energy (n,), S (n, 3, 3), dS/dE (n, 3, 3, 3, 3), outside (n,) of Green–Lagrange strains E (n, 3, 3)."""
        return flat.evaluate({name: getattr(self, name) for name in self.names}, E, torch)


def flat_law(subject: Subject) -> tuple[FlatLaw, Tensor]:
    """The module in the chosen precision, and a batch of two strains to trace it with."""
    dtype = torch.float64 if subject.precision == "double" else torch.float32
    return FlatLaw(flat.arrays(subject), dtype), 0.001 * torch.arange(18, dtype=dtype).reshape(2, 3, 3)


def needed(module: str, format: str) -> ModuleType:  # noqa: A002 - the word of the command line
    """Import an optional package.

    Raises
    ------
    DependencyError
        It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DependencyError(
            f"--to {format} needs the package {module}: pip install {module} (or pip install 'constitutive[export]')"
        ) from error


def to_onnx(subject: Subject) -> bytes:
    """An ONNX model: E → energy, stress, tangent, outside.

    Raises
    ------
    DependencyError
        The package onnx is not installed.
    """
    onnx = needed("onnx", subject.format)
    module, example = flat_law(subject)
    file = io.BytesIO()
    axes = {name: {0: "n"} for name in ("E", *OUTPUTS)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes of the tracer on constants of the law
        torch.onnx.export(
            module, (example,), file, input_names=["E"], output_names=list(OUTPUTS), dynamic_axes=axes, opset_version=OPSET, dynamo=False
        )
    model = onnx.load_from_string(file.getvalue())
    model.doc_string = "\n".join(header(subject))
    model.producer_name = "constitutive"
    onnx.helper.set_model_props(model, properties(subject))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def properties(subject: Subject) -> dict[str, str]:
    """The header as names and values."""
    result: dict[str, str] = {}
    last = ""
    for line in header(subject):
        name, _, value = line.partition(":")
        if line.startswith(" "):
            result[last] += "; " + line.strip()
        else:
            last = name
            result[name] = value.strip()
    return result


def to_torch(subject: Subject) -> bytes:
    """A ``torch.export`` program with a free batch size; ``torch.export.load(path).module()(E)`` evaluates it."""
    module, example = flat_law(subject)
    batch = torch.export.Dim("n", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, (example,), dynamic_shapes={"E": {0: batch}}, strict=False)
        file = io.BytesIO()
        torch.export.save(exported, file, extra_files={"header.json": json.dumps(properties(subject))})
    return file.getvalue()


JAX = '''"""{header}

Functions of Green-Lagrange strains E (..., 3, 3), pure and differentiable: energy(E), stress(E), tangent(E), outside(E).
They need jax in double precision (jax.config.update("jax_enable_x64", True) before any array is made) and {file} beside this file.
"""

import pathlib

import jax
import jax.numpy as xp
import numpy as np

if not jax.config.jax_enable_x64:
    raise RuntimeError('the law needs jax.config.update("jax_enable_x64", True) before this import')
with np.load(pathlib.Path(__file__).with_name("{file}")) as _file:
    P = {{name: _file[name] for name in _file.files if name != "header"}}


{functions}

def outside(E, p=P):
    return distance(p, xp.asarray(E).reshape(*xp.shape(E)[:-2], 9) @ p["basis"].T)[1]


stress = jax.jit(xp.vectorize(jax.grad(energy), excluded={{1}}, signature="(i,j)->(i,j)"))
tangent = jax.jit(xp.vectorize(jax.hessian(energy), excluded={{1}}, signature="(i,j)->(i,j,k,l)"))
'''


def to_jax(subject: Subject) -> dict[str, bytes]:
    """A module and the ``.npz`` file of its arrays."""
    if subject.precision != "double":
        raise ExportError("jax: the function is written in double precision; leave --precision out")
    file = io.BytesIO()
    contents = {
        "header": np.array("\n".join(header(subject))),
        **{k: v for k, v in flat.arrays(subject).items() if not k.startswith(DERIVED)},
    }
    np.savez(file, **contents)  # type: ignore[arg-type] # its stub takes the first of the names for an option
    text = JAX.format(header="\n".join(header(subject)).replace("\\", "/"), file=f"{subject.name}.npz", functions=flat.source_text())
    return {f"{subject.name}.py": text.encode(), f"{subject.name}.npz": file.getvalue()}
