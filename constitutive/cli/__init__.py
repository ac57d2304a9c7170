"""The command line: each command parses its options, calls one package and prints; it lives in a module with ``register(app)``."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import typer
import typer.core

from constitutive import __version__
from constitutive.cli.config import make_configurable
from constitutive.cli.console import complain, out
from constitutive.errors import ConstitutiveError

# in the order of the user's path
COMMANDS = (
    "new",
    "materials",
    "symmetry",
    "plan",
    "simulate",
    "convert",
    "check",
    "calibrate",
    "improve",
    "build",
    "evaluate",
    "constants",
    "wells",
    "twins",
    "import",
    "export",
    "audit",
    "report",
    "compare",
    "doctor",
    "cache",
)
MODULES = {"import": "import_"}  # a word of Python


class Commands(typer.core.TyperGroup):
    """The commands, with advice where a word is none of them."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names."""
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in COMMANDS:
            ctx.fail(advice_on(word))
        return super().resolve_command(ctx, args)


def advice_on(word: str) -> str:
    """What to do about a word where a command is needed.

    Examples
    --------
    >>> advice_on("calibrat")[:53]
    "No such command 'calibrat'. Did you mean 'calibrate'?"
    """
    if Path(word).exists():
        command = "constants" if Path(word).is_dir() else "check"
        return f"{word!r} is a file or folder, and a command is needed before it, such as: constitutive {command} {word}"
    close = difflib.get_close_matches(word, COMMANDS, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"No such command {word!r}.{meant} The commands are: {', '.join(COMMANDS)}."


app = typer.Typer(
    name="constitutive",
    cls=Commands,
    help="Constitutive laws of crystals: symmetry, calibration from simulations, finite elements.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


def _register_commands() -> None:
    """Let the modules add their commands; only its own where the command line names one, which halves the start."""
    named = sys.argv[1:2] if Path(sys.argv[0]).name == "constitutive" else []
    for module in named if named and named[0] in COMMANDS else COMMANDS:
        importlib.import_module(f"{__name__}.{MODULES.get(module, module)}").register(app)


def _let_help_flow() -> None:
    """Join the lines of each paragraph of a docstring, which the terminal wraps at its own width; examples stay as they are."""
    for command in app.registered_commands:
        paragraphs = inspect.cleandoc(command.callback.__doc__ or "").split("\n\n") if command.callback else []
        command.help = "\n\n".join(p if p.startswith(" ") else " ".join(p.split("\n")) for p in paragraphs)


_register_commands()
_let_help_flow()
make_configurable(app)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 a check or an audit failed, 2 bad input or usage (one message on stderr, nothing written),
    130 interrupted.
    """
    try:
        app()
    except ConstitutiveError as error:
        complain(error)
        sys.exit(2)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
