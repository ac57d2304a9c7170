"""VTK's image data (``.vti``) as DAMASK writes it: one array of a grid's cells."""

from __future__ import annotations

import base64
import binascii
import zlib
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from constitutive.errors import DataError

_TYPES = {f"{kind}{size}": f"{code}{size // 8}" for kind, code in (("Int", "i"), ("UInt", "u")) for size in (8, 16, 32, 64)}
_TYPES |= {"Float32": "f4", "Float64": "f8"}
MOST = 2_000_000_000  # bytes of an array


def cell_array(path: Path, name: str) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray, np.ndarray]:
    """One array of the cells.

    Parameters
    ----------
    path : Path
    name : str
        Of the array.

    Returns
    -------
    shape : tuple of int
        Cells along x, y and z.
    spacing, origin : array (3,)
    values : array (n,)
        x runs fastest.

    Raises
    ------
    DataError
        The file is missing or damaged, or holds something else.
    """
    if not path.is_file():
        raise DataError(f"no grid at {path}")
    data = path.read_bytes()
    if b"<AppendedData" in data:
        raise DataError(f"{path}: its arrays are appended to the file; DAMASK writes them inside (damask.GeomGrid.load and save, or ascii)")
    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise DataError(f"{path}: no grid of VTK ({error})") from error
    image, piece = root.find("ImageData"), root.find("ImageData/Piece")
    if root.get("type") != "ImageData" or image is None or piece is None:
        raise DataError(f"{path}: a file of VTK's type {root.get('type')!r}; a grid of DAMASK is ImageData")
    shape, spacing, origin = _geometry(image, path)
    arrays = {found.get("Name"): found for found in piece.findall("CellData/DataArray")}
    if name not in arrays:
        raise DataError(f"{path}: its cells have no array {name!r}, but {', '.join(map(repr, arrays)) or 'none'}")
    values = _values(arrays[name], root, path)
    if len(values) != np.prod(shape):
        raise DataError(f"{path}: {name!r} has {len(values)} values for {' × '.join(map(str, shape))} cells")
    return shape, spacing, origin, values


def _geometry(image: Element, path: Path) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray]:
    try:
        extent = [int(word) for word in image.get("WholeExtent", "").split()]
        spacing, origin, axes = (
            np.array([float(word) for word in image.get(key, default).split()])
            for key, default in (("Spacing", "1 1 1"), ("Origin", "0 0 0"), ("Direction", "1 0 0 0 1 0 0 0 1"))
        )
    except ValueError as error:
        raise DataError(f"{path}: extent, spacing or origin are no numbers ({error})") from error
    if len(extent) != 6 or spacing.shape != (3,) or origin.shape != (3,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise DataError(f"{path}: extent {extent}, spacing {spacing}; needed are six whole numbers and three positive ones")
    if axes.shape != (9,) or np.abs(axes - np.eye(3).ravel()).max() > 1e-6:
        raise DataError(f"{path}: its axes are turned (Direction {image.get('Direction')}); DAMASK writes grids along x, y and z")
    counts = [extent[2 * k + 1] - extent[2 * k] for k in range(3)]
    if min(counts) < 1:
        raise DataError(f"{path}: {counts} cells along the axes; needed is one at least along each")
    return (counts[0], counts[1], counts[2]), spacing, origin + spacing * np.array(extent[::2])


def _values(array: Element, root: Element, path: Path) -> np.ndarray:
    kind, layout, text = array.get("type", ""), array.get("format"), (array.text or "").strip()
    if kind not in _TYPES:
        raise DataError(f"{path}: numbers of type {kind!r} are not read")
    order = "<" if root.get("byte_order", "LittleEndian") == "LittleEndian" else ">"
    try:
        if layout == "ascii":
            return np.array(text.split(), dtype=_TYPES[kind])
        if layout != "binary":
            raise DataError(f"{path}: its array has the format {layout!r}; write it as ascii or binary")
        header = np.dtype(order + ("u8" if root.get("header_type") == "UInt64" else "u4"))
        data = _inflated(text, header, path) if root.get("compressor") else base64.b64decode(text)[header.itemsize :]
        if root.get("compressor") not in (None, "vtkZLibDataCompressor"):
            raise DataError(f"{path}: compressed by {root.get('compressor')}; vtkZLibDataCompressor is read")
        return np.frombuffer(data, dtype=order + _TYPES[kind])
    except (binascii.Error, zlib.error, ValueError, IndexError, OverflowError) as error:
        raise DataError(f"{path}: its array is damaged ({error})") from error


def _inflated(text: str, header: np.dtype, path: Path) -> bytes:
    """Blocks compressed by zlib: their number, size, size of the last and compressed sizes stand in front, encoded on their own."""
    words = "".join(text.split())
    blocks = int(np.frombuffer(base64.b64decode(words[: _encoded(header.itemsize)]), dtype=header, count=1)[0])
    length = _encoded(header.itemsize * (3 + blocks))
    if length > len(words):
        raise DataError(f"{path}: its array is cut off (a header of {blocks} blocks does not fit)")
    sizes = np.frombuffer(base64.b64decode(words[:length]), dtype=header, count=3 + blocks)
    data, start = base64.b64decode(words[length:]), 0
    if int(sizes[1]) * blocks > MOST:
        raise DataError(f"{path}: an array of {int(sizes[1]) * blocks / 1e9:.1f} GB; {MOST / 1e9:.0f} GB are read at most")
    parts = []
    for size in sizes[3:]:
        inflater = zlib.decompressobj()
        parts.append(inflater.decompress(data[start : start + int(size)], int(sizes[1])))
        start += int(size)
    return b"".join(parts)


def _encoded(size: int) -> int:
    """Characters of so many bytes in base 64."""
    return 4 * ((size + 2) // 3)
