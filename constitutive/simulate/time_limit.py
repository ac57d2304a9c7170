"""A calculator in a process of its own, each of whose calculations is ended at a time limit: for the examination and the relaxation."""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, ClassVar, final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes

from constitutive.errors import DataError
from constitutive.simulate.calculators import CalculatorSpec
from constitutive.simulate.cells import bare
from constitutive.simulate.sample import calculator_of


@contextlib.contextmanager
def calculator_made(spec: CalculatorSpec, seconds: float | None = None) -> Iterator[BaseCalculator]:
    """A calculator with a scratch folder in this process, or in one of its own where its calculations have a time limit.

    Parameters
    ----------
    spec : CalculatorSpec
    seconds : float
        For one calculation; None for no limit.

    Yields
    ------
    ase Calculator

    Raises
    ------
    DataError
        The name or an option is unknown.
    DependencyError
        Its package is not installed.
    """
    if seconds is None:
        with tempfile.TemporaryDirectory(prefix="constitutive-") as scratch:
            yield spec.make(scratch)
    else:
        with TimeLimited(spec, seconds) as limited:
            yield limited


@final
class TimeLimited(Calculator, AbstractContextManager["TimeLimited"]):
    """An ASE calculator that lets a process of its own compute, and ends it where that takes too long.

    The process makes the calculator once and keeps it, with whatever that keeps from one calculation to the next.

    Parameters
    ----------
    spec : CalculatorSpec
        Which calculator.
    seconds : float
        For one calculation: energy, forces and stress of a cell.

    Raises
    ------
    DataError
        Of a calculation: it took longer, or the process was lost.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, spec: CalculatorSpec, seconds: float):
        from pebble import ProcessPool  # deferred: only where a limit is asked for

        super().__init__()
        self.spec, self.seconds = spec, seconds
        self._pool = ProcessPool(max_workers=1, context=multiprocessing.get_context("spawn"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.stop()
        self._pool.join()

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Energy, forces and stress.

        Parameters
        ----------
        atoms : Atoms
        properties : sequence of str
            All are computed.
        system_changes : list of str
            As ASE passes them.

        Raises
        ------
        DataError
            The calculation took longer than the limit, or its process was lost.
        """
        super().calculate(atoms, properties, system_changes)
        cell = bare(self.atoms)
        future = self._pool.schedule(_calculated, args=(self.spec, cell), timeout=self.seconds)
        try:
            found = future.result()
        except TimeoutError as error:
            raise DataError(
                f"the calculator {self.spec.name} took longer than the time limit of {self.seconds:g} s for one calculation of "
                f"{cell.get_chemical_formula()}; needed an answer: try the calculator by ASE alone, or raise --time-limit"
            ) from error
        self.results = {**found, "free_energy": found["energy"]}


def _calculated(spec: CalculatorSpec, atoms: Atoms) -> dict[str, Any]:
    """In the process: what the calculator returns, in ASE's units."""
    atoms.calc = calculator_of(spec)
    return {
        "energy": float(atoms.get_potential_energy()),
        "forces": np.asarray(atoms.get_forces()),
        "stress": np.asarray(atoms.get_stress()),
    }
