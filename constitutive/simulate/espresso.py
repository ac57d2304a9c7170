"""Quantum ESPRESSO through ASE, with the stress of its XML: the text output has eight decimals in Ry/bohr³, a step of 1.5e-4 GPa."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.espresso import Espresso, EspressoProfile
from ase.io.espresso import Namelist

from constitutive.errors import DataError
from constitutive.plain import Json, JsonObject
from constitutive.readers.espresso_xml import read_xml
from constitutive.readers.reading import Reading
from constitutive.simulate.cells import GPA

OPTIONS = (
    "pseudopotentials", "kpts", "kspacing", "koffset", "input_data", "command", "pseudo_dir", "additional_cards", "crystal_coordinates",
)  # fmt: skip


@final
class EspressoRuns(Espresso):
    """``pw.x`` runs in a scratch folder.

    Parameters
    ----------
    folder : path
        Of the runs.
    base : str
        The folder that ``pseudo_dir`` starts from.
    command : str
        That starts ``pw.x``, such as ``"mpirun -n 4 pw.x"``.
    pseudo_dir : str
        With the pseudopotentials.
    input_data : dict
        Namelists of the input; stress and forces are always asked for.
    koffset : list of int
        Shift of the k-grid; none by default, which leaves it centred at Γ.
    **options
        Others of `ase.calculators.espresso.Espresso`: ``pseudopotentials``, ``kpts``.

    Raises
    ------
    DataError
        ASE knows no such option, or pw.x no such namelist.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base: str = ".",
        command: str = "pw.x",
        pseudo_dir: str = "pseudo",
        input_data: JsonObject | None = None,
        koffset: Sequence[int] = (0, 0, 0),
        **options: Json,
    ):
        if unknown := sorted({*options} - {*OPTIONS}):  # ASE passes over them: without kpts there would be one k-point
            raise DataError(f"calculator espresso: found the option {', '.join(unknown)}; needed one of {', '.join(OPTIONS)}")
        _require_known_input(input_data or {})
        data = {key: dict(part) if isinstance(part, dict) else part for key, part in (input_data or {}).items()}
        data.setdefault("control", {}).update(tstress=True, tprnfor=True)
        profile = EspressoProfile(command=command, pseudo_dir=str((Path(base) / pseudo_dir).resolve()))
        super().__init__(profile=profile, directory=str(folder), input_data=data, koffset=tuple(koffset), **options)
        self._input = data
        self._last: Atoms | None = None  # whose run ended

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Run ``pw.x``; energy (eV), forces (eV/Å) and stress (eV/Å³, tension positive, xx yy zz yz xz xy) are kept in ``results``.

        Parameters
        ----------
        atoms : Atoms
            The cell.
        properties, system_changes : list of str
            As ASE calls it.

        Raises
        ------
        DataError
            There is no XML of the run, or it did not converge.
        """
        folder = Path(self.directory)
        for old in folder.rglob("data-file-schema.xml"):
            old.unlink()
        bare = None if atoms is None else atoms.copy()
        if bare is not None:
            bare.set_constraint()  # those of our relaxations are not pw.x's
            self._begin(bare)
        self._last = None
        super().calculate(bare, properties, system_changes)
        found = next(iter(sorted(folder.rglob("data-file-schema.xml"))), None)
        if found is None:
            raise DataError(f"espresso: found no data-file-schema.xml in {folder}; needed that of the run; is pw.x older than 6.3?")
        (frame,) = read_xml(found, Reading())
        self.results["stress"] = frame.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * GPA
        if frame.forces is not None:
            self.results["forces"] = frame.forces
        if frame.energy is not None:
            self.results["energy"] = self.results["free_energy"] = frame.energy
        self._last = bare

    def _begin(self, atoms: Atoms) -> None:
        """Let pw.x begin with the density of the last run where only the ions moved, with that of free atoms otherwise."""
        last = self._last
        same = last is not None and np.array_equal(last.cell.array, atoms.cell.array) and np.array_equal(last.numbers, atoms.numbers)
        namelists = _nested(self._input)
        if same and any(Path(self.directory).rglob("charge-density.*")):
            namelists["electrons"].setdefault("startingpot", "file")
        self.parameters["input_data"] = namelists


def _nested(input_data: JsonObject) -> Namelist:
    """The namelists of pw.x with the names in them."""
    placed = Namelist(copy.deepcopy(input_data))
    placed.to_nested("pw")
    return placed


def _require_known_input(input_data: JsonObject) -> None:
    """Refuse names outside their namelist that ASE drops; pw.x itself refuses unknown ones inside."""
    flat = {key: value for key, value in input_data.items() if not isinstance(value, Mapping)}
    placed = _nested(flat)
    sections = {key for key, value in placed.items() if isinstance(value, Mapping)}
    kept = {name for section in sections for name in placed[section]}
    known = {key for key in input_data if key.lower() in (kept if key in flat else sections)}
    if unknown := [key for key in input_data if key not in known]:
        raise DataError(
            f"calculator espresso: found {', '.join(unknown)} in input_data; needed the namelists {', '.join(sorted(sections))}, or names "
            "in them"
        )
