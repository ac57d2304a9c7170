"""``--config FILE.yaml`` for every command: options from a file, and the options that were used beside what was written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Protocol, get_type_hints, runtime_checkable

import typer

from constitutive.errors import ConstitutiveError
from constitutive.files import write_text
from constitutive.plain import JsonObject, plain

HELP = "Take options from a YAML file (keys: the long options; or a section for each command). Options given here win."
LARGEST_FILE = 1 << 20  # bytes


@runtime_checkable
class Parameter(Protocol):
    """What is used of an option or an argument; typer and click have a class of this name each."""

    @property
    def name(self) -> str | None:
        """Of the variable."""

    @property
    def opts(self) -> list[str]:
        """As written on the command line."""

    @property
    def metavar(self) -> str | None:
        """Shown for the value."""


@runtime_checkable
class Command(Protocol):
    """What is used of a command."""

    params: list[Parameter]


@runtime_checkable
class Context(Protocol):
    """What is used of the context that a command runs in."""

    command: Command
    info_name: str | None
    default_map: JsonObject | None
    resilient_parsing: bool


def make_configurable(app: typer.Typer) -> None:
    """Give every command of an app the option ``--config``.

    Parameters
    ----------
    app : typer.Typer
        Changed in place, after all its commands have been registered.
    """
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_config(command.callback)


def _with_config(function: Callable[..., object]) -> Callable[..., object]:
    """The function of a command, with ``--config`` read before and echoed after it."""
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    own = [p.replace(annotation=hints.get(name, p.annotation)) for name, p in signature.parameters.items()]
    kind = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    config = inspect.Parameter("config", kind, default=None, annotation=ConfigOption)

    @functools.wraps(function)
    def run(ctx: Context, config: Path | None = None, **options: object) -> object:
        try:
            return function(**options)
        finally:
            if config is not None:
                _echo(ctx, config, options)

    run.__signature__ = signature.replace(parameters=[context, *own, config])  # type: ignore[attr-defined]  # read by inspect
    run.__annotations__ = {**hints, "ctx": typer.Context, "config": ConfigOption}
    del run.__wrapped__  # inspect would look through to the old signature
    return run


def _read_config(ctx: Context, value: Path | None) -> Path | None:
    """Make the file's options the defaults of this command."""
    if value is None or ctx.resilient_parsing:
        return value
    found = options_of(value, str(ctx.info_name))
    parameters = [p for p in ctx.command.params if p.name not in ("config", "help")]
    names = {_normal(name): str(p.name) for p in parameters for name in _names(p)}
    unknown = sorted(set(found) - set(names))
    if unknown:
        known = ", ".join(sorted(_normal(_names(p)[0]) for p in parameters))
        raise ConstitutiveError(f"{value}: {', '.join(unknown)}: no option of {ctx.info_name!r}; it has: {known}")
    ctx.default_map = {**(ctx.default_map or {}), **{names[key]: entry for key, entry in found.items()}}
    return value


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE.yaml", help=HELP, is_eager=True, callback=_read_config, show_default=False),
]


def options_of(file: Path, command: str) -> JsonObject:
    """The options that a YAML file holds for a command, by normal name.

    Raises
    ------
    ConstitutiveError
        The file is missing, too large, no YAML, or no mapping of names to values.
    """
    import yaml

    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ConstitutiveError(f"{file}: more than {LARGEST_FILE} bytes; a file of options is short")
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConstitutiveError(f"{file}: cannot be read as YAML ({str(error).splitlines()[0]})") from error
    document = {} if document is None else document
    if isinstance(document, dict) and isinstance(document.get(command), dict):
        document = document[command]
    elif isinstance(document, dict) and document and all(isinstance(entry, dict) for entry in document.values()):
        document = {}  # sections of other commands only
    if not isinstance(document, dict):
        raise ConstitutiveError(f"{file}: names and values of options are needed, {type(document).__name__} found")
    return {_normal(str(key)): value for key, value in document.items()}


def _echo(ctx: Context, source: Path, options: Mapping[str, object]) -> None:
    """Write the options that a command ran with beside its output, where it has one and wrote it."""
    output = next((p for p in ctx.command.params if "--out" in p.opts and options.get(str(p.name)) is not None), None)
    if output is None or not Path(str(options[str(output.name)])).exists():
        return
    import yaml

    place = Path(str(options[str(output.name)]))
    file = place / "config.yaml" if place.is_dir() else place.with_name(f"{place.stem}.config.yaml")
    used = {_normal(_names(p)[0]): _text(plain(options[str(p.name)])) for p in ctx.command.params if p.name in options}
    text = f"# what `constitutive {ctx.info_name}` ran with; its options came from {source} and the command line\n"
    text += yaml.safe_dump({str(ctx.info_name): used}, sort_keys=False, allow_unicode=True)
    write_text(file, text)


def _names(parameter: Parameter) -> list[str]:
    """Long names of an option, or the metavar of an argument, and its variable."""
    long = [name for name in parameter.opts if name.startswith("--")]
    metavar = [str(parameter.metavar)] if not long and parameter.metavar else []
    return [*long, *metavar, str(parameter.name)]


def _normal(name: str) -> str:
    return name.lstrip("-").replace("_", "-").lower()


def _text(value: object) -> object:
    """Values without a YAML type, such as a path, as text."""
    if isinstance(value, list):
        return [_text(entry) for entry in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
