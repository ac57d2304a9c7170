"""The law of a calibrated crystal as code or tables that other programs take, and tables of constants the other way.

export(material, "umat", "silicon.f90", unit="MPa")
material = read_constants("silicon.json", point_group="m-3m")
"""

from constitutive.lazy import lazy_names

__all__ = ["FORMATS", "ExportError", "Format", "Imported", "export", "read_constants"]

_PLACES = {
    "constitutive.export.formats": ("FORMATS", "Format", "export"),
    "constitutive.export.reading": ("Imported", "read_constants"),
    "constitutive.export.subject": ("ExportError",),
}
__getattr__, __dir__ = lazy_names(__name__, _PLACES)
