"""From the output of simulation codes to stress-strain data: a whitelist of formats, safe parsers, one kind of error."""

from constitutive.readers.convert import FORMATS, ReadOptions, convert, detect, read_any

__all__ = ["FORMATS", "ReadOptions", "convert", "detect", "read_any"]
