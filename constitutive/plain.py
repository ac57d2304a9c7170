"""Plain data: what JSON and YAML hold, and NumPy values turned into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

# Values of a document from outside are whatever its author wrote: who reads them checks them.
Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Json]


def plain(value: object) -> Json:
    """Lists, dictionaries, numbers and text of a nested value.

    Parameters
    ----------
    value : object
        NumPy arrays and scalars, torch tensors, tuples, sets and mappings of these, at any depth.

    Returns
    -------
    Json
        Other types are left as they are, and NaN stays NaN: a writer of JSON has to refuse both.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"C": np.eye(2), "n": np.int64(3), "names": ("C11", "C12")})
    {'C': [[1.0, 0.0], [0.0, 1.0]], 'n': 3, 'names': ['C11', 'C12']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    return value.tolist() if hasattr(value, "tolist") else value
