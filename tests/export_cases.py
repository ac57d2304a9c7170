"""Exported code, compiled and called, for the tests of `constitutive.export`."""

import ctypes
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from constitutive.tensors.packing import from_mandel

STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
ORDER = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # of Abaqus


def tensors(n, size=0.08, seed=1):
    """Random Green–Lagrange strains."""
    return np.asarray(from_mandel(np.random.default_rng(seed).uniform(-size, size, (n, 6))))


def by_law(law, E):
    """ψ, S, dS/dE in GPa."""
    T = torch.from_numpy(E)
    return law.energy(T).numpy(), law.stress(T).numpy(), law.tangent(T).numpy()


def largest_error(found, expected, factor=1.0):
    """Largest deviation of any of the arrays, relative to its largest entry."""
    pairs = zip(found, expected, strict=True)
    return max(float(np.abs(np.asarray(a) / factor - b).max() / np.abs(b).max()) for a, b in pairs)


def shared_library(source: Path, *flags: str, compiler: str = "gcc"):
    """Compile a file into a library of its own name and load it."""
    target = source.with_suffix(source.suffix + ".so")
    command = [compiler, *flags, "-O0", "-fPIC", "-shared", "-o", str(target), str(source), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=source.parent)
    assert done.returncode == 0, done.stderr[-4000:]
    return ctypes.CDLL(str(target))


@lru_cache
def headers_of(compiler: str = "gcc") -> tuple[str, ...]:
    """Options that name the folders of a compiler's own headers, for Clang's front end, which comes without any."""
    listed = subprocess.run([compiler, "-E", "-xc", "-v", "/dev/null"], capture_output=True, text=True, check=True).stderr
    folders = listed.split("#include <...> search starts here:")[1].split("End of search list")[0].split()
    return ("-nostdinc", *(word for folder in folders for word in ("-isystem", folder)))


def clang_diagnostics(source: Path) -> list[str]:
    """What Clang says of a file under the strict options (libclang: the front end as a library, so no Clang need be installed)."""
    from clang.cindex import Index

    return [str(found) for found in Index.create().parse(str(source), args=[*STRICT, *headers_of()]).diagnostics]


def pointer(array):
    """A null pointer, or that of an array."""
    return None if array is None else array.ctypes.data_as(ctypes.c_void_p)


def evaluate(library, name, E, R=None, deviation=True):
    """Flags, ψ, S, dS/dE and the deviation by an exported C library."""
    n = len(E)
    psi, S, C, d = np.zeros(n), np.zeros((n, 3, 3)), np.zeros((n, 3, 3, 3, 3)), np.zeros(n)
    call = getattr(library, f"{name}_from_strain")
    rotation = None if R is None else np.ascontiguousarray(R)
    rows = [np.ascontiguousarray(e) for e in E]
    flags = [
        call(pointer(rows[k]), pointer(rotation), pointer(psi[k:]), pointer(S[k]), pointer(C[k]), pointer(d[k:]) if deviation else None)
        for k in range(n)
    ]
    return np.array(flags), psi, S, C, d


def umat(library, strain, F, constants=(), states=3):
    """STRESS, STATEV, DDSDDE (as a matrix), PNEWDT by Abaqus's interface; the strain is STRAN (engineering shear), 6 or 4 numbers."""
    number = lambda value: ctypes.byref(ctypes.c_int(value))  # noqa: E731
    n = len(strain)
    stress, state, tangent = np.full(n, 7.0), np.full(states, 7.0), np.zeros((n, n), order="F")
    zeros, one, turn = np.zeros(9), np.array([1.0]), np.asfortranarray(np.eye(3))
    cut, gradient, props = np.array([1.0]), np.asfortranarray(F, dtype=float), np.array([*constants, 0.0], dtype=float)
    strain = np.array(strain, dtype=float)
    p = pointer
    library.umat_(
        p(stress), p(state), p(tangent), p(one.copy()), p(zeros), p(zeros), p(zeros), p(zeros), p(zeros), p(zeros), p(strain),
        p(np.zeros(n)),
        p(zeros), p(one), p(one), p(one), p(zeros), p(zeros), ctypes.create_string_buffer(b"X" * 80, 80), number(3), number(n - 3),
        number(n),
        number(states), p(props), number(len(constants)), p(zeros), p(turn), p(cut), p(one), p(turn), p(gradient), number(1), number(1),
        number(1), number(1), (ctypes.c_int * 4)(1, 1, 1, 0), number(1), ctypes.c_size_t(80),
    )  # fmt: skip
    return stress, state, np.array(tangent), float(cut[0])


def abaqus_six(T):
    """Components of a symmetric tensor in the order of Abaqus."""
    return np.array([T[i, j] for i, j in ORDER])
