"""The materials that come with the toolkit: where their folders are, and what their cards state."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import yaml

from constitutive.errors import ConstitutiveError, MaterialError
from constitutive.plain import JsonObject

CARD = "card.yaml"
KEYS = (
    "name", "point_group", "laue_class", "crystal_system", "samples", "unseen_error", "unconstrained_error", "linear_error", "strain_size",
    "source",
)  # fmt: skip


@dataclass(frozen=True)
class LibraryEntry:
    """A shipped material as its card states it.

    Attributes
    ----------
    name : str
        Name of its folder: what ``Material.load`` and every command take.
    formula : str
        Reduced chemical formula.
    point_group, laue_class, crystal_system : str
        Hermann–Mauguin symbols, and the crystal system in words.
    samples : int
        Strained states on which the law was calibrated.
    strain_size : float
        Largest Frobenius norm of E among them.
    unseen_error : float or None
        Relative error of the second Piola–Kirchhoff stress on states that calibration did not use.
    unconstrained_error : float or None
        The same for a network without symmetry, calibrated on the same states; of several variables for a kernel regression without it.
    linear_error : float or None
        The same for linear elasticity under the crystal's group (S = 𝒞 : E).
    source : str
        Program, and potential or functional.
    about : str
        How far that source is from the real crystal, in a sentence.
    variables : list of str
        What the energy is a function of; the strain alone in elasticity.
    conjugate_errors : dict of float
        Relative errors of the conjugates of the other variables on unseen states, by name.
    """

    name: str
    formula: str
    point_group: str
    laue_class: str
    crystal_system: str
    samples: int
    strain_size: float
    unseen_error: float | None
    unconstrained_error: float | None
    linear_error: float | None
    source: str
    about: str
    variables: list[str] = field(default_factory=lambda: ["strain"])
    conjugate_errors: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> JsonObject:
        """What ``constitutive materials --json`` prints of the entry.

        Returns
        -------
        dict
            The attributes that `KEYS` names.
        """
        return {key: getattr(self, key) for key in KEYS}


def shipped(name: str) -> Path:
    """Folder of a material that comes with the toolkit.

    Parameters
    ----------
    name : str
        The folder's name under ``materials/``, for instance ``"silicon"``.

    Returns
    -------
    Path
        It holds ``data.json``, ``structure.json``, ``card.yaml`` and ``law.safetensors``.

    Raises
    ------
    ConstitutiveError
        No such material is shipped; the message lists those that are.

    Examples
    --------
    >>> shipped("silicon").name, (shipped("silicon") / "data.json").exists()
    ('silicon', True)
    """
    names = shipped_names()
    if name not in names:
        raise ConstitutiveError(f"no material named {name!r} is shipped; there are: {', '.join(names) or 'none'}")
    return _home() / name


def shipped_names() -> list[str]:
    """Names of the materials that come with the toolkit, in alphabetical order.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "quartz" in shipped_names()
    True
    """
    home = _home()
    return sorted(folder.name for folder in home.iterdir() if (folder / CARD).is_file()) if home.is_dir() else []


def material_folder(name: str | PathLike[str]) -> Path:
    """The folder that a user means: one on disk, or else a shipped material of that name.

    Parameters
    ----------
    name : str or path
        A folder (which comes first), or a bare name such as ``"silicon"``.

    Returns
    -------
    Path
        The path as it was given where neither is found, so that the reader of the folder says what is missing.

    Examples
    --------
    >>> material_folder("quartz") == shipped("quartz"), material_folder("./quartz").name
    (True, 'quartz')
    """
    path = Path(name)
    bare = str(name) == path.name  # "./silicon" and "silicon/" mean a folder on disk
    return shipped(path.name) if bare and not path.exists() and path.name in shipped_names() else path


def library() -> list[LibraryEntry]:
    """What the cards of the shipped materials state.

    Returns
    -------
    list of LibraryEntry
        In the order of the names.

    Raises
    ------
    MaterialError
        A card lacks its ``library`` part.

    Examples
    --------
    >>> {entry.name: entry.point_group for entry in library()}["quartz"]
    '32'
    """
    return [_entry(_home() / name) for name in shipped_names()]


def _entry(folder: Path) -> LibraryEntry:
    card = yaml.load((folder / CARD).read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    try:
        variables = list(card.get("variables", ["strain"]))
        groups = {name: card[name] for name in ("point_group", "laue_class")}
        return LibraryEntry(name=folder.name, variables=variables, **groups, **card["library"])
    except (KeyError, TypeError) as error:
        raise MaterialError(
            f"{folder / CARD}: its part `library` is missing or incomplete ({error}); benchmarks/library.py writes it"
        ) from error


def _home() -> Path:
    package = Path(__file__).resolve().parent
    homes = (package / "materials", package.parent / "materials")  # in a wheel, in a checkout
    return next((folder for folder in homes if folder.is_dir()), homes[0])
