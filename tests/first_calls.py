"""Types checked at the first calls of each function in each test: jaxtyping binds the arguments of every call anew, which takes longer than
most functions of the package, and a wrong annotation shows at once."""

import functools
import types
from collections.abc import Callable
from typing import Any

import jaxtyping

CALLS = 10  # of one function that are checked in one test

_decorate = jaxtyping.jaxtyped
_seen: dict[int, int] = {}  # by the identity of a function's code, which its inner copies share


def start_test() -> None:
    """Check the first calls again."""
    _seen.clear()


def _jaxtyped(*functions: Any, **options: Any) -> Any:
    """In the place of ``jaxtyping.jaxtyped``, which the import hook of the type checks puts on every function and class."""
    decorate = _decorate(*functions, **options)
    if functions:
        return decorate

    def limited(function: Any) -> Any:
        if not isinstance(function, types.FunctionType):
            return decorate(function)
        return function if _seen.get(id(function.__code__), 0) >= CALLS else _checked_at_first(function, decorate)

    return limited


def _checked_at_first(function: types.FunctionType, decorate: Callable) -> Callable:
    code = id(function.__code__)
    made: list[Callable] = []  # at the first call: an inner function is often made and never called

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        calls = _seen.get(code, 0)
        if calls >= CALLS:
            return function(*arguments, **options)
        _seen[code] = calls + 1
        if not made:
            made.append(decorate(function))
        return made[0](*arguments, **options)

    return run


jaxtyping.jaxtyped = _jaxtyped
