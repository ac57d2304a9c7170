"""Which kernel a law gets, and why; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from constitutive.code_cache import CompilerError, UnsafeCacheError, check_folder, default_folder, find_compiler, processor

# (update + assembly) over the assembly of a form in UFL on Q1 hexahedra, measured (benchmarks/fem.py --materials): of a series, and more
# for each orbit unit under a group with three twofold axes at right angles, with vectors of eight doubles (True) and of four
COST_OF_SERIES = 0.56
COST_OF_UNIT = {True: 4.5e-4, False: 8.3e-4}
SLOWER = {4: 1.0, 2: 1.25, 1: 1.85}  # times, by how many units share their products (benchmarks/kernel.py)


@dataclass(frozen=True)
class Information:
    """Which kernel a law got, and why.

    Attributes
    ----------
    kind : str
        ``"c"`` or ``"torch"``.
    reason : str
        Why.
    path : str or None
        The compiled module.
    digest : str or None
        Hash of what it evaluates.
    """

    kind: Literal["c", "torch"]
    reason: str
    path: str | None = None
    digest: str | None = None


def which() -> Information:
    """Which kernel a law would get here, and why: for ``constitutive doctor``.

    Returns
    -------
    Information
    """
    try:
        compiler = find_compiler()
        check_folder(default_folder())
    except (CompilerError, UnsafeCacheError) as error:
        return Information("torch", str(error))
    return Information("c", f"{compiler.version}, kept in {default_folder()}", compiler.path)


def cost_over_native(units: int, shared: int = 4) -> float:
    """About what a law costs in finite elements, relative to St Venant–Kirchhoff written in UFL: evaluation and assembly on Q1 hexahedra.

    Parameters
    ----------
    units : int
        Orbit units |G|·H.
    shared : {1, 2, 4}
        How many units share their products: twice as many for each twofold axis along a coordinate axis, two of three counted.

    Returns
    -------
    float
        From measured figures for processors with AVX-512, and without it; this machine's kind is taken.
    """
    return COST_OF_SERIES + COST_OF_UNIT["avx512f" in processor()] * SLOWER[shared] * units
