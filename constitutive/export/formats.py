"""The formats of ``constitutive export``: what each needs and gives, and how it is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from constitutive.errors import ConstitutiveError
from constitutive.export import c_code, fortran, graphs, hooks, tables
from constitutive.export.subject import POLICIES, ExportError, Subject, header, identifier
from constitutive.files import replacing
from constitutive.material import Material
from constitutive.units import STRESS_UNITS

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Format:
    """A format of output.

    Attributes
    ----------
    name : str
        After ``--to``.
    gives, needs : str
        One line each for ``--list``.
    write : callable
        From a subject to the contents of the files by name.
    unit : str
        Unit of stress by default.
    units : tuple of str
        Units that the format can hold.
    holds : {"law", "constants"}
        The whole law, or its elastic constants of second order.
    single : bool
        Whether single precision is available.
    """

    name: str
    gives: str
    needs: str
    write: Callable[[Subject], Files]
    unit: str = "GPa"
    units: tuple[str, ...] = tuple(STRESS_UNITS)
    holds: Literal["law", "constants"] = "law"
    single: bool = False


def _table(name: str) -> Callable[[Subject], Files]:
    """A table of constants; where the format takes no comment, the header is a file of its own."""
    suffix, write = tables.WRITERS[name]

    def files(subject: Subject) -> Files:
        result = {f"{subject.name}{suffix}": write(subject)}
        if name == "elate":
            result[f"{subject.name}.header.txt"] = "\n".join(header(subject, constants=True)) + "\n"
        return result

    return files


def _umat(subject: Subject) -> Files:
    return {f"{subject.name}_umat.c": c_code.umat_c(subject), f"{subject.name}_umat.f90": fortran.umat(subject)}


def _moose(subject: Subject) -> Files:
    block = {f"{subject.name}_neml2.i": tables.neml2(subject)}
    return {**_table("moose")(subject), **block, **c_code.c_library(subject), **hooks.moose_hook(subject)}


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("c", "a C99 header and source: E or F in; S or P, tangent, energy, domain, deviation out",
               "a C compiler", c_code.c_library),
        Format("umat", "Abaqus user material as C and as Fortran 2008: small strain and NLGEOM", "Abaqus, or what calls UMATs",
               _umat, "MPa"),
        Format("calculix", "C for a library that CalculiX loads: @NAME_UMATX (native), @ABAQUS_NAME_UMATABQ",
               "ccx with CALCULIX_EXTERNAL_BEHAVIOURS_SUPPORT, a C compiler",
               lambda s: {f"{c_code.library(s)}.c": c_code.calculix_c(s)}, "MPa"),
        Format("fortran", "a Fortran 2008 module: E or F in; S or P, tangent, energy, domain, deviation out", "a Fortran compiler",
               lambda s: {f"{s.name}.f90": fortran.module(s)}),
        Format("onnx", "a graph from E to energy, S, dS/dE and domain flag", "the package onnx to write, any ONNX runtime to run",
               lambda s: {f"{s.name}.onnx": graphs.to_onnx(s)}, single=True),
        Format("torch", "a torch.export program of the same", "torch 2.6 or newer",
               lambda s: {f"{s.name}.pt2": graphs.to_torch(s)}, single=True),
        Format("jax", "a module of pure functions and an .npz of its arrays: jit, vmap, grad", "jax (to run)", graphs.to_jax),
        Format("mfront", "an MFront behaviour that calls the C library (form checked only)", "MFront/TFEL",
               lambda s: {**hooks.mfront(s), **c_code.c_library(s)}, "MPa"),
        Format("moose", "ComputeElasticityTensor, NEML2's GeneralElasticity, and a material class on the C library (form checked only)",
               "MOOSE", _moose, "MPa"),
        Format("abaqus-elastic", "*ELASTIC, TYPE=ANISOTROPIC", "Abaqus or CalculiX", _table("abaqus-elastic"), "MPa", holds="constants"),
        Format("ansys-anel", "TB,ANEL", "ANSYS", _table("ansys-anel"), "MPa", holds="constants"),
        Format("elate", "ELATE's 6 by 6 text, and its header beside it", "ELATE", _table("elate"), units=("GPa",), holds="constants"),
        Format("pymatgen", "JSON of an ElasticTensor", "pymatgen", _table("pymatgen"), units=("GPa",), holds="constants"),
        Format("elasticipy", "a module that makes a StiffnessTensor", "Elasticipy", _table("elasticipy"),
               units=("GPa",), holds="constants"),
        Format("damask", "material.yaml: a phase with the Hooke law", "DAMASK 3; cubic, hexagonal, tetragonal", _table("damask"), "Pa",
               units=("Pa",), holds="constants"),
    )
}  # fmt: skip


def subject_of(
    material: Material, to: str, unit: str | None = None, outside: str | None = None, precision: str = "double", name: str | None = None
) -> Subject:
    """The material and the settings of an output, checked.

    Raises
    ------
    ExportError
        The format is unknown, or has no such option.
    """
    if to not in FORMATS:
        raise ExportError(f"format {to!r}: found none of that name; needed one of {', '.join(FORMATS)} (see --list)")
    if material.coupled is not None and "polarization" in [variable.name for variable in material.coupled.variables]:
        raise ExportError(
            f"{to}: found an energy of strain and polarisation, which may have wells; needed a law of the strain alone: "
            "calibrate samples at zero field (--variables strain), or take a law of strain and electric field"
        )
    format = FORMATS[to]  # noqa: A001 - the word of the command line
    unit = format.unit if unit is None else unit
    if unit not in format.units:
        raise ExportError(f"{to}: unit {unit!r} found; the format holds {', '.join(format.units)}; leave --unit out")
    if outside is not None and outside not in POLICIES:
        raise ExportError(f"{to}: policy {outside!r} found; needed one of {', '.join(POLICIES)}")
    if outside is not None and format.holds == "constants":
        raise ExportError(f"{to}: a table of elastic constants has no domain; leave --outside out, or export the law (c, umat, onnx …)")
    if precision not in ("double", "single") or (precision == "single" and not format.single):
        raise ExportError(f"{to}: precision {precision!r} found; it is double, and for {', '.join(_singles())} also single")
    own = identifier(name or material.name or "law")
    return Subject(material, to, unit, outside or "warn", precision, own)


def _singles() -> list[str]:
    return [entry.name for entry in FORMATS.values() if entry.single]


def export(
    material: Material,
    to: str,
    path: str | os.PathLike[str],
    *,
    unit: str | None = None,
    outside: str | None = None,
    precision: str = "double",
    name: str | None = None,
) -> list[Path]:
    """Write a material as code or tables of another program.

    Parameters
    ----------
    material : Material
        What leaves; turn it first (``material.rotated(R)``) where a program cannot.
    to : str
        A name of `FORMATS`.
    path : path
        A file with the suffix of the format (further files go beside it, with the same stem), or a folder.
    unit : {"GPa", "MPa", "kPa", "Pa"}, optional
        Unit of stress; by default the format's usual one.
    outside : {"warn", "extend", "stop"}, optional
        At strains outside the domain: use the law as it is, continue its energy, or refuse; the flag is set in each case.
    precision : {"double", "single"}
        Of ONNX and torch graphs.
    name : str, optional
        Identifier in code; by default made of the material's name, or of the file's stem where `path` is a file.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ExportError
        The format cannot hold the material, or the path cannot be written.
    DependencyError
        A package that the format needs is not installed.
    """
    target = Path(path)
    suffixes = _suffixes(to)
    single_file = target.suffix in suffixes and not target.is_dir()
    if single_file and name is None:
        name = target.stem
    subject = subject_of(material, to, unit, outside, precision, name)
    files = FORMATS[to].write(subject)
    placed = _placed(files, target, single_file)
    for place, content in placed.items():
        _write(place, content)
    return list(placed)


def _suffixes(to: str) -> tuple[str, ...]:
    kinds = {"c": ".c", "umat": ".c .f90 .f .for", "calculix": ".c", "fortran": ".f90", "onnx": ".onnx", "torch": ".pt2", "jax": ".py",
             "mfront": ".mfront", "moose": ".i"}  # fmt: skip
    return tuple(kinds[to].split()) if to in kinds else (tables.WRITERS[to][0],) if to in tables.WRITERS else ()


def _placed(files: Files, target: Path, single_file: bool) -> dict[Path, str | bytes]:
    """Where each file goes: into a folder, or one at the path itself and the others beside it."""
    if not single_file:
        return {target / name: content for name, content in files.items()}
    chosen = ".f90" if target.suffix in (".f", ".for") else target.suffix
    main = next(name for name in files if Path(name).suffix == chosen)
    alternatives = {".c", ".f90"} if any(name.endswith("_umat.c") for name in files) else set()
    result: dict[Path, str | bytes] = {target: files[main]}
    for name, content in files.items():
        if name != main and Path(name).suffix not in alternatives:
            result[target.parent / name] = content
    return result


def _write(place: Path, content: str | bytes) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{place.parent}: cannot be made ({error}); name a folder that can be written") from error
    with replacing(place, ConstitutiveError) as draft:
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
