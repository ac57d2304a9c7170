"""Compiled sources on disk: built once, safely, however many processes need them at the same time.

An entry is a folder named by the hash of source, compiler, flags and processor, with the compiled module and the hash of that
module. It is made in a folder aside and renamed into place, under a lock, so that a reader finds a whole entry or none; an entry
whose module does not have the hash of its record is built anew. The cache belongs to its user alone (mode 0700), for loading a
module runs it. What was not used for longest is removed where the cache grows beyond :data:`LIMIT`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.machinery
import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from constitutive.errors import DependencyError

FLAGS = ("-std=gnu17", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", "-g0")
VERSION = "1"  # of the layout of an entry
LIMIT = 128 << 20  # bytes that the cache may hold: some 800 shapes of laws
_ENTRY = re.compile(r"[0-9a-f]{32}")


Handle: TypeAlias = Any  # of cffi, which has no types


class CompilerError(DependencyError):
    """No C compiler, or one that cannot compile the generated code."""


class UnsafeCacheError(DependencyError):
    """The cache folder is not the user's alone."""


@dataclass(frozen=True)
class Compiler:
    """The C compiler in use.

    Attributes
    ----------
    path : str
        Where it is.
    version : str
        First line of its ``--version``.
    """

    path: str
    version: str


@lru_cache(maxsize=8)
def _asked(path: str) -> str:
    result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    return (result.stdout or result.stderr).splitlines()[0].strip() if result.returncode == 0 else ""


def compiler_command() -> list[str]:
    """Program and options of the compiler that setuptools, and so FFCx, takes: ``CC``, or the one that Python was built with."""
    return (os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc")).split()


def find_compiler() -> Compiler:
    """The compiler in use, if it works.

    Raises
    ------
    CompilerError
        There is none that runs, or cffi or Python's headers are missing.
    """
    command = compiler_command()
    path = shutil.which(command[0])
    if path is None or not (version := _asked(path)):
        raise CompilerError(f"the C compiler {command[0]!r} is not there or does not run: install gcc or clang, or set CC")
    if importlib.util.find_spec("cffi") is None:
        raise CompilerError("cffi is not installed: pip install cffi")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        raise CompilerError("Python.h is missing: install python3-dev (the headers of this Python)")
    return Compiler(path, version)


@lru_cache(maxsize=1)
def processor() -> str:
    """What ``-march=native`` depends on: a home folder may serve machines of several makes."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        lines = [line for line in text.splitlines() if line.startswith(("model name", "flags", "Features", "CPU part"))][:2]
    return "\n".join([platform.machine(), platform.processor(), *lines])


def default_folder() -> Path:
    """Where compiled laws are kept: ``$XDG_CACHE_HOME/constitutive/kernels`` or ``~/.cache/constitutive/kernels``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constitutive" / "kernels"


def check_folder(folder: Path) -> None:
    """Make the cache folder, or check that it is the user's own and closed to others.

    Raises
    ------
    UnsafeCacheError
        It is a link, belongs to someone else, or is open to others and cannot be closed.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            owner = f"a link or not a folder, or belongs to user {found.st_uid}"
            raise UnsafeCacheError(f"the cache {folder} is {owner}: remove it or set XDG_CACHE_HOME")
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)
            _remove_strangers(folder)
    except OSError as error:
        raise UnsafeCacheError(f"the cache {folder} cannot be made or closed to others ({error}): set XDG_CACHE_HOME") from error


def _remove_strangers(folder: Path) -> None:
    """Remove entries that others may have put there while the folder was open."""
    for entry in folder.iterdir():
        if not entry.is_dir() or entry.is_symlink():
            entry.unlink()
        else:
            shutil.rmtree(entry)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; file systems without locks do without (the rename alone keeps entries whole)."""
    with open(path, "a") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Built:
    """A loaded module.

    Attributes
    ----------
    ffi, lib
        cffi's handles.
    path : Path
        The compiled module.
    fresh : bool
        Whether it was compiled now.
    """

    ffi: Handle
    lib: Handle
    path: Path
    fresh: bool


def entry_name(source: str, compiler: Compiler) -> str:
    """Content hash of everything that the compiled module depends on."""
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    parts = (VERSION, source, compiler.path, compiler.version, *FLAGS, suffix, processor())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def load(source: str, declaration: str, folder: Path | None = None) -> Built:
    """Load the compiled source, compiling it where the cache has no whole entry.

    Parameters
    ----------
    source : str
        C.
    declaration : str
        What of it Python may call.
    folder : Path, optional
        The cache; the user's own by default.

    Raises
    ------
    CompilerError
        No compiler, or it refuses the source.
    UnsafeCacheError
        The cache is not the user's alone.
    """
    compiler = find_compiler()
    folder = default_folder() if folder is None else folder
    check_folder(folder)
    name = entry_name(source, compiler)
    entry = folder / name
    if whole(entry):
        with contextlib.suppress(ImportError, OSError):
            found = _imported(entry, name, fresh=False)
            os.utime(entry / "sha256")  # the time of its last use
            return found
    with locked(folder / f"{name}.lock"):
        if not whole(entry):  # otherwise another process has just built it
            _build(source, declaration, entry, name)
            remove_least_used(folder, keep=name)
            return _imported(entry, name, fresh=True)
        try:
            return _imported(entry, name, fresh=False)
        except (ImportError, OSError):  # whole, and still not a module of this Python
            _build(source, declaration, entry, name)
            return _imported(entry, name, fresh=True)


@dataclass(frozen=True)
class Usage:
    """What a cache holds.

    Attributes
    ----------
    folder : Path
        Where it is.
    modules : int
        Compiled modules.
    size : int
        Bytes.
    """

    folder: Path
    modules: int
    size: int


def _entries(folder: Path) -> list[tuple[float, int, Path]]:
    """Time of last use, bytes and path of each entry, the least used first."""
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        if _ENTRY.fullmatch(entry.name) and entry.is_dir():
            with contextlib.suppress(OSError):  # another process may be removing it
                stamp = entry / "sha256"
                used = (stamp if stamp.exists() else entry).stat().st_mtime
                found.append((used, sum(file.stat().st_size for file in entry.iterdir()), entry))
    return sorted(found)


def usage(folder: Path | None = None) -> Usage:
    """How much a cache holds; the user's own by default."""
    folder = default_folder() if folder is None else folder
    entries = _entries(folder)
    return Usage(folder, len(entries), sum(size for _, size, _ in entries))


def clear(folder: Path | None = None) -> Usage:
    """Remove all compiled modules; laws that are loaded stay usable, and the next ones are compiled anew.

    Returns
    -------
    Usage
        What was there.
    """
    found = usage(folder)
    for _, _, entry in _entries(found.folder):
        _remove(entry)
    return found


def remove_least_used(folder: Path, *, keep: str, limit: int = LIMIT) -> None:
    """Remove the entries that were not used for longest until the rest is within the limit; ``keep`` stays."""
    entries = _entries(folder)
    size = sum(bytes_ for _, bytes_, _ in entries)
    for _, bytes_, entry in entries:
        if size > limit and entry.name != keep:
            _remove(entry)
            size -= bytes_


def _remove(entry: Path) -> None:
    shutil.rmtree(entry, ignore_errors=True)
    entry.with_name(f"{entry.name}.lock").unlink(missing_ok=True)


def module_of(entry: Path) -> Path:
    """The compiled module of an entry."""
    return entry / f"law{sysconfig.get_config_var('EXT_SUFFIX')}"


def whole(entry: Path) -> bool:
    """Whether an entry is the user's, closed to others, and its module is the one that was recorded."""
    try:
        parts = (entry, module_of(entry), entry / "sha256")
        mine = all(p.lstat().st_uid == os.geteuid() and not p.is_symlink() and not p.stat().st_mode & 0o022 for p in parts)
        return mine and (entry / "sha256").read_text() == _hash(module_of(entry))
    except OSError:
        return False


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _build(source: str, declaration: str, entry: Path, name: str) -> None:
    """Compile aside, record the hash, rename."""
    aside = Path(tempfile.mkdtemp(prefix=f"{name}.building-", dir=entry.parent))
    try:
        _compile(source, declaration, aside, name)
        (aside / "sha256").write_text(_hash(module_of(aside)))
        if entry.exists() or entry.is_symlink():
            broken = Path(tempfile.mkdtemp(prefix=f"{name}.broken-", dir=entry.parent))
            entry.rename(broken / "entry")
            shutil.rmtree(broken, ignore_errors=True)
        aside.rename(entry)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _compile(source: str, declaration: str, aside: Path, name: str) -> None:
    """Let cffi write the module and the compiler make it; called here, its messages are kept and other threads stay undisturbed."""
    import cffi

    builder = cffi.FFI()
    builder.cdef(declaration)
    builder.set_source(f"law_{name}", source, compiler_verbose=0)  # it would print
    builder.emit_c_code(str(aside / "law.c"))
    link = str(sysconfig.get_config_var("LDSHARED") or "cc -shared").split()[1:]
    include = ["-fPIC", f"-I{sysconfig.get_paths()['include']}", f"-I{sysconfig.get_paths()['platinclude']}"]
    for flags in (FLAGS, [flag for flag in FLAGS if flag != "-march=native"]):
        command = [*compiler_command(), *include, *link, *flags, "law.c", "-o", module_of(aside).name, "-lm"]
        result = subprocess.run(command, cwd=aside, capture_output=True, text=True, timeout=600, check=False)
        if result.returncode == 0:
            module_of(aside).chmod(0o700)
            return
    raise CompilerError(f"the C compiler refuses the generated code:\n{result.stderr[-2000:]}")


def _imported(entry: Path, name: str, *, fresh: bool) -> Built:
    module_name = f"law_{name}"
    loader = importlib.machinery.ExtensionFileLoader(module_name, str(module_of(entry)))
    spec = importlib.util.spec_from_file_location(module_name, module_of(entry), loader=loader)
    if spec is None:
        raise ImportError(f"no module can be loaded from {entry}")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return Built(module.ffi, module.lib, module_of(entry), fresh)
