"""Symmetry-exact constitutive laws of crystals, from simulation data to finite elements.

The path through the toolkit, each arrow one call: structure → :class:`PointGroup`; strains and stresses →
:class:`StressStrainData`; both → :func:`calibrate` → :class:`Material` → ``constitutive.fem.UserMaterial``.

Names are loaded when first used, so that importing the package (and every ``--help``) stays quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from constitutive.errors import ConstitutiveError
from constitutive.lazy import lazy_names

if TYPE_CHECKING:
    from constitutive.calibration.calibrate import calibrate
    from constitutive.data import StressStrainData
    from constitutive.material import Material
    from constitutive.symmetry import PointGroup

__version__ = "0.1.0"
__all__ = ["ConstitutiveError", "Material", "PointGroup", "StressStrainData", "calibrate", "shipped"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "constitutive.symmetry": ["PointGroup"],
        "constitutive.data": ["StressStrainData"],
        "constitutive.calibration": ["calibrate"],
        "constitutive.material": ["Material"],
    },
)


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
    package = Path(__file__).resolve().parent
    homes = [package / "materials", package.parent / "materials"]  # in a wheel, in a checkout
    home = next((folder for folder in homes if folder.is_dir()), homes[0])
    names = sorted(folder.name for folder in home.iterdir() if folder.is_dir()) if home.is_dir() else []
    if name not in names:
        raise ConstitutiveError(f"no material named {name!r} is shipped; there are: {', '.join(names) or 'none'}")
    return home / name
