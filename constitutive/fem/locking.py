"""Volumetric locking: nearly incompressible materials on linear elements."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from mpi4py import MPI

from constitutive.fem.material_point import StressLaw
from constitutive.fem.regions import Region

LARGEST_RATIO = 50.0  # bulk over shear modulus: Poisson's ratio 0.49


class LockingWarning(UserWarning):
    """Linear elements are much too stiff for a nearly incompressible material."""


def warn_of_locking(comm: MPI.Comm, regions: Sequence[Region], degree: int, *, volumetric: bool) -> None:
    """Warn, on the first rank, where linear elements lock.

    Each quadrature point of a linear element constrains its volume, which leaves bending and shear no freedom when the bulk
    modulus is far above the shear modulus (Hughes, The Finite Element Method, 2000, sec. 4.4).

    Parameters
    ----------
    comm : MPI communicator
        Of the mesh.
    regions : sequence of Region
        The materials.
    degree : int
        Of the displacement.
    volumetric : bool
        Whether the volume is constrained (not so in plane stress, where the thickness is free).
    """
    if degree > 1 or not volumetric or comm.rank:
        return
    for region in regions:
        bulk, shear = bulk_and_shear(region.law)
        if bulk > LARGEST_RATIO * abs(shear):
            warnings.warn(
                f"the bulk modulus of {region.crystal.name!r} is {bulk / max(abs(shear), 1e-300):.0f} times its shear modulus: linear "
                "elements lock and are much too stiff (10 times at a ratio of 5,000); use elements of degree 2 or higher, or mixed "
                "ones (mixed_volume_space)",
                LockingWarning,
                stacklevel=4,
            )


def bulk_and_shear(law: StressLaw) -> tuple[float, float]:
    """Voigt averages of the bulk and shear moduli at zero strain (GPa).

    Parameters
    ----------
    law : Law

    Returns
    -------
    bulk, shear : float
    """
    with torch.no_grad():
        C = law.tangent_mandel(torch.zeros(1, 6, dtype=torch.float64))[0]
    normal, shear = C[:3, :3], C.diagonal()[3:]
    trace = float(normal.diagonal().sum())
    off = (float(normal.sum()) - trace) / 2
    return float(normal.sum()) / 9, (trace - off + 1.5 * float(shear.sum())) / 15
