"""An ultrasonic pulse through silicon: three waves in each direction, and what a stress of the crystal does to them.

A short pulse splits into three plane waves, whose speeds c are the roots of Christoffel's equation det(C_ijkl n_j n_l − ρ c² δ_ik) = 0:
one nearly longitudinal, two nearly transverse. Along [100] and [111] of a cubic crystal the transverse two are equal, along [110]
they are not, and off these axes no wave is purely longitudinal. Energy travels along the group velocity, normal to the slowness
surface: from a point source fronts fold over, with cusps near <100>. Under stress the speeds change by the third-order constants:
in the crystal stretched along [001], waves along [100] polarised along [001] and [010] no longer travel alike (acoustoelasticity;
Thurston and Brugger 1964, eq. 4.5: (ρ0 W²)' = (N·M)² + 2 w F + G in the natural velocity W = reference length over time).
The claims: all speeds within 0.1 % of Christoffel's, also at 2 % stretch with the law's tangent there; the first change of ρ0 W² with
stress within 1 % of Thurston and Brugger's formula, from constants of second and third order alone.

    python fem_examples/sound.py [--out results/sound]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from bodies import gathered, grid
from crystals import crystal_to_lab, fitted
from dolfinx import fem
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc
from rich.console import Console
from rich.table import Table

from constitutive import Material
from constitutive.elasticity import DirectionalModuli, elastic_constants
from constitutive.fem import UserMaterial, derivative
from constitutive.plots.style import BLUE, GREEN, MUTED, ORANGE, SEQUENTIAL, new_figure, styled
from constitutive.tensors.packing import VOIGT_PAIRS

# name → crystal directions of propagation (lab x) and across it (lab y)
DIRECTIONS = {
    "[100]": ([1, 0, 0], [0, 1, 0]),
    "[110]": ([1, 1, 0], [0, 0, 1]),
    "[111]": ([1, 1, 1], [1, -1, 0]),
    "[310]": ([3, 1, 0], [0, 0, 1]),
    "[321]": ([3, 2, 1], [1, -1, -1]),
}
PUSH = np.array([0.6, 0.5, 0.62])  # displacement of the pulse: all three waves have a part of it
WIDTH = 0.012  # standard deviation of the pulse over the distance that the fastest wave travels
STRETCHES = (-0.02, -0.01, 0.0, 0.01, 0.02)
SLIGHT = 5e-4
console = Console(highlight=False)


def main(
    out: Path = Path("results/sound"), *, cells: int = 1600, plane: int = 400, stretches: tuple[float, ...] = STRETCHES
) -> dict[str, float]:
    """Pulses along five directions, under stress, and a front in the plane; the figures that the test asserts."""
    material = fitted("silicon", (2, 3, 4, 5))
    density = float(material.structure.density)  # g/cm³: with GPa, speeds are in km/s
    figures: dict[str, float] = {"density (g/cm³)": density}
    traces = {}
    for name, (x, y) in DIRECTIONS.items():
        R = crystal_to_lab(x=x, y=y)
        expected = christoffel(material, R, np.eye(3))
        trace = Strip(material, R, np.eye(3), cells).pulse(expected)
        traces[name] = (trace, expected)
        figures |= {f"c{k + 1} {name}": float(c) for k, c in enumerate(expected)}
        figures |= {f"c{k + 1} / Christoffel {name}": float(c / e) for k, (c, e) in enumerate(zip(trace["speeds"], expected, strict=True))}
    curves = under_stress(material, cells, stretches, figures)
    say(figures)
    front = wavefront(material, plane)
    figures["front along x / longitudinal speed"] = front["reach"]
    if MPI.COMM_WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        picture(front, traces, curves).savefig(out / "sound.png", dpi=200)
        console.print(f"written: {out / 'sound.png'}")
    return figures


# ---- theory --------------------------------------------------------------------------------------------------------------


def christoffel(material: Material, R: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Speeds along lab x (km/s) of the crystal deformed by F, the fastest first, in the natural measure: reference length over time."""
    moduli = DirectionalModuli.from_law(material.law.rotated(R), F, density=1e3 * float(material.structure.density))
    normal = np.linalg.solve(F.T, [1.0, 0.0, 0.0])  # of the deformed wave fronts
    return moduli.sound_velocities(normal / np.linalg.norm(normal)) * np.linalg.norm(normal) / 1e3


def thurston_brugger(material: Material, R: np.ndarray, across: int, polarisation: int) -> float:
    """d(ρ0 W²)/dσ at no stress, of a wave along lab x polarised along a lab axis, for a tension σ along a lab axis."""
    law = material.law.rotated(R)
    C2, C3 = (full_tensor(elastic_constants(law, order)) for order in (2, 3))
    compliance = np.linalg.inv(elastic_constants(law, 2))[:, across]  # engineering strains of a unit tension
    e = np.zeros((3, 3))
    for k, (i, j) in enumerate(VOIGT_PAIRS):
        e[i, j] = e[j, i] = compliance[k] * (1.0 if i == j else 0.5)
    N, U = np.eye(3)[0], np.eye(3)[polarisation]
    second = np.einsum("ijkl,i,j,k,l", C2, U, N, e @ U, N)
    third = np.einsum("ijklmn,i,j,k,l,mn", C3, U, N, U, N, e)
    return float((across == 0) + 2 * second + third)


def full_tensor(table: np.ndarray) -> np.ndarray:
    """Brugger's constants as a tensor of all its indices."""
    place = np.zeros((3, 3), dtype=int)
    for k, (i, j) in enumerate(VOIGT_PAIRS):
        place[i, j] = place[j, i] = k
    order = table.ndim
    index = [place.reshape([3 if a // 2 == k else 1 for a in range(2 * order)]) for k in range(order)]
    return table[tuple(np.broadcast_arrays(*index))]


def group_velocity(C: np.ndarray, density: float, angles: np.ndarray) -> np.ndarray:
    """Group velocities (waves, angles, 2) in the lab's xy plane of waves whose fronts are normal to the angles (km/s)."""
    n = np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    values, vectors = np.linalg.eigh(np.einsum("ijkl,aj,al->aik", C, n, n))
    speed = np.sqrt(values / density)
    v = np.einsum("ijkl,aiw,akw,al->waj", C, vectors, vectors, n) / (density * speed.T[:, :, None])
    in_plane = np.abs(vectors[:, 2, :]) < 0.5  # the wave polarised along z leaves no trace in the plane
    order = np.argsort(~in_plane, axis=1, kind="stable")[:, :2]
    return np.stack([v[order[:, w], np.arange(len(angles)), :2] for w in range(2)])


# ---- waves in finite elements ------------------------------------------------------------------------------------------------


class Medium:
    """A crystal at rest in a homogeneous deformation: stiffness and mass of small waves on top of it."""

    def __init__(self, material: Material, R: np.ndarray, F: np.ndarray, axes: list[np.ndarray], components: int) -> None:
        self.mesh = grid(axes)
        self.V = fem.functionspace(self.mesh, ("Lagrange", 1, (components,)))
        u, v, du = fem.Function(self.V), ufl.TestFunction(self.V), ufl.TrialFunction(self.V)
        H = F - np.eye(3)
        u.interpolate(lambda x: (H[:components, :2] @ x[:2]).astype(float))
        self.law = UserMaterial(u, material, orientation=R, unit="GPa", plane="generalised_strain", axial_strain=float(H[2, 2]))
        self.law.update()
        self.K = petsc.assemble_matrix(fem.form(derivative(self.law.residual(v), self.law)))
        self.K.assemble()
        self.M = petsc.assemble_matrix(fem.form(float(material.structure.density) * ufl.inner(du, v) * ufl.dx))
        self.M.assemble()

    def nodes(self) -> np.ndarray:
        """Coordinates of the nodes that this rank owns."""
        return self.V.tabulate_dof_coordinates()[: self.V.dofmap.index_map.size_local]


def march(K: PETSc.Mat, M: PETSc.Mat, start: PETSc.Vec, time: float, step: float) -> tuple[PETSc.Vec, float]:
    """Central differences with lumped masses from rest at ``start``; the displacement at the end, and the time there."""
    ones, mass = start.duplicate(), start.duplicate()
    ones.set(1.0)
    M.mult(ones, mass)
    mass.reciprocal()
    steps = int(np.ceil(time / step))
    old, force = start.copy(), start.duplicate()
    K.mult(old, force)
    force.pointwiseMult(force, mass)
    new = old.copy()
    new.axpy(-0.5 * step**2, force)
    for _ in range(steps - 1):
        K.mult(new, force)
        force.pointwiseMult(force, mass)
        old.scale(-1.0)
        old.axpy(2.0, new)
        old.axpy(-(step**2), force)
        old, new = new, old
    return new, steps * step


class Strip(Medium):
    """One row of elements along lab x whose sides move alike: plane waves, and nothing else."""

    def __init__(self, material: Material, R: np.ndarray, F: np.ndarray, cells: int) -> None:
        self.length = 2.1  # twice the distance of the fastest wave, and some rest at the ends
        self.size = self.length / cells
        x = np.linspace(-self.length / 2, self.length / 2, cells + 1)
        super().__init__(material, R, F, [x, np.array([0.0, self.size])], 3)
        self.x = x
        P = self._sides_alike(cells + 1)
        self.K, self.M = self.K.ptap(P), self.M.ptap(P)

    def _sides_alike(self, stations: int) -> PETSc.Mat:
        """Matrix that gives both nodes of each station one displacement."""
        place = np.rint((self.nodes()[:, 0] + self.length / 2) / self.size).astype(np.int32)
        rows = self.V.dofmap.index_map.size_local * 3
        P = PETSc.Mat().createAIJ([[rows, None], [None, 3 * stations]], nnz=1, comm=self.mesh.comm)
        first = P.getOwnershipRange()[0]
        for k, column in enumerate((3 * place[:, None] + np.arange(3)).ravel()):
            P.setValue(first + k, int(column), 1.0)
        P.assemble()
        return P

    def pulse(self, expected: np.ndarray, push: np.ndarray = PUSH) -> dict[str, Any]:
        """Let go a displaced slice in the middle, wait until the fastest wave has gone a unit length, and find the arrivals."""
        start = self.K.createVecRight()
        low, high = start.getOwnershipRange()
        whole = np.exp(-0.5 * (self.x / WIDTH) ** 2)[:, None] * push
        start.array[:] = whole.ravel()[low:high]
        end, time = march(self.K, self.M, start, 1.0 / expected[0], 0.95 * self.size / expected[0])
        u = np.concatenate(self.mesh.comm.allgather(end.array)).reshape(-1, 3)
        return {"c": self.x / time, "u": u, "speeds": arrivals(self.x, u, expected * time, time)}


def arrivals(x: np.ndarray, u: np.ndarray, near: np.ndarray, time: float) -> np.ndarray:
    """Speeds of the largest pulses: each Christoffel speed is compared with the arrival that is nearest to it."""
    size = (u**2).sum(axis=1)
    right = x > 4 * WIDTH
    peaks = np.flatnonzero(right[1:-1] & (size[1:-1] > size[:-2]) & (size[1:-1] >= size[2:]) & (size[1:-1] > 0.01 * size[right].max())) + 1
    places = []
    for peak in peaks:
        window = np.abs(x - x[peak]) < WIDTH
        second, first, _ = np.polyfit(x[window] - x[peak], np.log(size[window]), 2)  # the pulse is a Gaussian
        places.append(float(x[peak] - first / (2 * second)))
    nearest = [min(places, key=lambda place, n=n: abs(place - n)) for n in near]  # two that travel alike are one pulse
    return np.array(nearest) / time


# ---- under stress ----------------------------------------------------------------------------------------------------------


def stretched(material: Material, R: np.ndarray, axis: int, stretch: float) -> tuple[np.ndarray, float]:
    """F of a tension along a lab axis with free sides (axes of symmetry), and its Cauchy stress (GPa)."""
    law, F = material.law.rotated(R), np.eye(3)
    F[axis, axis] += stretch
    free = [k for k in range(3) if k != axis]
    for _ in range(20):
        P, A = (np.asarray(part) for part in law(F))
        F[free, free] -= np.linalg.solve(A[free, free][:, free, free], P[free, free])
    P = np.asarray(law(F)[0])
    return F, float((P @ F.T)[axis, axis] / np.linalg.det(F))


def under_stress(material: Material, cells: int, stretches: tuple[float, ...], figures: dict[str, float]) -> dict[str, Any]:
    """Waves along [100] in a crystal under tension along [001]: their speeds over the stretch, and their first change."""
    R, across = crystal_to_lab(x=[1, 0, 0], y=[0, 1, 0]), 2
    density = float(material.structure.density)

    def speeds(stretch: float) -> tuple[np.ndarray, np.ndarray, float]:
        F, stress = stretched(material, R, across, stretch)
        exact = pure_waves(material, R, F)
        strip = Strip(material, R, F, cells)
        found = [strip.pulse(exact[[0, k]], push)["speeds"][1] for k, push in enumerate(np.eye(3))]
        return np.array(found), exact, stress

    measured, exact, _ = (np.array(part) for part in zip(*map(speeds, stretches), strict=True))
    figures["worst error of a speed under stress"] = float(np.abs(measured / exact - 1).max())
    (less, _, low), (more, _, high) = speeds(-SLIGHT), speeds(SLIGHT)
    slopes = density * (more**2 - less**2) / (high - low)
    theory = np.array([thurston_brugger(material, R, across, k) for k in range(3)])
    for k, name in enumerate(("longitudinal", "[010]", "[001]")):
        figures[f"(ρ0 W²)' {name}"] = float(slopes[k])
        figures[f"(ρ0 W²)' {name} by constants of third order"] = float(theory[k])
    figures["split of the transverse waves at the largest stretch"] = float(measured[-1, 2] / measured[-1, 1] - 1)
    return {"stretch": np.array(stretches), "measured": measured, "exact": exact, "slope": theory, "density": density}


def pure_waves(material: Material, R: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Natural speeds (km/s) along lab x of the waves polarised along lab x, y and z, where these are pure."""
    _, A = material.law.rotated(R)(F)
    return np.sqrt(np.diag(np.asarray(A)[:, 0, :, 0]) / float(material.structure.density))


# ---- a front in the plane --------------------------------------------------------------------------------------------------


def wavefront(material: Material, cells: int) -> dict[str, Any]:
    """Waves in the (001) plane from a small source in the middle, at the time when the fastest along x has gone 0.75."""
    R = crystal_to_lab(x=[1, 0, 0], y=[0, 1, 0])
    x = np.linspace(-1, 1, cells + 1)
    medium = Medium(material, R, np.eye(3), [x, x], 2)
    source = fem.Function(medium.V)
    size = 0.025
    source.interpolate(lambda p: np.exp(-0.5 * (p[0] ** 2 + p[1] ** 2) / size**2) * np.stack([p[0] - p[1], p[0] + p[1]]) / size)
    start = medium.K.createVecRight()
    start.array[:] = source.x.array[: start.getLocalSize()]
    along = christoffel(material, R, np.eye(3))[0]
    end, time = march(medium.K, medium.M, start, 0.75 / along, 0.45 * (x[1] - x[0]) / along)
    source.x.array[: len(end.array)] = end.array
    place, u = gathered(source)
    amplitude = np.linalg.norm(u, axis=1)
    on_axis = np.isclose(place[:, 1], 0) & (place[:, 0] > 0.6)
    reach = place[on_axis][np.argmax(amplitude[on_axis]), 0] / time / along
    angles = np.linspace(0, 2 * np.pi, 1441)
    C = full_tensor(elastic_constants(material.law, 2))
    fronts = group_velocity(C, float(material.structure.density), angles) * time
    return {"x": place, "size": amplitude.reshape(cells + 1, cells + 1), "fronts": fronts, "reach": float(reach)}


# ---- what is shown ---------------------------------------------------------------------------------------------------------


def say(figures: dict[str, float]) -> None:
    table = Table(title="Sound in silicon (km/s)", title_justify="left", box=None, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("direction", "Christoffel", "finite elements / Christoffel"):
        table.add_column(column)
    for name in DIRECTIONS:
        exact = "  ".join(f"{figures[f'c{k} {name}']:.3f}" for k in (1, 2, 3))
        table.add_row(name, exact, "  ".join(f"{figures[f'c{k} / Christoffel {name}']:.5f}" for k in (1, 2, 3)))
    slopes = Table(
        title="Along [100], tension along [001]: (ρ0 W²)'", title_justify="left", box=None, padding=(0, 3, 0, 0), header_style="dim"
    )
    for column in ("wave", "finite elements", "constants of third order"):
        slopes.add_column(column)
    for name in ("longitudinal", "[010]", "[001]"):
        key = f"(ρ0 W²)' {name}"
        slopes.add_row(name, f"{figures[key]:.4f}", f"{figures[f'{key} by constants of third order']:.4f}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)
        console.print(slopes)


@styled
def picture(front: dict[str, Any], traces: dict[str, Any], curves: dict[str, Any]) -> Any:
    """The front in the plane, the arrivals along five directions, and the change of the speeds under stress."""
    figure = new_figure(12.0, 4.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.05, 1.1, 0.95))
    shade = np.sqrt(front["size"] / np.percentile(front["size"], 99.8))
    left.imshow(shade.reshape(front["size"].shape), origin="lower", extent=(-1, 1, -1, 1), cmap=SEQUENTIAL, vmin=0, vmax=1)
    for k, curve in enumerate(front["fronts"]):
        left.plot(curve[:, 0], curve[:, 1], ":", color="white", lw=0.9, label="group velocity × time" if k == 0 else None)
    left.legend(loc="lower left", labelcolor="white")
    left.set(xlim=(-0.95, 0.95), ylim=(-0.95, 0.95), xticks=[], yticks=[], xlabel="[100]", ylabel="[010]")
    left.set_title("From a point, in the (001) plane")
    for row, (name, (trace, expected)) in enumerate(traces.items()):
        size = np.linalg.norm(trace["u"], axis=1)
        shown = trace["c"] > 3.5
        middle.plot(trace["c"][shown], -row + 0.8 * size[shown] / size[shown].max(), color=BLUE, lw=1.2)
        middle.vlines(expected, -row, -row + 0.9, color=ORANGE, lw=0.8, ls="--", zorder=0)
        middle.text(3.55, -row + 0.25, name, fontweight="bold")
    middle.plot([], [], color=BLUE, label="pulse")
    middle.plot([], [], "--", color=ORANGE, lw=0.8, label="Christoffel's speeds")
    middle.legend(loc="upper center", ncols=2)
    middle.set(xlabel="distance / time (km/s)", yticks=[], xlim=(3.5, 9.9), ylim=(-len(traces) + 0.9, 1.35))
    middle.set_title("Plane waves along five directions")
    names = ("longitudinal", "polarised along [010]", "polarised along [001]")
    zero = np.argmin(np.abs(curves["stretch"]))
    rest, found = curves["exact"][zero], curves["measured"][zero]
    for k, (name, colour, marker) in enumerate(zip(names, (BLUE, GREEN, ORANGE), "osD", strict=True)):
        right.plot(100 * curves["stretch"], 100 * (curves["exact"][:, k] / rest[k] - 1), color=colour)
        right.plot(100 * curves["stretch"], 100 * (curves["measured"][:, k] / found[k] - 1), marker, color=colour, label=name)
    right.axhline(0, color=MUTED, lw=0.6, zorder=0)
    right.set(xlabel="stretch along [001] (%)", ylabel="change of the natural speed along [100] (%)")
    right.set_title("Under stress the transverse waves part")
    right.legend()
    figure.suptitle(
        "Sound in silicon: finite elements (points, pulses) and Christoffel's equation (lines)", fontweight="bold", x=0.01, ha="left"
    )
    return figure


if __name__ == "__main__":
    run(main, __doc__)
