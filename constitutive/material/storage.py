"""Material folders: ``card.yaml`` (text), ``law.safetensors`` (numbers), ``structure.json``. Data only: nothing in them can run.

The card holds the SHA-256 of ``law.safetensors``, and loading compares: numbers that were changed or damaged are refused. Folders saved
before it did are loaded as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from constitutive.errors import ConstitutiveError, MaterialError
from constitutive.files import replacing
from constitutive.fitting import Uncertainty
from constitutive.laws import Domain, Law, law_from_state
from constitutive.laws.base import numbers, under
from constitutive.laws.coupled import CoupledLaw, coupled_law_from_state
from constitutive.library import shipped_names
from constitutive.plain import JsonObject, plain
from constitutive.symmetry import PointGroup

if TYPE_CHECKING:
    from pymatgen.core import Structure

SCHEMA_VERSION = 1
CARD, LAW, STRUCTURE = "card.yaml", "law.safetensors", "structure.json"
LIMITS = {CARD: 1 << 20, LAW: 64 << 20, STRUCTURE: 16 << 20}  # bytes
OWN_KEYS = (
    "schema_version",
    "name",
    "point_group",
    "laue_class",
    "units",
    "law",
    "law_sha256",
    "domain_radius",
    "uncertainty",
    "coupled",
    "constitutive",
)


@dataclass(frozen=True, eq=False)
class Contents:
    """What a material folder holds; the fields are those of :class:`constitutive.Material`."""

    law: Law
    point_group: PointGroup
    structure: Structure | None = None
    name: str = ""
    domain: Domain | None = None
    card: JsonObject = field(default_factory=dict)
    uncertainty: Uncertainty | None = None
    coupled: CoupledLaw | None = None


def save(contents: Contents, folder: str | os.PathLike[str]) -> None:
    """Write a material; each file appears whole or not at all.

    Parameters
    ----------
    contents : Contents
    folder : path
        Made where it does not exist.
    """
    settings, arrays = contents.law.state()
    tensors = {f"law.{name}": array for name, array in arrays.items()}
    tensors["rotations"] = numbers(contents.law.rotations)
    tensors["frame"] = np.array(contents.point_group.frame, dtype=np.float64)
    card = {
        "schema_version": SCHEMA_VERSION,
        "name": contents.name,
        "point_group": contents.point_group.symbol,
        "laue_class": contents.point_group.laue_class,
        "units": {"stress": "GPa", "energy": "GPa", "length": "angstrom"},
        "law": settings,
        "law_sha256": "",  # its place
        "constitutive": _version(),
        **{key: value for key, value in contents.card.items() if key not in OWN_KEYS},
    }
    if contents.domain is not None:
        card["domain_radius"] = float(contents.domain.radius)
        tensors["domain.metric"] = np.array(contents.domain.metric, dtype=np.float64)
    if contents.uncertainty is not None:
        card["uncertainty"], parts = contents.uncertainty.state()
        tensors |= {f"uncertainty.{name}": array for name, array in parts.items()}
    if contents.coupled is not None:
        card["coupled"], parts = contents.coupled.state()
        tensors |= {f"coupled.{name}": array for name, array in parts.items()}
        tensors["operations"] = numbers(contents.coupled.operations)
    files = {LAW: write_tensors({name: np.ascontiguousarray(a) for name, a in tensors.items()})}
    card["law_sha256"] = hashlib.sha256(files[LAW]).hexdigest()
    if contents.structure is not None:
        files[STRUCTURE] = json.dumps(_structure_document(contents.structure), indent=1).encode()
    files[CARD] = yaml.safe_dump(plain(card), sort_keys=False, allow_unicode=True, width=110).encode()
    _write(Path(folder), files)


def load(folder: str | os.PathLike[str]) -> Contents:
    """Read a material and check its parts against each other.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Contents

    Raises
    ------
    MaterialError
        A file is missing, damaged, unsafe or of a newer schema, or the files contradict each other.
    """
    home = Path(folder)
    if not home.is_dir():
        names = ", ".join(shipped_names())
        raise MaterialError(f"{home}: no such folder; a material is a folder with {CARD} and {LAW}, or one of those shipped: {names}")
    card = _read_card(home)
    tensors = _read_law(home, card.get("law_sha256"))
    structure = _read_structure(home) if (home / STRUCTURE).exists() else None
    try:
        group = PointGroup.from_symbol(str(card["point_group"]), frame=_shaped(tensors, "frame", (3, 3)))
        _require_same_group(group, structure)
        arrays = {name[4:]: array for name, array in tensors.items() if name.startswith("law.")}
        law = law_from_state(_mapping(card["law"], "law"), arrays, _rotations(tensors, group))
        rest = {key: value for key, value in card.items() if key not in OWN_KEYS}
        _require_reference_stress(law, rest)
        coupled = _coupled(card, tensors, group)
        name, domain, uncertainty = str(card.get("name", "")), _domain(card, tensors), _uncertainty(card, tensors)
    except KeyError as error:
        raise MaterialError(f"{home / CARD}: lacks {error}; the card is incomplete, save the material again") from error
    except (TypeError, ValueError) as error:
        raise MaterialError(f"{home / CARD}: {error}; the card is damaged, save the material again") from error
    except ConstitutiveError as error:
        raise MaterialError(f"{home}: {error}") from error
    return Contents(law, group, structure, name, domain, rest, uncertainty, coupled)


def stated_reference_stress(card: JsonObject) -> np.ndarray:
    """Stress at zero strain that a card states (GPa, 3×3): zero unless a residual stress was kept.

    Parameters
    ----------
    card : dict

    Returns
    -------
    array (3, 3)
    """
    stated = card.get("residual_stress", {})
    if stated.get("rule") != "keep":
        return np.zeros((3, 3))
    return np.asarray(stated["stress_GPa"], dtype=np.float64)


# -- reading ------------------------------------------------------------------------------------------------------------


def _read_bytes(home: Path, name: str) -> bytes:
    path = home / name
    if not path.exists():
        raise MaterialError(f"{path}: missing; a material folder holds {CARD} and {LAW}")
    if path.resolve().parent != home.resolve() or not path.is_file():
        raise MaterialError(f"{path}: leads out of the folder or is no plain file; copy the file itself into the folder")
    if path.stat().st_size > LIMITS[name]:
        raise MaterialError(f"{path}: {path.stat().st_size} bytes, more than the {LIMITS[name]} that a material needs")
    try:
        return path.read_bytes()
    except OSError as error:
        raise MaterialError(f"{path}: cannot be read ({error})") from error


def _read_card(home: Path) -> JsonObject:
    raw = _read_bytes(home, CARD)
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(raw, Loader=yaml.SafeLoader)):
            raise MaterialError(f"{home / CARD}: holds YAML aliases; a card has none")
        card = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MaterialError(f"{home / CARD}: is no plain YAML ({_first_line(error)}); tags and objects are refused") from error
    card = _mapping(card, CARD)
    found = card.get("schema_version")
    if found != SCHEMA_VERSION:
        raise MaterialError(f"{home / CARD}: schema_version {found!r} found, {SCHEMA_VERSION} needed; update constitutive")
    return card


def _read_law(home: Path, checksum: object) -> dict[str, np.ndarray]:
    raw = _read_bytes(home, LAW)
    try:
        tensors = read_tensors(raw)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise MaterialError(f"{home / LAW}: is no safetensors file ({_first_line(error)})") from error
    found = hashlib.sha256(raw).hexdigest()
    if checksum is not None and checksum != found:
        raise MaterialError(
            f"{home / LAW}: its SHA-256 is {found[:16]}..., the card states {str(checksum)[:16]}...: the numbers were changed or damaged "
            "after the material was saved; take both files from the same copy, or calibrate again"
        )
    for name, array in tensors.items():
        if array.dtype != np.float64:
            raise MaterialError(f"{home / LAW}: {name} is {array.dtype}, float64 needed; save the material again")
        if not np.isfinite(array).all():
            raise MaterialError(f"{home / LAW}: {name} holds NaN or infinity; calibrate again")
    return tensors


def _read_structure(home: Path) -> Structure:
    from pymatgen.core import Lattice, Structure  # deferred: pymatgen takes a second to import

    try:
        document = json.loads(_read_bytes(home, STRUCTURE))
        lattice = np.array(document["lattice"], dtype=np.float64).reshape(3, 3)
        species = [str(symbol) for symbol in document["species"]]
        positions = np.array(document["frac_coords"], dtype=np.float64).reshape(len(species), 3)
        if not (np.isfinite(lattice).all() and np.isfinite(positions).all() and abs(np.linalg.det(lattice)) > 1e-6):
            raise ValueError("numbers that are not finite, or a flat cell")
        return Structure(Lattice(lattice), species, positions)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MaterialError(f"{home / STRUCTURE}: needs lattice, species and frac_coords ({_first_line(error)})") from error


def _require_same_group(group: PointGroup, structure: Structure | None) -> None:
    if structure is None:
        return
    found = PointGroup.from_structure(structure)
    if found.symbol != group.symbol or not _same_operations(found.operations, group.operations):
        raise MaterialError(
            f"the structure has the point group {found.symbol}, the card states {group.symbol} (or the same one along other "
            "axes); the files belong to different crystals"
        )


def _same_operations(a: np.ndarray, b: np.ndarray) -> bool:
    distance = np.abs(a[:, None] - b[None]).max(axis=(2, 3)).min(axis=1)
    return len(a) == len(b) and bool(distance.max() < 1e-3)


def _rotations(tensors: dict[str, np.ndarray], group: PointGroup) -> np.ndarray:
    """The rotations as they were saved, to the last bit, once they are known to be those of the group."""
    expected = group.laue_rotations
    stored = _shaped(tensors, "rotations", expected.shape)
    distance = np.abs(stored[:, None] - expected[None]).max(axis=(2, 3))
    if max(distance.min(axis=0).max(), distance.min(axis=1).max()) > 1e-12:
        raise ValueError(f"{LAW} holds rotations that are not those of {group.laue_class} in its frame")
    return stored


def _domain(card: JsonObject, tensors: dict[str, np.ndarray]) -> Domain | None:
    if "domain_radius" not in card:
        return None
    return Domain(_shaped(tensors, "domain.metric", (6, 6)), float(card["domain_radius"]))


def _uncertainty(card: JsonObject, tensors: dict[str, np.ndarray]) -> Uncertainty | None:
    if "uncertainty" not in card:
        return None
    parts = {name[12:]: array for name, array in tensors.items() if name.startswith("uncertainty.")}
    return Uncertainty.from_state(_mapping(card["uncertainty"], "uncertainty"), parts, tensors["rotations"])


def _coupled(card: JsonObject, tensors: dict[str, np.ndarray], group: PointGroup) -> CoupledLaw | None:
    """The law of several variables, its operations those of the group."""
    if "coupled" not in card:
        return None
    stored = _shaped(tensors, "operations", group.operations.shape)
    if not _same_operations(stored, group.operations):
        raise ValueError(f"{LAW} holds operations that are not those of {group.symbol} in its frame")
    return coupled_law_from_state(_mapping(card["coupled"], "coupled"), under(tensors, "coupled."), stored)


def _require_reference_stress(law: Law, card: JsonObject) -> None:
    S0 = law.stress(torch.zeros(3, 3, dtype=torch.float64)).numpy()
    scale = max(np.abs(law.stress(torch.eye(3, dtype=torch.float64) * 0.01).numpy()).max(), 1e-300)
    stated = stated_reference_stress(card)
    if S0.shape != stated.shape or not np.abs(S0 - stated).max() <= 1e-9 * scale:
        raise MaterialError("the law's stress at zero strain is not the residual stress that the card states; calibrate again")


def _shaped(tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in tensors or tensors[name].shape != shape:
        raise ValueError(f"{LAW} needs {name} of shape {shape}")
    return tensors[name]


def _mapping(value: object, name: str) -> JsonObject:
    if not isinstance(value, dict):
        raise MaterialError(f"{name}: a mapping of names to values is needed, {type(value).__name__} found")
    return value


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


# -- writing ------------------------------------------------------------------------------------------------------------


def _write(home: Path, files: dict[str, bytes]) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:  # all are written before the first takes its place; left in reverse order, the card last
            for name, content in reversed(files.items()):
                stack.enter_context(replacing(home / name, MaterialError)).write_bytes(content)
        if STRUCTURE not in files:
            (home / STRUCTURE).unlink(missing_ok=True)
    except OSError as error:
        raise MaterialError(f"{home}: cannot be written ({error})") from error


def _structure_document(structure: Structure) -> JsonObject:
    return {
        "lattice": np.asarray(structure.lattice.matrix).tolist(),
        "species": [site.species_string for site in structure],
        "frac_coords": np.asarray(structure.frac_coords).tolist(),
    }


def _version() -> str:
    try:
        return version("constitutive")
    except PackageNotFoundError:
        return "unknown"
