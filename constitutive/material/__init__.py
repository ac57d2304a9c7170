"""A crystal's law with everything that it needs to be used: group, structure, domain, provenance."""

from constitutive.material.constants import ConstantsWarning, law_from_constants
from constitutive.material.material import Material

__all__ = ["ConstantsWarning", "Material", "law_from_constants"]
