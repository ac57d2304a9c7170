"""From the output of simulation codes to stress-strain data: a whitelist of formats, safe parsers, one kind of error."""

from constitutive.readers.convert import convert, read_any
from constitutive.readers.options import FORMATS, ReadOptions
from constitutive.readers.responses import BerryPolarization, Responses, read_berry_polarization, read_responses
from constitutive.readers.sources import detect

__all__ = [
    "FORMATS",
    "BerryPolarization",
    "ReadOptions",
    "Responses",
    "convert",
    "detect",
    "read_any",
    "read_berry_polarization",
    "read_responses",
]
