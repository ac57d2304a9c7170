"""Many frames of one cell, as molecular dynamics writes them: one state, whose stress is the mean of the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from constitutive.data import StressStrainData
from constitutive.data.averages import error_of_mean, same_deformation
from constitutive.intake.findings import Finding
from constitutive.intake.samples import ANOTHER_STRESS, UNSTRAINED
from constitutive.tensors.components import six_text

FEWEST_FRAMES = 5  # of one cell, with as many different stresses
SCATTER = 1e-3  # of the rms stress: frames that differ less are repetitions
CERTAINTY_OF_THERMAL_FRAMES = 0.97


@final
@dataclass(frozen=True)
class RepeatedStates:
    """Cells of which the data hold many frames.

    Attributes
    ----------
    label
        A number for each sample, the same for the same cell.
    repeated
        Labels of the cells with several frames.
    """

    label: Int[np.ndarray, " n"]
    repeated: Int[np.ndarray, " k"]

    def finding(self, data: StressStrainData) -> Finding:
        """The finding: how many states there are, the mean stress of the first, and what is missing."""
        samples = tuple(int(k) for k in np.nonzero(self._frames())[0])
        message = (
            f"found {self._counted()} whose stresses differ, as at a temperature: each cell is one state, the first with "
            f"{self._first(data)}; needed one sample for each state; average the frames{_kinetic(data)}"
        )
        return Finding("thermal_frames", CERTAINTY_OF_THERMAL_FRAMES, samples, message, "--average")

    def statement(self, data: StressStrainData, *, averages: bool) -> str:
        """What `convert` says of the frames: that they were averaged, with the standard errors, or that they can be.

        Parameters
        ----------
        data : StressStrainData
            With the frames.
        averages : bool
            Whether they were averaged.
        """
        done = "were averaged, one sample for each (--no-average keeps the frames)" if averages else "were kept (--average takes the mean)"
        first = f"the first cell has {self._first(data)}{_kinetic(data)}"
        return f"{self._counted()} whose stresses differ, as at a temperature, {done}: {first}"

    def _frames(self) -> Bool[np.ndarray, " n"]:
        return np.isin(self.label, self.repeated)

    def _counted(self) -> str:
        cells = f"{len(self.repeated)} cell" + ("s" if len(self.repeated) > 1 else "")
        return f"{int(self._frames().sum())} frames of {cells}"

    def _first(self, data: StressStrainData) -> str:
        sigma = data.stress("cauchy")[self.label == self.repeated[0]]
        return (
            f"a mean stress of ({six_text(sigma.mean(0))}) GPa (xx yy zz yz xz xy) and standard errors of "
            f"({six_text(error_of_mean(sigma))}) GPa from {len(sigma)} frames"
        )


def _kinetic(data: StressStrainData) -> str:
    text = " (add the kinetic part N kT/V to the pressure, where the code left it out: ASE and most machine-learned potentials do"
    if not isinstance(data.temperature, float) or data.reference_volume is None or data.species is None:
        return text + ")"
    pressure = len(data.species) * 8.617333262e-5 * data.temperature / data.reference_volume * 160.2176634
    return f"{text}; {pressure:.2g} GPa at {data.temperature:g} K)"


def repeated_states(data: StressStrainData) -> RepeatedStates | None:
    """Cells with at least five frames of different stress; None where there are none.

    The unstrained cell, which every path of strain holds, has to differ by more than the noise of a calculation where it is the only one.
    """
    label = same_deformation(data.F)
    stress = getattr(data, data.measure)
    size = float(np.sqrt((stress**2).sum((1, 2)).mean())) or 1.0
    counts = np.bincount(label)
    repeated = [k for k in np.nonzero(counts >= FEWEST_FRAMES)[0] if _differ(stress[label == k], SCATTER * size)]
    if len(repeated) == 1 and _at_rest(data, label == repeated[0]) and not _differ(stress[label == repeated[0]], ANOTHER_STRESS * size):
        return None
    return RepeatedStates(label, np.array(repeated, dtype=int)) if repeated else None


def _at_rest(data: StressStrainData, members: Bool[np.ndarray, " n"]) -> bool:
    return float(np.abs(data.green_lagrange_strain[members]).max()) < UNSTRAINED


def _differ(stress: Float[np.ndarray, "n 3 3"], limit: float) -> bool:
    """Whether most frames of a cell have stresses of their own."""
    rounded = np.round(stress.reshape(len(stress), 9) / limit)
    return len(np.unique(rounded, axis=0)) > max(len(stress) / 2, FEWEST_FRAMES - 1)
