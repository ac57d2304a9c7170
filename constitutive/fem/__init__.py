"""Calibrated crystals inside DOLFINx: the only package that imports dolfinx, mpi4py and petsc4py.

    law = UserMaterial(u, material, orientation=R, unit="MPa")
    problem = Problem(law.residual(v) - load(v), law, bcs=bcs)
    result = problem.solve(steps=10, progress=True)
    law.field("cauchy_stress")

The crystal replaces a native UFL law: the forms stay the user's own, the solver is PETSc's, everything runs under MPI.
"""

from __future__ import annotations

from constitutive.errors import DependencyError

_HOW = (
    "constitutive.fem needs DOLFINx 0.9 or newer, real and in double precision, with PETSc; {found}. It is not on PyPI. "
    "Get it by `conda create -n constitutive -c conda-forge fenics-dolfinx`, on Debian 13 or Ubuntu by "
    "`apt install python3-dolfinx`, in the container `dolfinx/dolfinx:stable`, or run inside the checkout's own "
    "environment: `./dev python …`"
)
_OLDEST = (0, 9)


def _require_dolfinx() -> None:
    try:
        import dolfinx
        import mpi4py  # noqa: F401 - only its presence matters
        import petsc4py  # noqa: F401 - only its presence matters
    except ImportError as error:
        raise DependencyError(_HOW.format(found=f"the import fails: {error}")) from error
    version = tuple(int(part) for part in dolfinx.__version__.split(".")[:2])
    if version < _OLDEST:
        raise DependencyError(_HOW.format(found=f"this Python has {dolfinx.__version__}"))
    if not dolfinx.has_petsc or dolfinx.default_scalar_type is not __import__("numpy").float64:
        raise DependencyError(_HOW.format(found=f"this DOLFINx has scalars {dolfinx.default_scalar_type.__name__}"))


_require_dolfinx()

from constitutive.fem.axial import axial_force, release_axial  # noqa: E402 - after the check, which gives the better message
from constitutive.fem.circuits import CircuitHistory, run_circuits  # noqa: E402
from constitutive.fem.contact import Cylinder, Plane, Sphere, contact, contact_pressure  # noqa: E402
from constitutive.fem.coupled_material import CoupledMaterial  # noqa: E402
from constitutive.fem.coupled_regions import Insulator, Metal  # noqa: E402
from constitutive.fem.dynamics import Dynamics  # noqa: E402
from constitutive.fem.electrodes import Electrode  # noqa: E402
from constitutive.fem.gradient_energy import GradientEnergy, PinnedWallsWarning, gradient_tensor  # noqa: E402
from constitutive.fem.grains import GrainGrid, GrainMap, disorientation, read_damask_grid, read_grain_map, read_neper_mesh  # noqa: E402
from constitutive.fem.heat import HeatConduction  # noqa: E402
from constitutive.fem.identification import Identified, MeasuredForce, identify  # noqa: E402
from constitutive.fem.inverse import gradient, sensitivities  # noqa: E402
from constitutive.fem.mixed_volume import mixed_volume_space, volume_constraint  # noqa: E402
from constitutive.fem.modes import Buckling, Modes, buckling, critical_shape, modes  # noqa: E402
from constitutive.fem.orientations import read_constituents, read_orientations, rotation_from_bunge, rotation_from_quaternion  # noqa: E402
from constitutive.fem.outcome import Outcome, SolveResult, StepRecord  # noqa: E402
from constitutive.fem.output import write_fields  # noqa: E402
from constitutive.fem.own_solver import attach, external_operator  # noqa: E402
from constitutive.fem.path_control import AlongShape, ArcLength, PointDisplacement  # noqa: E402
from constitutive.fem.problem import Problem, solve  # noqa: E402
from constitutive.fem.tangent import derivative  # noqa: E402
from constitutive.fem.ties import equal_where  # noqa: E402
from constitutive.fem.time_outcome import DynamicsResult, TimeRecord  # noqa: E402
from constitutive.fem.time_schemes import TimeScheme  # noqa: E402
from constitutive.fem.unit_cell import CellState, UnitCell  # noqa: E402
from constitutive.fem.user_material import UserMaterial  # noqa: E402
from constitutive.fem.viscous_flow import FlowRecord, FlowResult, ViscousFlow, strain_gradient_energy  # noqa: E402
from constitutive.fem.visited import write_visited  # noqa: E402

__all__ = [
    "AlongShape",
    "ArcLength",
    "Buckling",
    "CellState",
    "CircuitHistory",
    "CoupledMaterial",
    "Cylinder",
    "Dynamics",
    "DynamicsResult",
    "Electrode",
    "FlowRecord",
    "FlowResult",
    "GradientEnergy",
    "GrainGrid",
    "GrainMap",
    "HeatConduction",
    "Identified",
    "Insulator",
    "MeasuredForce",
    "Metal",
    "Modes",
    "Outcome",
    "PinnedWallsWarning",
    "Plane",
    "PointDisplacement",
    "Problem",
    "SolveResult",
    "Sphere",
    "StepRecord",
    "TimeRecord",
    "TimeScheme",
    "UnitCell",
    "UserMaterial",
    "ViscousFlow",
    "attach",
    "axial_force",
    "buckling",
    "contact",
    "contact_pressure",
    "critical_shape",
    "derivative",
    "disorientation",
    "equal_where",
    "external_operator",
    "gradient",
    "gradient_tensor",
    "identify",
    "mixed_volume_space",
    "modes",
    "read_constituents",
    "read_damask_grid",
    "read_grain_map",
    "read_neper_mesh",
    "read_orientations",
    "release_axial",
    "rotation_from_bunge",
    "rotation_from_quaternion",
    "run_circuits",
    "sensitivities",
    "solve",
    "strain_gradient_energy",
    "volume_constraint",
    "write_fields",
    "write_visited",
]
