"""Regions of strain from which a plan is drawn: a ball of |E|, a box of components, or strains that a computation visited.

Points are those of a low-discrepancy (Sobol) sequence, uniform in the six-dimensional volume of the region: most of them lie near its
edge, where a law extrapolates otherwise.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.kinematics import green_lagrange_strain
from constitutive.tensors.packing import to_mandel

LARGEST_STRAIN = 0.4  # |E| from which on a stretch may lose its positive root


@final
@dataclass(frozen=True)
class Ball:
    """All strains with |E| (Frobenius) of at most a size.

    Attributes
    ----------
    size
        Largest norm |E| of the Green–Lagrange strain.

    Raises
    ------
    DataError
        The size is not between 0 and 0.4.

    Examples
    --------
    >>> import numpy as np
    >>> x = Ball(0.1).draw(512, seed=0)
    >>> bool(np.linalg.norm(x, axis=1).max() <= 0.1), round(float(np.median(np.linalg.norm(x, axis=1))), 3)
    (True, 0.089)
    """

    size: float

    def __post_init__(self) -> None:
        _require_size(self.size)

    def draw(self, count: int, seed: int) -> Float[np.ndarray, "count 6"]:
        """Strains uniform in the volume of the ball: directions of normal quantiles, radii as the sixth root of a uniform number.

        Parameters
        ----------
        count
            Number of strains.
        seed
            Of the sequence.

        Returns
        -------
        Strains, Mandel.
        """
        from scipy.special import ndtri  # the only use of scipy here

        u = sobol(count, 7, seed)
        normal = ndtri(u[:, :6])
        radius = self.size * u[:, 6] ** (1 / 6)
        return np.asarray(normal * (radius / np.linalg.norm(normal, axis=1))[:, None])

    def draw_by_size(self, count: int, seed: int) -> Float[np.ndarray, "count 6"]:
        """Strains with |E| uniform between zero and the size: small ones count as much as large ones, as in a body under load.

        Parameters
        ----------
        count
            Number of strains.
        seed
            Of the sequence.

        Returns
        -------
        Strains, Mandel.
        """
        x = self.draw(count, seed)
        return x * (np.linalg.norm(x, axis=1, keepdims=True) / self.size) ** 5  # the sixth power of |E| is uniform in the volume

    def filled(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6"]:
        """The same directions with radii as of points uniform in the volume, in the same order of size: the outermost is at the edge.

        Points in the middle of what they represent would leave the edge of the ball without any.

        Parameters
        ----------
        x : array (n, 6)
            Strains, Mandel, none of them zero.

        Returns
        -------
        array (n, 6)
        """
        length = np.linalg.norm(x, axis=1)
        rank = np.empty(len(x))
        rank[np.argsort(length, kind="stable")] = np.arange(len(x))
        radius = self.size * ((rank + 0.5) / max(len(x), 1)) ** (1 / 6)
        return x * (radius / length)[:, None]


@final
@dataclass(frozen=True)
class Box:
    """Strains whose six components stay within limits.

    Attributes
    ----------
    limits
        Largest |E_ij| of xx yy zz yz xz xy (tensor components, not engineering shears).
    """

    limits: tuple[float, float, float, float, float, float]

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v >= 0 for v in self.limits) or not any(self.limits):
            raise DataError(f"box: found {self.limits}; needed six limits of |E_ij|, none negative and not all zero")
        _require_size(self.size)

    @property
    def size(self) -> float:
        """Largest norm |E| in the box: that of a corner."""
        return float(np.linalg.norm(np.asarray(self.limits) * _MANDEL))

    def draw(self, count: int, seed: int) -> Float[np.ndarray, "count 6"]:
        """Strains uniform in the box.

        Parameters
        ----------
        count
            Number of strains.
        seed
            Of the sequence.

        Returns
        -------
        Strains, Mandel.
        """
        return np.asarray((2 * sobol(count, 6, seed) - 1) * np.asarray(self.limits) * _MANDEL)

    def draw_by_size(self, count: int, seed: int) -> Float[np.ndarray, "count 6"]:
        """Strains whose box of the same shape has a size uniform between zero and this one's: small ones count as much as large ones.

        Parameters
        ----------
        count
            Number of strains.
        seed
            Of the sequence.

        Returns
        -------
        Strains, Mandel.
        """
        unit = 2 * sobol(count, 6, seed) - 1
        share = np.abs(unit[:, np.asarray(self.limits) > 0]).max(axis=1, keepdims=True)
        power = np.count_nonzero(self.limits) - 1
        return np.asarray(unit * share**power * np.asarray(self.limits) * _MANDEL)


@final
@dataclass(frozen=True, eq=False)
class Visited:
    """Strains that a finite-element solve or another computation visited.

    Attributes
    ----------
    x
        Green–Lagrange strains, Mandel.
    weights
        How often, or over which volume, each was visited.
    """

    x: Float[np.ndarray, "n 6"]
    weights: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        fine = len(self.x) and np.isfinite(self.x).all() and np.isfinite(self.weights).all() and (self.weights >= 0).all()
        if not fine or not self.weights.sum() > 0:
            raise DataError("visited strains: found none, or numbers that are not finite; needed strains and weights that are not negative")
        _require_size(self.size)

    @property
    def size(self) -> float:
        """Largest norm |E| visited."""
        return float(np.linalg.norm(self.x, axis=1).max())

    def draw(self, count: int, seed: int) -> Float[np.ndarray, "count 6"]:
        """Visited strains, each as often as its weight says.

        Parameters
        ----------
        count
            Number of strains.
        seed
            Of the random choice.

        Returns
        -------
        Strains, Mandel.
        """
        rng = np.random.default_rng(seed)
        return self.x[rng.choice(len(self.x), size=count, p=self.weights / self.weights.sum())]

    def draw_by_size(self, count: int, seed: int) -> Float[np.ndarray, "count 6"]:
        """As :meth:`draw`: what was visited says how much strains of each size count.

        Parameters
        ----------
        count
            Number of strains.
        seed
            Of the random choice.

        Returns
        -------
        Strains, Mandel.
        """
        return self.draw(count, seed)


Region: TypeAlias = Ball | Box | Visited


def read_visited(path: str | os.PathLike[str]) -> Visited:
    """Visited strains from an ``.npz`` file with ``F`` (n, 3, 3) or ``E`` (n, 3, 3) and, where they differ, ``weights`` (n,).

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The strains with their weights.

    Raises
    ------
    DataError
        The file is missing, damaged, or holds neither.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: np.asarray(arrays[name], dtype=np.float64) for name in ("F", "E", "weights") if name in arrays.files}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: found no readable .npz file ({error}); needed one with F or E (n, 3, 3), and weights (n,)") from error
    tensors = found.get("F", found.get("E"))
    if tensors is None or ("F" in found and "E" in found) or tensors.ndim != 3 or tensors.shape[1:] != (3, 3):
        raise DataError(f"{path}: found arrays {sorted(found) or 'of other names'}; needed one of F or E, of shape (n, 3, 3)")
    E = green_lagrange_strain(tensors) if "F" in found else (tensors + tensors.transpose(0, 2, 1)) / 2
    weights = found.get("weights", np.ones(len(E)))
    if weights.shape != (len(E),):
        raise DataError(f"{path}: found weights of shape {weights.shape}; needed ({len(E)},)")
    return Visited(np.asarray(to_mandel(E)), weights)


_MANDEL = np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


def _require_size(size: float) -> None:
    if not 0 < size <= LARGEST_STRAIN:
        raise DataError(f"size: found {size:.4g}; needed a largest |E| above 0 and up to {LARGEST_STRAIN}; 0.02 to 0.1 is usual")


def sobol(count: int, dimensions: int, seed: int) -> Float[np.ndarray, "count d"]:
    """Low-discrepancy points in the unit cube.

    Parameters
    ----------
    count, dimensions : int
        Number of points, and of their coordinates.
    seed : int
        Of the scrambling.

    Returns
    -------
    array (count, d)
        Within 1e-9 of 0 and 1 at most.
    """
    from scipy.stats import qmc  # deferred: a second to import

    points = qmc.Sobol(dimensions, seed=seed).random_base2(max(int(np.ceil(np.log2(max(count, 2)))), 1))[:count]
    return np.clip(points, 1e-9, 1 - 1e-9)
