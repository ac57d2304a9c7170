"""From a file of up to millions of samples to a material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from constitutive.calibration.calibrate import calibrate
from constitutive.calibration.candidates import Progress
from constitutive.calibration.streaming import PIECE, subset_by_leverage
from constitutive.data.large import open_large
from constitutive.data.plausible import require_plausible
from constitutive.material import Material
from constitutive.symmetry import PointGroup

SUBSET = 1000  # samples on which the law is calibrated before its linear parameters are fitted to all


def calibrate_large(
    path: str | PathLike[str],
    *,
    subset: int = SUBSET,
    seed: int = 0,
    point_group: PointGroup | str | None = None,
    residual_stress: str | None = None,
    anchors: Mapping[str, object] | None = None,
    elliptic: bool = False,
    polyconvex: bool = False,
    laws: str = "all",
    allow: tuple[str, ...] = (),
    progress: Progress | None = None,
    effort: str = "full",
    workers: int | None = None,
    units: int | None = None,
    variables: str | Sequence[str] | None = None,
) -> Material:
    """Calibrate the law of a crystal on all samples of an HDF5 file, read in pieces.

    A subset drawn by leverage decides the law and the directions of its network; its amplitudes and coefficients are fitted to all samples
    (those of a polyconvex law, and of one of several variables, to the subset only). Memory: a piece of 2,048 samples, the subset, and one
    number for each sample.

    Parameters
    ----------
    path : path
        HDF5 data set (:class:`constitutive.data.large.LargeData`).
    subset : int
        Samples in the subset.
    seed : int
        Of the subset and of the calibration.
    point_group, residual_stress, anchors, elliptic, polyconvex, laws, allow, progress, effort, workers, units, variables
        As in :func:`calibrate`.

    Returns
    -------
    Material
        The notes of its report give the samples and the error on those held out, before and after the fit to all.

    Raises
    ------
    DataError
        The file is damaged, or the sign or unit of its stresses cannot be right.
    CalibrationError
        As :func:`calibrate`.
    """
    with open_large(path) as source:
        samples = subset_by_leverage(source, subset, seed=seed, point_group=point_group)
        if "error" not in allow:
            require_plausible(samples)
        return calibrate(
            samples,
            seed=seed,
            point_group=point_group,
            residual_stress=residual_stress,
            anchors=anchors,
            elliptic=elliptic,
            polyconvex=polyconvex,
            laws=laws,
            allow=allow,
            progress=progress,
            effort=effort,
            workers=workers,
            units=units,
            variables=variables,
            pieces=(lambda: source.chunks(PIECE)) if len(source) > subset else None,
        )
