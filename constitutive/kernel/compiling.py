"""From a material to a kernel: compiled code where it can be had, torch where not."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from constitutive.code_cache import CompilerError, UnsafeCacheError, find_compiler, load
from constitutive.errors import MaterialError
from constitutive.fitting import Uncertainty
from constitutive.kernel.evaluate import (
    CompiledKernel,
    Kernel,
    TorchKernel,
    default_threads,
    innermost_bounded,
)
from constitutive.kernel.flatten import Program, UnsupportedLawError, program
from constitutive.kernel.information import Information
from constitutive.kernel.source import DECLARATION, ENTRY, Source
from constitutive.kernel.uncertainty import FlatUncertainty, flatten_uncertainty
from constitutive.laws import BoundedLaw, Domain, Law, RotatedLaw
from constitutive.material import Material
from constitutive.units import STRESS_UNITS

Choice = Literal["c", "torch"]


class KernelWarning(UserWarning):
    """A law is evaluated by torch although compiled code was chosen."""


_said: set[str] = set()


def compile(  # noqa: A001 - kernel.compile(material) is what it is called
    material: Material | Law,
    *,
    kernel: Choice = "c",
    law: Law | None = None,
    orientation: Float[np.ndarray, "3 3"] | None = None,
    unit: str = "GPa",
    threads: int | None = None,
    cache: Path | None = None,
) -> Kernel:
    """Compile a material's law, or take the compiled one from the cache.

    What is compiled depends on the shape of the law alone (its group, degrees and number of units); its numbers are passed in. So
    the first of many sets of constants takes a second or two, and each later one some milliseconds.

    Parameters
    ----------
    material : Material or Law
        What to evaluate.
    kernel : {"c", "torch"}
        Compiled C, or torch.
    law : Law, optional
        Another law to compile in the material's name: its extension outside the domain, for instance.
    orientation : array (3, 3), optional
        Crystal → lab.
    unit : {"GPa", "MPa", "kPa", "Pa"}
        Unit of stress, tangent and energy.
    threads : int, optional
        Threads that share a batch; ``OMP_NUM_THREADS`` by default.
    cache : Path, optional
        Folder of compiled laws; the user's own by default.

    Returns
    -------
    Kernel
        Compiled; or torch, with one warning, where there is no compiler, the cache is unsafe, or the law has no generated code.

    Raises
    ------
    MaterialError
        No law, an unknown unit or kernel, or a parameter that is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from constitutive import Material, kernel
    >>> silicon = Material.from_constants("m-3m", {"C11": 166.0, "C12": 64.0, "C44": 80.0})
    >>> law = kernel.compile(silicon, unit="MPa")
    >>> strain = np.array([[0.01, 0, 0, 0, 0, 0]])  # E in Mandel components
    >>> stress = np.empty((1, 6))
    >>> law.evaluate(strain, stress=stress)  # the number of strains outside the domain
    0
    >>> stress[0, :3].round(3).tolist()
    [1660.0, 640.0, 640.0]
    """
    law = law_of(material) if law is None else law
    if unit not in STRESS_UNITS or kernel not in ("c", "torch"):
        raise MaterialError(f"unit={unit!r}, kernel={kernel!r}: units are {', '.join(STRESS_UNITS)}; kernels are 'c' and 'torch'")
    given, uncertainty = (material.domain, material.uncertainty) if isinstance(material, Material) else (None, None)
    domain = _domain_of(law, given)
    if kernel == "torch":
        return TorchKernel(law, domain, uncertainty, orientation, STRESS_UNITS[unit], Information("torch", "chosen"))
    try:
        source = generate(material, law)
        built = load(source.shape, DECLARATION + f"long {ENTRY}(const batch *b);", cache)
    except (CompilerError, UnsafeCacheError, UnsupportedLawError) as error:
        _warn_once(f"the law is evaluated by torch, not by compiled code: {error}")
        return TorchKernel(law, domain, uncertainty, orientation, STRESS_UNITS[unit], Information("torch", str(error)))
    reason = f"compiled now by {find_compiler().version}" if built.fresh else f"compiled before by {find_compiler().version}"
    information = Information("c", reason, str(built.path), source.digest)
    count = default_threads() if threads is None else threads
    return CompiledKernel(law, domain, uncertainty, orientation, STRESS_UNITS[unit], source, built, information, count)


def law_of(material: object) -> Law:
    """The law of a material, or the law itself (a law that is turned or bounded holds another, which is not the one meant).

    Raises
    ------
    MaterialError
        It is neither.
    """
    law = material.law if isinstance(material, Material) else material
    if not isinstance(law, Law):
        raise MaterialError(f"found {type(material).__name__} where a Material (Material.load(folder)) or a law was needed")
    return law


def _domain_of(law: Law, given: Domain | None) -> Domain | None:
    """The domain in the law's outer axes: its own where it keeps one, else the material's."""
    if isinstance(law, BoundedLaw):
        return law.domain
    if isinstance(law, RotatedLaw) and innermost_bounded(law) is not None:
        inner = _domain_of(law.law, None)
        return None if inner is None else inner.rotated(law.rotation.numpy())
    return given


def generate(material: Material | Law, law: Law | None = None) -> Source:
    """C source of a material's law (``.text``), readable, with its name, group, hash and equation at the head.

    Parameters
    ----------
    material : Material or Law
        Whose law, and whose name.
    law : Law, optional
        Another law in its name.

    Returns
    -------
    Source
        ``.text`` holds all numbers; ``.shape`` is what :func:`compile` compiles, and takes ``.numbers`` as an argument.

    Raises
    ------
    UnsupportedLawError
        The law is of a kind without generated code.
    MaterialError
        A parameter is not finite.
    """
    law = law_of(material) if law is None else law
    if not isinstance(material, Material):
        return Source(program(law))
    flat = program(law, material.domain)
    return Source(flat, material.name or "unnamed", material.point_group.laue_class, _uncertainty(material.uncertainty, flat))


def _uncertainty(uncertainty: Uncertainty | None, flat: Program) -> FlatUncertainty | None:
    """The uncertainty in the program's axes; None where there is none, or NumPy has to evaluate it."""
    if uncertainty is None:
        return None
    try:
        return flatten_uncertainty(uncertainty, flat.frame, flat.signs)
    except UnsupportedLawError:
        return None


def _warn_once(message: str) -> None:
    if message not in _said:
        _said.add(message)
        warnings.warn(message, KernelWarning, stacklevel=3)
