"""The command line of an example: a folder for its pictures, and every size that its ``main`` takes."""

from __future__ import annotations

import argparse
import inspect
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

NON_NEGATIVE = ("seed",)


def run(main: Callable[..., Any], text: str | None) -> None:
    """Call ``main`` with the options of the command line; ``text`` is the example's docstring."""
    options = arguments(main, text)
    main(options.pop("out"), **options)


def arguments(main: Callable[..., Any], text: str | None, words: Sequence[str] | None = None) -> dict[str, Any]:
    """Options by name: those keywords of ``main`` whose default is a path, a number or a tuple of numbers; a wrong one ends the program."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, parameter in inspect.signature(main).parameters.items():
        default = parameter.default
        if isinstance(default, Path):
            parser.add_argument(f"--{name}", type=Path, default=default, help=f"folder to write to ({default})")
        elif isinstance(default, tuple):
            shown = " ".join(f"{value:g}" for value in default)
            form = _whole if isinstance(default[0], int) else _finite
            parser.add_argument(f"--{name}", type=form, nargs="+", default=default, metavar="N", help=f"({shown})")
        elif isinstance(default, int | float):
            form = _count if name in NON_NEGATIVE else _whole if isinstance(default, int) else _positive
            parser.add_argument(f"--{name}", type=form, default=default, metavar="N", help=f"({default:g})")
    found = vars(parser.parse_args(words))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def _finite(word: str) -> float:
    return _number(word, float, "a finite number", lambda value: True)


def _positive(word: str) -> float:
    return _number(word, float, "a finite number above zero", lambda value: value > 0)


def _whole(word: str) -> int:
    return int(_number(word, int, "a whole number of at least 1", lambda value: value >= 1))


def _count(word: str) -> int:
    return int(_number(word, int, "a whole number of at least 0", lambda value: value >= 0))


def _number(word: str, form: Callable[[str], float], needed: str, allowed: Callable[[float], bool]) -> float:
    try:
        value = form(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not allowed(value):
        raise argparse.ArgumentTypeError(f"found {word!r}; needed {needed}")
    return value
