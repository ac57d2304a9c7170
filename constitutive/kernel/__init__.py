"""Laws at native speed: a calibrated law becomes one small C function, compiled once and kept.

    law = kernel.compile(material, orientation=R, unit="MPa")
    law.evaluate(E, stress=S, tangent=C)            # arrays in, arrays filled
    P, dPdF = law(F)

The compiled function holds no state and allocates nothing. Where no compiler exists, torch evaluates the same law behind the same
interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from constitutive.lazy import lazy_names

if TYPE_CHECKING:
    from constitutive.kernel.batch import orientation_map, pack_map
    from constitutive.kernel.compiling import KernelWarning, compile, generate  # noqa: A004 - kernel.compile is its name
    from constitutive.kernel.evaluate import CompiledKernel, Kernel, TorchKernel
    from constitutive.kernel.information import Information, cost_over_native, which

__all__ = [
    "CompiledKernel",
    "Information",
    "Kernel",
    "KernelWarning",
    "TorchKernel",
    "compile",
    "cost_over_native",
    "generate",
    "orientation_map",
    "pack_map",
    "which",
]
# saying which kernel there is takes no torch
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        f"{__name__}.compiling": ["KernelWarning", "compile", "generate"],
        f"{__name__}.batch": ["orientation_map", "pack_map"],
        f"{__name__}.evaluate": ["CompiledKernel", "Kernel", "TorchKernel"],
        f"{__name__}.information": ["Information", "cost_over_native", "which"],
    },
)
