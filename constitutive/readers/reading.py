"""State of one call of `convert`: the options, what was assumed, what was left out, and which frames are chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers.options import ReadOptions
from constitutive.readers.selection import Selection
from constitutive.units import pressure_factor


@dataclass
class Reading:
    """Options and what is found out on the way.

    Attributes
    ----------
    options : ReadOptions
        Statements of the user.
    selection : Selection
        Which frames are chosen.
    assumed : dict
        What neither a file nor an option states, in the order found; the keys are sentences.
    skipped : dict
        File or frame left out, and why.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    selection: Selection = field(default_factory=Selection)
    assumed: dict[str, None] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: ReadOptions | None = None) -> Reading:
        """A reading by the given options."""
        chosen = options or ReadOptions()
        return cls(chosen, Selection.of(chosen.where))

    def assume(self, statement: str) -> None:
        """Note once what is taken for granted."""
        self.assumed.setdefault(statement)

    @contextlib.contextmanager
    def attempt(self, where: str) -> Iterator[None]:
        """Leave out what fails inside the block where the user has chosen that; otherwise the error passes, naming `where`."""
        try:
            yield
        except ConstitutiveError as error:
            message = str(error) if where in str(error) else f"{where}: {error}"
            if self.options.skip_failed:
                self.skipped[where] = message.removeprefix(f"{where}: ")
                return
            if message == str(error):
                raise
            kind = type(error) if isinstance(error, DataError) else DataError
            raise kind(message) from error

    def require_native(self, where: str, unit: str, sign: str, *others: str) -> None:
        """Refuse a stated unit or sign that contradicts the one that the format fixes.

        Parameters
        ----------
        where : str
            The file.
        unit, others : str
            The unit of the stress in this format, and others that it writes as well.
        sign : str
            "pressure" or "tension".

        Raises
        ------
        DataError
            The user's `--unit` or `--sign` differs.
        """
        stated = self.options.unit
        if stated is not None and not any(_same_unit(stated, native) for native in (unit, *others)):
            raise DataError(f"{where}: found --unit {stated}, but this format has its stress in {unit}; leave --unit out")
        if self.options.sign is not None and self.options.sign != sign:
            raise DataError(f"{where}: found --sign {self.options.sign}, but this format has {sign} positive; leave --sign out")

    def unit_of(self, where: str, stated: str | None, default: str | None = None) -> str:
        """The unit of the stress: stated in the file or by the user, else `default`, which is noted.

        Raises
        ------
        DataError
            The file and the user contradict each other, or neither states the unit.
        """
        given = self.options.unit
        if stated is not None and given is not None and not _same_unit(stated, given):
            raise DataError(
                f"{where}: found the unit {stated} in the file and --unit {given}; needed one; leave --unit out, "
                "or correct the file where it is wrong"
            )
        if stated is None and given is None:
            if default is None:
                raise DataError(f"{where}: found no unit of the stress; needed one; give it by --unit")
            self.assume(f"stress in {default} (its unit is in no file; give another by --unit)")
        return stated or given or default or ""

    def sign_of(self, default: str = "tension") -> float:
        """1 for tension positive, −1 for pressure positive, as the user says or by default."""
        return -1.0 if (self.options.sign or default) == "pressure" else 1.0


def _same_unit(one: str, other: str) -> bool:
    return abs(pressure_factor(one) / pressure_factor(other) - 1) < 1e-6
