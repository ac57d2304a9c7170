"""Polyconvex laws at large strain on a cubic beam lattice: ours, a convex network of cubic invariants, and laws without the constraint.

    ./dev python benchmarks/polyconvex.py [--states 56] [--seeds 3] [--json FILE]

The lattice is a formula, not published data: beams along the edges and diagonals of a cube that buckle where they are squeezed, and a
filling. States lie on uniaxial, biaxial, planar, shear and volumetric paths, as in Klein, Fernández, Martin, Neff & Weeger 2022; unseen
ones are combinations of them. Two laws of that paper, written here from its equations, take part: input-convex networks of 16 softplus
units, of I1, I2, J, -J and the two invariants of degree four of the cubic group; and of F, cof F and det F, averaged over the group.

--data benchmarks/data/beam_lattice takes published states instead (CC BY 4.0, see the README there): text files CELL_PATH.txt with F (9
numbers) and P (9) in each row; --cell chooses the files, and CELL_test….txt are the unseen states.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from constitutive.audit import weakest
from constitutive.audit.polyconvexity import random_deformations
from constitutive.data import StressStrainData
from constitutive.fitting import fit_network, fit_polyconvex, problem_of
from constitutive.fitting.series_network import Shape
from constitutive.symmetry import PointGroup

GROUP = PointGroup.from_symbol("m-3m")
BEAMS = [*((n, 1.0) for n in np.eye(3)), *((np.array(n) / 3**0.5, 0.6) for n in ((1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, 1, 1)))]
PATHS = [(0.6, 0, 0), (-0.37, 0, 0), (0.4, 0.4, 0), (-0.37, -0.37, 0), (0.3, 0.3, 0.3), (-0.35, -0.35, -0.35), (0.5, -0.2, 0)]
UNSEEN = [(0.4, 0.15, -0.1, 0.0), (0.3, -0.1, -0.1, 0.3), (-0.3, 0.0, 0.1, 0.4), (0.2, 0.2, -0.2, -0.3)]
ROTATED = 8  # frames of each sample that a network without objectivity learns from
out = Console(highlight=False, width=120)


def lattice(F):
    """First Piola–Kirchhoff stress (GPa)."""
    P = 0.2 * ((np.linalg.det(F) - 1) * np.linalg.det(F))[:, None, None] * np.linalg.inv(F).swapaxes(1, 2)
    for n, k in BEAMS:
        Fn = F @ n
        u = np.linalg.norm(Fn, axis=1) - 1
        force = k * (0.15 * u + 0.85 * u / (1 + np.exp(-u / 0.06)))
        P = P + (force / (1 + u))[:, None, None] * Fn[:, :, None] * n
    return P


def states(count):
    ends = [np.diag(path) for path in PATHS] + [0.6 * np.eye(3, k=1)]
    t = np.linspace(0, 1, count // len(ends) + 1)[1:]
    train = np.concatenate([np.eye(3) + t[:, None, None] * end for end in ends])
    unseen = [np.diag(part[:3]) + part[3] * np.eye(3, k=1) for part in UNSEEN]
    return train, np.concatenate([np.eye(3) + np.linspace(0.1, 1, 10)[:, None, None] * end for end in unseen])


class ConvexPeer(torch.nn.Module):
    """A law by automatic differentiation of a polyconvex energy, without stress at rest by a term linear in J; fitted by L-BFGS."""

    inputs: int

    def __init__(self, seed, width=16):
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.inner = torch.nn.Parameter(0.3 * torch.randn(width, self.inputs, dtype=torch.float64, generator=random))
        self.bias = torch.nn.Parameter(torch.randn(width, dtype=torch.float64, generator=random))
        self.outer = torch.nn.Parameter(torch.full((width,), 0.3, dtype=torch.float64))

    def stress(self, F):
        F = F.detach().requires_grad_()
        energy, J = self.energy(F)
        P = torch.autograd.grad(energy.sum(), F, create_graph=True)[0]
        identity = torch.eye(3, dtype=torch.float64)[None].requires_grad_()
        rest = torch.autograd.grad(self.energy(identity)[0].sum(), identity, create_graph=True)[0]
        slope = torch.autograd.grad(J.sum(), F, create_graph=True)[0]
        return P - rest[0].trace() / 3 * slope

    def fit(self, F, P):
        F, P = torch.from_numpy(F), torch.from_numpy(P)
        optimiser = torch.optim.LBFGS(
            self.parameters(), max_iter=1500, history_size=50, line_search_fn="strong_wolfe", tolerance_change=1e-13
        )

        def closure():
            optimiser.zero_grad()
            loss = ((self.stress(F) - P) ** 2).mean() / (P**2).mean()
            loss.backward()
            return loss

        optimiser.step(closure)
        return lambda G: self.stress(torch.from_numpy(G)).detach().numpy()


def cofactor(F):
    a, b, c = F.unbind(-1)
    return torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], -1)


def growth(J):
    return 1e-3 * (J + 1 / J - 2) ** 2


class CubicInvariants(ConvexPeer):
    """An input-convex network of the polyconvex invariants of the cubic group, with growth."""

    inputs = 6

    def energy(self, F):
        cof = cofactor(F)
        J = (F[:, :, 0] * cof[:, :, 0]).sum(1)
        along, area = (F**2).sum(1), (cof**2).sum(1)
        invariants = torch.stack([along.sum(1), area.sum(1), J, -J, (along**2).sum(1), (area**2).sum(1)], 1)
        z = torch.nn.functional.softplus(invariants @ (self.inner**2).T + self.bias)
        return z @ self.outer**2 + growth(J), J


class CofactorNetwork(ConvexPeer):
    """An input-convex network of F, cof F and det F, averaged over the rotations of the cube; objective only as far as its data say."""

    inputs, group = 19, torch.from_numpy(np.array(GROUP.laue_rotations))

    def energy(self, F):
        cof = cofactor(F)
        J = (F[:, :, 0] * cof[:, :, 0]).sum(1)
        images, areas = (torch.einsum("nij,gjk->gnik", A, self.group).flatten(2) for A in (F, cof))
        x = torch.cat([images, areas, J.expand(len(self.group), -1)[:, :, None]], 2)
        z = torch.nn.functional.softplus(x @ self.inner.T + self.bias).mean(0)
        return z @ self.outer**2 + growth(J), J

    def fit(self, F, P):
        turns = np.array(GROUP.laue_rotations)[:: 24 // ROTATED]  # samples of rotated frames, as in the paper
        return super().fit(*(np.concatenate([Q @ A for Q in turns]) for A in (F, P)))


def laws(F, P, seed):
    """Each law's stress as a function of F, and the law where it is one of ours."""
    data = StressStrainData(F=F, first_piola_kirchhoff=P, units="GPa", point_group="m-3m")
    problem = problem_of(data, GROUP.laue_rotations)
    yield "cubic invariants, convex (Klein et al.)", lambda: (CubicInvariants(seed).fit(F, P), None)
    yield "F, cof F, det F, convex (Klein et al.)", lambda: (CofactorNetwork(seed).fit(F, P), None)
    for H in (4, 8):
        yield f"polyconvex, {H} channels", lambda H=H: ours(fit_polyconvex(problem, H, seed=seed, starts=4).law)
    for H in (4, 8):
        yield f"network, {H} channels, not convex", lambda H=H: ours(fit_network(problem, Shape((), H, 1e-3), seed).law())


def ours(law):
    return law.first_piola_kirchhoff, law


def published(folder, cell):
    """F and P (over the largest) of the files of a cell: CELL_test….txt are the unseen states, the others are fitted."""
    fitted, unseen = [], []
    for path in sorted(folder.glob(f"{cell}_*.txt")):
        (unseen if "_test" in path.name else fitted).append(np.loadtxt(path)[:, :18])
    if not fitted or not unseen:
        raise SystemExit(f"{folder} needs {cell}_test….txt and other files {cell}_….txt; found {len(unseen)} and {len(fitted)} of them")
    (F, P), (G, Q) = (np.concatenate(rows).reshape(-1, 2, 3, 3).swapaxes(0, 1) for rows in (fitted, unseen))
    return F, P / np.abs(P).max(), G, Q / np.abs(P).max()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=56)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, help="folder of published states")
    parser.add_argument("--cell", default="X")
    given = parser.parse_args()
    F, unseen = states(given.states)
    P, wanted = lattice(F), lattice(unseen)
    if given.data:
        F, P, unseen, wanted = published(given.data, given.cell)
    far = random_deformations(200, np.random.default_rng(0))
    found = {}
    for seed in range(given.seeds):
        for name, make in laws(F, P, seed):
            start = time.process_time()
            stress, law = make()
            row = found.setdefault(name, {"fit": [], "unseen": [], "lost": [], "seconds": []})
            row["seconds"].append(time.process_time() - start)
            row["fit"].append(float(np.linalg.norm(stress(F) - P) / np.linalg.norm(P)))
            row["unseen"].append(float(np.linalg.norm(stress(unseen) - wanted) / np.linalg.norm(wanted)))
            row["lost"].append(0.0 if law is None else float(np.mean(weakest(law, far) <= 0)))
    title = f"{len(F)} states, {given.seeds} seeds; errors of P, Frobenius, medians (range)"
    table = Table("law", "fitted", "unseen", "not elliptic, far outside", "s", title=title, title_justify="left", box=None)
    for name, row in found.items():
        fit, error = (f"{100 * np.median(row[k]):.1f} % ({100 * min(row[k]):.1f} to {100 * max(row[k]):.1f})" for k in ("fit", "unseen"))
        lost = "0 (by construction)" if "invariants" in name else f"{100 * np.median(row['lost']):.0f} %"
        table.add_row(name, fit, error, lost, f"{np.median(row['seconds']):.1f}")
    out.print(table)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
