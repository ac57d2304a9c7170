"""Motions that tests compute in this process and on several ranks: ``mpirun -n 2 python fem_dynamics_cases.py CASE [ARGUMENT …]``."""

import json
import os
import signal
import sys

import numpy as np
import ufl
from dolfinx import fem
from fem_cases import HEX, TURN, block, cubic, moments, pulled
from fem_modes_cases import STEEL, column, isotropic
from mpi4py import MPI

from constitutive.fem import Dynamics, Problem, UserMaterial, modes

RHO = STEEL * 1e-12  # t/mm³


def beam(scheme: object, *, amplitude: float = 0.01, mode: int = 0, **options: object) -> tuple[Dynamics, np.ndarray, float]:
    """A cantilever that starts in one of its modes with a velocity; the mode with a largest entry of 1, and its frequency."""
    problem = column(isotropic(210, 0.3), MPI.COMM_SELF, size=(10.0, 1.0, 1.2), n=3, force=0.0, strain=options.pop("strain", "small"))
    found = modes(problem, mode + 1, density=STEEL)
    shape, frequency = found.shapes[mode].x.array, found.frequencies[mode]
    shape = shape / np.abs(shape).max()
    dynamics = Dynamics(problem, density=STEEL, scheme=scheme, **options)
    dynamics.velocity.x.array[:] = amplitude * 2 * np.pi * frequency * shape
    return dynamics, shape, float(frequency)


def free_block(scheme: str, comm: MPI.Comm = MPI.COMM_WORLD) -> Dynamics:
    """A block free in space that turns quickly and is drawn out at first."""
    V = block(2, HEX, 1, comm)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    u.interpolate(lambda x: np.stack([0.1 * (x[0] - 0.5), 0 * x[1], -0.05 * (x[2] - 0.5)]))
    dynamics = Dynamics(Problem(law.residual(v), law), density=STEEL, scheme=scheme)
    spin = 4e5  # rad/s
    dynamics.velocity.interpolate(lambda x: spin * np.stack([-(x[1] - 0.5), 1.1 * (x[0] - 0.5), 0.3 * (x[0] - 0.5)]))
    return dynamics


def angular_momentum(dynamics: Dynamics) -> np.ndarray:
    """Integral of ρ x × v."""
    domain = dynamics.problem.mesh
    moment = ufl.cross(ufl.SpatialCoordinate(domain) + dynamics.problem.u, dynamics.velocity)
    return np.array([fem.assemble_scalar(fem.form(RHO * moment[k] * ufl.dx)) for k in range(3)])


def struck(folder: str, what: str, comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """A clamped block under a load that comes and goes: the whole way, killed on the way, or restarted."""
    V = block(4, HEX, 1, comm)
    u, v, push = fem.Function(V), ufl.TestFunction(V), fem.Constant(V.mesh, np.zeros(3))
    law = UserMaterial(u, cubic(), orientation=TURN)
    problem = Problem(law.residual(v) - ufl.inner(push, v) * ufl.dx, law, bcs=pulled(V)[:1])
    dynamics = Dynamics(problem, density=STEEL, rayleigh=(1e4, 0.0))

    def loads(time: float) -> None:
        push.value[:] = 2e3 * np.sin(2e6 * time) * np.array([1.0, 0.5, 0.2])

    def end(record: object) -> None:
        if record.time >= 3.9e-7 and what == "kill" and comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    start = dynamics.restart(folder) if what == "restart" else 0.0
    result = dynamics.run(1e-6, 1e-7, loads=loads, checkpoint=folder, checkpoint_every=1, on_step=end).require()
    last = result.records[-1]
    numbers = [*moments(u), *moments(dynamics.velocity), *moments(dynamics.acceleration), last.kinetic, last.strain, last.work, last.damped]
    return {"start": start, "time": result.time, "numbers": numbers}


CASES = {"struck": struck}

if __name__ == "__main__":
    outcome = CASES[sys.argv[1]](*sys.argv[2:])
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(outcome))
