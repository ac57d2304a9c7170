"""Which kernel a law gets, and why; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from constitutive.code_cache import CompilerError, UnsafeCacheError, check_folder, default_folder, find_compiler


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
