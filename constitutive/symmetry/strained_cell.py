"""How far a cell is from the exact lattice of its symmetry: strained and badly relaxed cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.report import SymmetryReport, find_symmetry

SMALLEST_STRAIN = 1e-4


@dataclass(frozen=True)
class CellCondition:
    """How far a cell is from the exact lattice of its symmetry.

    Attributes
    ----------
    strain : (3, 3)
        Green–Lagrange strain of the given cell against the idealised one.
    largest_strain : float
        Largest principal value of it, by magnitude.
    orthogonality_error : float
        Largest entry of |RᵀR − 1| over the operations that spglib finds for the given cell, in Cartesian components.
    closed : bool
        Whether those operations are a group.
    strained : bool
        Whether strain or error exceed 1e-4.
    sentence : str
        What this means, in plain words.
    """

    strain: Float[np.ndarray, "3 3"]
    largest_strain: float
    orthogonality_error: float
    closed: bool
    strained: bool
    sentence: str


def cell_condition(report: SymmetryReport) -> CellCondition:
    """Strain of the given cell against the exact lattice of its symmetry, and whether its operations are orthogonal and form a group.

    A strained or badly relaxed cell keeps its label within symprec, with operations that are not orthogonal: RᵀR ≠ 1.

    Parameters
    ----------
    report : SymmetryReport
        Of the cell.

    Returns
    -------
    CellCondition
    """
    C = report.deformation.T @ report.deformation
    strain = (C - np.eye(3)) / 2
    largest = float(np.abs(np.linalg.eigvalsh(strain)).max())
    error = ops.orthogonality_error(report.raw_operations)
    closed = _is_closed(report.raw_operations)
    strained = max(largest, error) > SMALLEST_STRAIN or not closed
    return CellCondition(strain, largest, error, closed, strained, _condition_sentence(report, largest, error, closed, strained))


def _is_closed(operations: np.ndarray) -> bool:
    products = (operations[:, None] @ operations[None]).reshape(-1, 3, 3)
    near = np.abs(products[:, None] - operations[None]).max(axis=(2, 3)).min(axis=1)
    return bool((near < 0.1).all())


def _condition_sentence(report: SymmetryReport, largest: float, error: float, closed: bool, strained: bool) -> str:
    name = report.point_group.symbol
    if not strained:
        return f"The cell is that of {name} to {max(largest, error):.1e}."
    text = (
        f"The cell is strained by {100 * largest:.2g} % against an exact {name} lattice: it keeps the label {name} at symprec "
        f"{report.symprec:g} Å only within that tolerance, with operations off by {error:.1e} from orthogonal (RᵀR ≠ 1)"
    )
    if not closed:
        text += ", and they do not even form a group"
    strict = _stricter(report)
    if strict:
        text += f". At {strict.symprec:g} Å it is {strict.point_group.symbol}"
    return text + f". Relax it under {name}, or take the lower symmetry; the operations returned are the exact ones nearest to it."


def _stricter(report: SymmetryReport) -> SymmetryReport | None:
    """The symmetry at a tolerance 100 times smaller, where it is another one."""
    try:
        strict = find_symmetry(report.cell, report.symprec / 100)
    except SymmetryError:
        return None
    return strict if strict.point_group.symbol != report.point_group.symbol else None
