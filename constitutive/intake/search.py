r"""Which reading of the file leaves the smallest residual.

For one reading of strain, measure and frame the residual of the least-squares fit is a quadratic form in the 81
entries of the
map L that undoes a disorder of the components, so that all 720 orders and any rotation cost a 81×81 form each:

.. math:: r^2(L) = \frac{l^T M l}{l^T N l}, \qquad M = X^T (1 - Q Q^T) X,\quad N = X^T X,\quad l = \mathrm{vec}\, L

with X the stresses that the unit maps give and Q an orthonormal basis of the series. The energy predicted from that
fit is
linear in l too: its correlation with W is the second half of the score, the slope between them the ratio of the units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import REFERENCE_STRESS, LaueGroup, design
from constitutive.fitting.robust import LEAST_RESIDUAL
from constitutive.intake.hypotheses import (
    KNOWN_ORDERS,
    STANDARD,
    Hypothesis,
    Reading,
    alternatives,
    order_map,
    order_maps,
    order_text,
    reading,
    rotation_map,
)


@dataclass(frozen=True)
class Score:
    """How well one reading fits.

    Attributes
    ----------
    residual : float
        Relative residual of stress and energy together.
    stress : float
        Relative residual of the stress.
    energy : float
        Relative residual of W with free unit and offset; 0 without W.
    slope : float
        W in the file over the energy that belongs to the stress; nan without W.
    """

    residual: float
    stress: float
    energy: float
    slope: float


class Fit:
    """The quadratic forms of one reading under one group."""

    def __init__(self, data: StressStrainData, group: LaueGroup, degree: int, read: Reading, stress: Float[np.ndarray, "n 9"]):
        x = read.x
        size = np.sqrt((x * x).sum(1))
        scale = float(np.sqrt((size * size).mean())) or 1.0
        weights = 1.0 / (size / scale + 0.5)
        matrices = design(group, x, degree, scale)
        n, p = len(x), matrices.stress.shape[2]
        D = (matrices.stress * weights[:, None, None]).reshape(6 * n, p)
        X = np.einsum("nai,nj->naij", read.to_second * weights[:, None, None], stress).reshape(n, 9, 81)
        X6 = X[:, :6].reshape(6 * n, 81)
        skew = X[:, 6:].reshape(3 * n, 81)
        left, singular, right = np.linalg.svd(D, full_matrices=False)
        kept = singular > 1e-9 * singular[0]
        Q = left[:, kept]
        projected = Q.T @ X6
        rest = X6 - Q @ projected
        freedom = 6 * n / max(6 * n - int(kept.sum()), 1)
        self.M = freedom * (rest.T @ rest) + skew.T @ skew
        self.N = X6.T @ X6 + skew.T @ skew
        coefficients = (right[kept].T / singular[kept]) @ projected
        self._set_energy(data, matrices.energy, coefficients, weights)

    def _set_energy(
        self,
        data: StressStrainData,
        B: Float[np.ndarray, "n p"],
        coefficients: Float[np.ndarray, "p 81"],
        weights: Float[np.ndarray, " n"],
    ) -> None:
        self.W: np.ndarray | None = None
        if data.W is None or len(data) < 4:
            return
        squared = (weights * weights)[:, None]
        offset = squared / np.sqrt((squared * squared).sum())
        without = np.array(B)
        without[:, :REFERENCE_STRESS] = 0.0
        self.Y = [_project_out(squared * b @ coefficients, offset) for b in (B, without)]
        self.W = _project_out(squared * data.W[:, None], offset)[:, 0]

    def scores(self, maps: Float[np.ndarray, "m 9 9"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Residual, its stress part, its energy part and the slope, for each map."""
        rows = maps.reshape(len(maps), 81)
        total = np.einsum("mi,mi->m", rows @ self.N, rows)
        stress = np.sqrt(np.maximum(np.einsum("mi,mi->m", rows @ self.M, rows), 0) / np.maximum(total, 1e-300))
        if self.W is None or not self.W.any():
            none = np.zeros(len(maps))
            return np.maximum(stress, LEAST_RESIDUAL), stress, none, none + np.nan
        energy: np.ndarray = np.full(len(maps), np.inf)
        slope: np.ndarray = np.zeros(len(maps))
        for Y in self.Y:
            predicted = rows @ Y.T
            square = np.maximum((predicted * predicted).sum(1), 1e-300)
            product = predicted @ self.W
            missed = np.sqrt(np.maximum(1 - product**2 / square / (self.W @ self.W), 0))
            better = missed < energy
            energy, slope = np.where(better, missed, energy), np.where(better, product / square, slope)
        return np.maximum(np.hypot(stress, energy), LEAST_RESIDUAL), stress, energy, slope

    def score(self, L: Float[np.ndarray, "9 9"]) -> Score:
        """All four numbers for one map."""
        residual, stress, energy, slope = self.scores(L[None])
        return Score(float(residual[0]), float(stress[0]), float(energy[0]), float(slope[0]))

    def best_rotation(self, starts: Float[np.ndarray, "s 3"]) -> tuple[Float[np.ndarray, " 3"], float]:
        """Rotation vector of the constant rotation of the stress with the least residual, and that residual."""
        from scipy.optimize import minimize  # deferred: SciPy's optimisers take 0.3 s to import, and good data need none
        from scipy.spatial.transform import Rotation

        def residual(vector: Float[np.ndarray, " 3"]) -> float:
            return float(np.log(self.scores(rotation_map(Rotation.from_rotvec(vector).as_matrix())[None])[0][0]))

        coarse = self.scores(np.stack([rotation_map(Q) for Q in Rotation.from_rotvec(starts).as_matrix()]))[0]
        best = (np.zeros(3), np.inf)
        for start in starts[np.argsort(coarse)[:4]]:
            found = minimize(residual, start, method="BFGS", options={"maxiter": 60, "gtol": 1e-6})
            if found.fun < best[1]:
                best = (found.x, found.fun)
        return best[0], float(np.exp(best[1]))


def _project_out(values: Float[np.ndarray, "n m"], direction: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, "n m"]:
    return values - direction @ (direction.T @ values)


def stress_rows(data: StressStrainData) -> Float[np.ndarray, "n 9"]:
    """The nine numbers of each sample, as the file has them.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    array (n, 9)
    """
    return getattr(data, data.measure).reshape(len(data), 9)


def map_of(hypothesis: Hypothesis) -> Float[np.ndarray, "9 9"]:
    """The map of the components that undoes a hypothesis's disorder and constant rotation.

    Parameters
    ----------
    hypothesis : Hypothesis

    Returns
    -------
    array (9, 9)
    """
    L = order_map(hypothesis.order) if hypothesis.order != STANDARD else np.eye(9)
    if hypothesis.rotation is not None:
        from scipy.spatial.transform import Rotation  # deferred: SciPy's geometry takes 0.2 s to import

        L = rotation_map(Rotation.from_rotvec(hypothesis.rotation).as_matrix()) @ L
    return L


def rotation_starts() -> Float[np.ndarray, "s 3"]:
    """A deterministic, even cover of the rotations.

    Returns
    -------
    array (s, 3)
        Rotation vectors, radians.
    """
    from scipy.spatial.transform import Rotation  # deferred: as above

    return Rotation.random(160, random_state=7).as_rotvec()


@dataclass(frozen=True)
class Candidate:
    """A hypothesis with its score and the penalised score by which candidates are compared."""

    hypothesis: Hypothesis
    score: Score
    penalised: float


PENALTY = {
    "component_order": 2.4,
    "stress_frame": 2.2,
    "wrong_group": 2.2,
    "stress_measure": 1.8,
}
UNKNOWN_ORDER = 1.4  # times the penalty of an order that some program writes


def penalty(hypothesis: Hypothesis) -> float:
    """The factor by which a reading has to be better than the one as stated to be accepted.

    Parameters
    ----------
    hypothesis : Hypothesis

    Returns
    -------
    float
    """
    factor = 1.0
    for fault in hypothesis.faults:
        factor *= PENALTY.get(fault, 2.0)
    if hypothesis.order != STANDARD and order_text(hypothesis.order) not in KNOWN_ORDERS:
        factor *= UNKNOWN_ORDER
    return factor


def scan(data: StressStrainData, group: LaueGroup, degree: int, *, name: str = "", rotations: bool = True) -> list[Candidate]:
    """All readings under one group, best first.

    Parameters
    ----------
    data : StressStrainData
        Distinct samples of one kind.
    group : LaueGroup
        The group under which the series is built.
    degree : int
        Highest power of the strain.
    name : str
        Name of the group where it is not the declared one.
    rotations : bool
        Whether constant rotations between the frame of F and that of the stress are tried.

    Returns
    -------
    list of Candidate
    """
    stress = stress_rows(data)
    found: list[Candidate] = []
    for base in alternatives(data):
        base = replace(base, group=name)
        fit = Fit(data, group, degree, reading(data, base.deformation, base.measure, base.frame), stress)
        found += _orders(base, fit) if "first" not in (base.measure or data.measure) else _plain(base, fit)
        if rotations and base.frame == "lab":
            vector, _ = fit.best_rotation(rotation_starts())
            if np.linalg.norm(vector) > 0.02:
                turned = replace(base, rotation=tuple(float(v) for v in vector))
                found.append(_candidate(turned, fit.score(map_of(turned))))
    return sorted(found, key=lambda c: c.penalised)


def _candidate(hypothesis: Hypothesis, score: Score) -> Candidate:
    return Candidate(hypothesis, score, score.residual * penalty(hypothesis))


def _plain(base: Hypothesis, fit: Fit) -> list[Candidate]:
    return [_candidate(base, fit.score(np.eye(9)))]


def _orders(base: Hypothesis, fit: Fit) -> list[Candidate]:
    """The plain reading and the few best orders."""
    orders, maps = order_maps()
    residual, stress, energy, slope = fit.scores(maps)
    best = [0, *(int(i) for i in np.argsort(residual)[:6] if i != 0)]
    columns = [
        (replace(base, order=orders[i]), Score(float(residual[i]), float(stress[i]), float(energy[i]), float(slope[i]))) for i in best
    ]
    return [_candidate(h, s) for h, s in columns]
