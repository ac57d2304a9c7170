"""What all commands share: results go to stdout, everything else to stderr, and ``--json`` is one object on stdout."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping

from rich.console import Console

from constitutive.plain import Json, JsonObject, plain

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def emit(as_json: bool, payload: Mapping[str, object] | list[JsonObject], render: Callable[[], None]) -> None:
    """Print a result: the payload as one JSON value, or what ``render`` draws for a person.

    Parameters
    ----------
    as_json : bool
        The command's ``--json``.
    payload : mapping or list of dict
        Plain Python and NumPy values; a number that is not finite becomes null.
    render : callable
        Draws the same result on :data:`out`.
    """
    if as_json:
        sys.stdout.write(json.dumps(_finite(plain(payload)), default=str, allow_nan=False, ensure_ascii=False) + "\n")
    else:
        render()


def _finite(value: Json) -> Json:
    """JSON has no NaN and no infinity: such a figure is null."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def complain(message: object) -> None:
    """Print one message on stderr, as plain text: a file name may look like markup.

    Parameters
    ----------
    message : object
        Shown as ``str(message)``.
    """
    err.print("[bold red]constitutive:[/] ", end="")
    err.print(str(message), markup=False, soft_wrap=True)


def say_note(note: str) -> None:
    """Print one remark on stderr.

    Parameters
    ----------
    note : str
        What the user should know.
    """
    err.print("[yellow]note:[/] ", end="")
    err.print(note, markup=False, soft_wrap=True)


class ProgressBar:
    """A progress bar on stderr, gone when done: call it with what is being done and the fraction done."""

    def __enter__(self) -> ProgressBar:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=err, transient=True)
        self._progress.start()
        self._task = self._progress.add_task("starting", total=1.0)
        return self

    def __call__(self, what: str, fraction: float) -> None:
        """Show what is being done and the fraction done."""
        self._progress.update(self._task, description=what, completed=fraction)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
