"""Calls of spglib 2.6 to 2.8, without its warnings, and with one kind of error.

Version 2.6 returns None on failure, 2.7 warns that this will change, 2.8 warns on every call or raises, depending on a switch; all
print from C to stderr. Here a failure is None and a reason.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import spglib

from constitutive.errors import SymmetryError

P = ParamSpec("P")
T = TypeVar("T")
_SWITCH = "SPGLIB_WARNING"  # read by spglib's C library before it prints


def spglib_errors() -> tuple[type[Exception], ...]:
    """Exceptions by which spglib 2.7 and later report a failure; none before.

    Returns
    -------
    tuple of exception classes
    """
    error = getattr(getattr(spglib, "error", None), "SpglibError", None)
    return (error,) if error is not None else ()


@contextmanager
def _quiet() -> Iterator[None]:
    before = os.environ.get(_SWITCH)
    os.environ[_SWITCH] = "OFF"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        if before is None:
            del os.environ[_SWITCH]
        else:
            os.environ[_SWITCH] = before


def call(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> tuple[T | None, str]:
    """Result of a function of spglib, and an empty reason; or None and the reason of the failure.

    Parameters
    ----------
    function : callable
        Of spglib; the other arguments are passed to it.

    Returns
    -------
    result : object or None
    reason : str
    """
    with _quiet():
        try:
            result = function(*arguments, **options)
        except spglib_errors() as error:
            return None, str(error)
        if result is None:
            return None, str(spglib.get_error_message() or "no reason given")
    return result, ""


def look_up(function: Callable[P, T | None], *arguments: P.args, **options: P.kwargs) -> T:
    """An entry of spglib's database.

    Parameters
    ----------
    function : callable
        Of spglib; the other arguments are passed to it.

    Returns
    -------
    object

    Raises
    ------
    SymmetryError
        There is no such entry.
    """
    result, reason = call(function, *arguments, **options)
    if result is None:
        raise SymmetryError(f"spglib's database has no entry {arguments} ({reason})")
    return result
