"""What this installation has and what is missing; include it in a request for help."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass, field

from constitutive.kernel import which

# distribution → what it is needed for; the name it is imported by where the two differ
PACKAGES = {
    "numpy": "arrays",
    "scipy": "least squares",
    "torch": "the laws",
    "e3nn": "irreducible representations",
    "spglib": "finding symmetry",
    "pymatgen": "structures",
    "ase": "structures and calculators",
    "pydantic": "checked data",
    "safetensors": "saved laws",
    "matplotlib": "pictures",
    "pyvista": "pictures of finite-element results",
    "fenics-dolfinx": "finite elements",
    "petsc4py": "finite elements",
    "mpi4py": "finite elements in parallel",
}
IMPORT_NAMES = {"fenics-dolfinx": "dolfinx"}
OPTIONAL = {
    "fenics-dolfinx": "constitutive.fem needs it: `conda install -c conda-forge fenics-dolfinx`, or the image dolfinx/dolfinx, "
    "or a checkout's ./dev, which sets it up by itself",
    "petsc4py": "comes with DOLFINx",
    "mpi4py": "comes with DOLFINx",
    "pyvista": "pictures of finite-element results need it: pip install 'constitutive[plot]'",
}


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes
    ----------
    versions : dict
        Version of each package, None where it is missing.
    route : str
        How the environment was made.
    threads : dict
        Cores of the machine and the thread settings in force.
    mpi : str or None
        The MPI library, None where there is none.
    compiler : str or None
        Path of the C compiler that form compilation needs.
    kernel : str
        What evaluates laws in finite elements, and why.
    missing : dict
        Missing package → what to do.
    """

    versions: dict[str, str | None]
    route: str
    threads: dict[str, int | str | None]
    mpi: str | None
    compiler: str | None
    kernel: str
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing that the toolkit needs is missing."""
        return not self.missing


def diagnose() -> Diagnosis:
    """Look at the installation; imports nothing heavy.

    Returns
    -------
    Diagnosis
        Versions, threads, MPI, compiler and kernel; what is missing, each with how to install it.
    """
    versions = {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
    missing = {name: OPTIONAL.get(name, f"pip install {name}") for name, version in versions.items() if version is None}
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        missing["C compiler"] = "DOLFINx compiles forms at run time: install gcc or clang"
    return Diagnosis(versions, _route(), _threads(), _mpi(), compiler, _kernel(), missing)


def _kernel() -> str:
    found = which()
    return f"{'compiled C' if found.kind == 'c' else 'torch'}: {found.reason}"


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        name = IMPORT_NAMES.get(distribution, distribution)
        return None if importlib.util.find_spec(name) is None else "unknown version"


def _route() -> str:
    return os.environ.get("CONSTITUTIVE_ROUTE") or f"the python3 in use, {sys.executable}"


def _threads() -> dict[str, int | str | None]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {"cores": os.cpu_count(), **{name: os.environ.get(name) for name in names}}


def _mpi() -> str | None:
    if importlib.util.find_spec("mpi4py") is None:
        return None
    import mpi4py

    mpi4py.rc.initialize = False  # asking for the version must not start MPI
    from mpi4py import MPI

    return MPI.Get_library_version().splitlines()[0].strip(" \0")
