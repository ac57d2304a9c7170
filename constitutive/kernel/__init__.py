"""Laws at native speed: a calibrated law becomes one small C function, compiled once and kept.

    law = kernel.compile(material, orientation=R, unit="MPa")
    law.evaluate(E, stress=S, tangent=C)            # arrays in, arrays filled
    P, dPdF = law(F)

The compiled function holds no state and allocates nothing. Where no compiler exists, torch evaluates the same law behind the same
interface.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constitutive.kernel.compiling import KernelWarning, compile, generate  # noqa: A004 - kernel.compile is its name
    from constitutive.kernel.evaluate import CompiledKernel, Kernel, TorchKernel, orientation_map, pack_map
    from constitutive.kernel.information import Information, which

_HOME = {
    "CompiledKernel": "evaluate",
    "Information": "information",
    "Kernel": "evaluate",
    "KernelWarning": "compiling",
    "TorchKernel": "evaluate",
    "compile": "compiling",
    "generate": "compiling",
    "orientation_map": "evaluate",
    "pack_map": "evaluate",
    "which": "information",
}
__all__ = [
    "CompiledKernel",
    "Information",
    "Kernel",
    "KernelWarning",
    "TorchKernel",
    "compile",
    "generate",
    "orientation_map",
    "pack_map",
    "which",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: saying which kernel there is takes no torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
