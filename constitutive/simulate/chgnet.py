"""CHGNet that evaluates several cells in one call."""

from __future__ import annotations

from typing import Any, final

from ase import Atoms
from chgnet.model.dynamics import CHGNetCalculator
from pymatgen.io.ase import AseAtomsAdaptor


@final
class ChgnetBatches(CHGNetCalculator):
    """CHGNet's own ASE calculator, and its model on lists of cells."""

    def evaluate_batch(self, cells: list[Atoms]) -> list[dict[str, Any]]:
        """Energy, forces and stress of each cell.

        Parameters
        ----------
        cells : list of Atoms

        Returns
        -------
        list of dict
            ``energy`` (eV), ``forces`` (eV/Å), ``stress`` (3×3, eV/Å³) of each.
        """
        structures = [AseAtomsAdaptor.get_structure(cell) for cell in cells]
        found = self.model.predict_structure(structures, task="efs", batch_size=len(structures))
        of_each = [found] if isinstance(found, dict) else found
        return [
            {
                "energy": float(own["e"]) * (len(cell) if self.model.is_intensive else 1),
                "forces": own["f"],
                "stress": own["s"] * self.stress_weight,
            }
            for cell, own in zip(cells, of_each, strict=True)
        ]
