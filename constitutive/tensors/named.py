"""Property tensors by name, and the pattern of their independent components as the textbooks print it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np
from jaxtyping import Float

from constitutive.errors import ConstitutiveError
from constitutive.show import grid
from constitutive.tensors.bases import GroupLike, Parity, invariant_basis, number_of_invariants
from constitutive.tensors.formulas import pairs_formula
from constitutive.tensors.packing import VOIGT_PAIRS

_ROOTS = ((1.0, ""), (np.sqrt(2.0), "√2"), (np.sqrt(3.0), "√3"), (np.sqrt(6.0), "√6"))
_LATEX_ROOT = {"": "", "√2": r"\sqrt2", "√3": r"\sqrt3", "√6": r"\sqrt6"}


@dataclass(frozen=True)
class PropertyTensor:
    """A property of crystals.

    Attributes
    ----------
    name : str
    letter, latex_letter : str
        What its components are called.
    formula : str
        Index symmetry in e3nn's notation.
    parity : {"polar", "axial"}
    time_odd : bool
        Whether it changes sign under time reversal.
    blocks : str
        How the indices are packed: "v" a vector index, "s" a symmetric pair counted 1–6 in Voigt's order, "p" a plain pair.
    meaning : str
        The equation that it stands in.
    """

    name: str
    letter: str
    latex_letter: str
    formula: str
    parity: Parity
    time_odd: bool
    blocks: str
    meaning: str

    @property
    def sign_under_inversion(self) -> int:
        """+1 where the tensor is the same in the two hands of a crystal (elastic), −1 where it changes sign (piezoelectric)."""
        rank = len(self.formula.split("=")[0])
        return (-1) ** (rank + (self.parity == "axial"))

    @property
    def symmetric(self) -> bool:
        """Whether the packed indices commute."""
        return self.formula in {pairs_formula(2), pairs_formula(3), pairs_formula(4)}


_PIEZO = "ijk=ikj"
_PHOTO = "ijkl=jikl=ijlk"
TENSORS: dict[str, PropertyTensor] = {
    t.name: t
    for t in (
        PropertyTensor("pyroelectric", "p", "p", "i", "polar", False, "v", "ΔP_i = p_i ΔT"),
        PropertyTensor("dielectric", "ε", r"\varepsilon", "ij=ji", "polar", False, "vv", "D_i = ε_ij E_j"),
        PropertyTensor("thermal expansion", "α", r"\alpha", "ij=ji", "polar", False, "vv", "strain_ij = α_ij ΔT"),
        PropertyTensor("gyration", "g", "g", "ij=ji", "axial", False, "vv", "G = g_ij l_i l_j (optical activity)"),
        PropertyTensor("piezoelectric", "e", "e", _PIEZO, "polar", False, "vs", "P_i = e_ijk strain_jk"),
        PropertyTensor("piezomagnetic", "q", "q", _PIEZO, "axial", True, "vs", "M_i = q_ijk stress_jk"),
        PropertyTensor("magnetoelectric", "a", "a", "ij", "axial", True, "vv", "M_i = a_ij E_j"),
        PropertyTensor("photoelastic", "p", "p", _PHOTO, "polar", False, "ss", "Δ(1/ε)_ij = p_ijkl strain_kl"),
        PropertyTensor("electrostriction", "M", "M", _PHOTO, "polar", False, "ss", "strain_ij = M_ijkl E_k E_l"),
        PropertyTensor("elastic 2", "c", "c", pairs_formula(2), "polar", False, "ss", "ψ = ½ c_ijkl E_ij E_kl"),
        PropertyTensor("elastic 3", "C", "C", pairs_formula(3), "polar", False, "sss", "ψ = ⅙ C_ijklmn E_ij E_kl E_mn"),
        PropertyTensor("elastic 4", "C", "C", pairs_formula(4), "polar", False, "ssss", "ψ = 1/24 C E E E E"),
    )
}
ALIASES = {"elastic": "elastic 2", "elastic order 2": "elastic 2", "elastic order 3": "elastic 3", "elastic order 4": "elastic 4"}

Term = tuple[float, str]


def property_tensor(name: str | PropertyTensor) -> PropertyTensor:
    """A property tensor by its name.

    Parameters
    ----------
    name : str or PropertyTensor
        Capitals, ``_`` and ``-`` do not matter; a PropertyTensor is returned as it is.

    Returns
    -------
    PropertyTensor
        Index symmetry, parity under inversion and time reversal, and symbol.

    Raises
    ------
    ConstitutiveError
        No tensor has that name; the message lists those that are known.
    """
    if isinstance(name, PropertyTensor):
        return name
    key = name.strip().lower().replace("_", " ").replace("-", " ")
    key = ALIASES.get(key, key)
    if key not in TENSORS:
        raise ConstitutiveError(f"no property tensor {name!r} is known; there are: {', '.join(TENSORS)}")
    return TENSORS[key]


def tensor_basis(group: GroupLike, name: str | PropertyTensor) -> Float[np.ndarray, "n ..."]:
    """Orthonormal basis of a named property tensor under a group (:func:`invariant_basis`).

    Parameters
    ----------
    group : PointGroup, MagneticPointGroup or array (n, 3, 3)
    name : str or PropertyTensor

    Returns
    -------
    array (k, 3, …, 3)
        In the frame of the group; k is the number of independent constants.
    """
    tensor = property_tensor(name)
    return invariant_basis(group, tensor.formula, tensor.parity, time_odd=tensor.time_odd)


def independent_constants(group: GroupLike, name: str | PropertyTensor) -> int:
    """Number of independent components of a named property tensor under a group.

    Parameters
    ----------
    group : PointGroup, MagneticPointGroup or array (n, 3, 3)
    name : str or PropertyTensor

    Returns
    -------
    int
    """
    tensor = property_tensor(name)
    return number_of_invariants(group, tensor.formula, tensor.parity, time_odd=tensor.time_odd)


def elastic_constant_counts(group: GroupLike, orders: tuple[int, ...] = (1, 2, 3, 4)) -> dict[int, int]:
    """Independent coefficients of each order of strain in the energy: order 1 the residual stress, 2 the stiffness.

    Parameters
    ----------
    group : PointGroup or array (n, 3, 3)
    orders : tuple of int
        Powers of the strain in the energy.

    Returns
    -------
    dict
        Number of independent coefficients by order.
    """
    return {order: number_of_invariants(group, pairs_formula(order)) for order in orders}


@dataclass(frozen=True)
class Pattern:
    """Components of a property tensor in terms of the independent ones.

    Attributes
    ----------
    tensor : PropertyTensor
    group : str
        Symbol of the group.
    independent : tuple of str
        Names of the independent components, in reading order.
    entries : dict
        For each packed position (0-based), the terms (coefficient, name) that it is the sum of; none for a zero.
    """

    tensor: PropertyTensor
    group: str
    independent: tuple[str, ...]
    entries: dict[tuple[int, ...], tuple[Term, ...]]

    def _repr_html_(self) -> str:
        title = f"{self.tensor.name} tensor of {self.group}: {len(self.independent)} independent"
        rows = [[line] for line in self._relations()] if len(self.tensor.blocks) > 2 else self._rows(_term_text, "·")
        return grid(title, rows)

    def text(self) -> str:
        """The pattern for a terminal: a matrix, or groups of equal components for more than two packed indices.

        Returns
        -------
        str
        """
        if len(self.tensor.blocks) > 2:
            return "\n".join(self._relations())
        rows = self._rows(_term_text, "·")
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)

    def latex(self) -> str:
        """The pattern in LaTeX: a pmatrix, or aligned equations for more than two packed indices.

        Returns
        -------
        str
            For math mode.
        """
        if len(self.tensor.blocks) > 2:
            lines = [line.replace(" = ", " &= ", 1) for line in self._relations(latex=True)]
            return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"
        body = " \\\\\n".join(" & ".join(row) for row in self._rows(_term_latex, r"\cdot"))
        return "\\begin{pmatrix}\n" + body + "\n\\end{pmatrix}"

    def _rows(self, form: Callable[..., str], zero: str) -> list[list[str]]:
        sizes = [_size(block) for block in self.tensor.blocks]
        rows = 1 if len(sizes) == 1 else sizes[0]
        table = [[zero] * sizes[-1] for _ in range(rows)]
        for position, terms in self.entries.items():
            i, j = (0, *position) if len(position) == 1 else position
            table[i][j] = _sum(terms, form, self.tensor) or zero
            if self.tensor.symmetric and i != j:
                table[j][i] = ""
        return table

    def _relations(self, *, latex: bool = False) -> list[str]:
        form = _term_latex if latex else _term_text
        groups: dict[str, list[str]] = {}
        for position, terms in self.entries.items():
            value = _sum(terms, form, self.tensor)
            own = form(1.0, _name(self.tensor, position), self.tensor)
            if value and value != own:
                groups.setdefault(value, []).append(own)
            elif value:
                groups.setdefault(value, [])
        independent = {form(1.0, name, self.tensor) for name in self.independent}
        lines = [" = ".join([v, *equal] if v in independent else [*equal, v]) for v, equal in groups.items()]
        zeros = sum(not terms for terms in self.entries.values())
        return [*lines, f"all {zeros} others vanish"] if zeros and not latex else lines


def _size(block: str) -> int:
    return 6 if block == "s" else 3


def _name(tensor: PropertyTensor, position: tuple[int, ...]) -> str:
    return tensor.letter + "".join(str(k + 1) for k in position)


def _term_text(coefficient: float, name: str, tensor: PropertyTensor) -> str:
    return ("−" if coefficient < 0 else "") + _number(abs(coefficient)) + name


def _term_latex(coefficient: float, name: str, tensor: PropertyTensor) -> str:
    number = _number(abs(coefficient), latex=True)
    return ("-" if coefficient < 0 else "") + number + f"{tensor.latex_letter}_{{{name[len(tensor.letter) :]}}}"


def _number(value: float, *, latex: bool = False) -> str:
    """A coefficient as 2, ½√3 …; nothing for 1; a decimal where it is no such number."""
    for root, sign in _ROOTS:
        for denominator in range(1, 13):
            numerator = round(value / root * denominator)
            if numerator and abs(value - numerator * root / denominator) < 1e-9:
                return _fraction(numerator, denominator, _LATEX_ROOT[sign] if latex else sign, latex)
    return f"{value:.4g} "


def _fraction(numerator: int, denominator: int, root: str, latex: bool) -> str:
    top = ("" if numerator == 1 and (denominator == 1 or root) else str(numerator)) + root
    if denominator == 1:
        return "" if top in ("", "1") else top
    return rf"\tfrac{{{top or 1}}}{{{denominator}}}" if latex else f"{top or 1}/{denominator} "


def _sum(terms: tuple[Term, ...], form: Callable[..., str], tensor: PropertyTensor) -> str:
    if not terms:
        return ""
    size = abs(terms[0][0])
    if len(terms) > 1 and all(abs(abs(c) - size) < 1e-9 for c, _ in terms) and abs(size - 1) > 1e-9:  # ½(c11 − c12)
        inner = _sum(tuple((float(np.sign(c)), name) for c, name in terms), form, tensor)
        latex = form is _term_latex
        inverse = round(1 / size)
        if not latex and inverse > 1 and abs(size * inverse - 1) < 1e-9:
            return f"({inner})/{inverse}"
        return f"{_number(size, latex=latex).strip()}({inner})"
    first, *others = sorted(terms, key=lambda term: term[0] < 0)  # −a + b reads better as b − a
    text = form(*first, tensor)
    for coefficient, name in others:
        piece = form(abs(coefficient), name, tensor)
        text += ("-" if form is _term_latex else "−") + piece if coefficient < 0 else "+" + piece
    return text


def _positions(tensor: PropertyTensor) -> list[tuple[int, ...]]:
    if tensor.symmetric:
        return list(combinations_with_replacement(range(6), len(tensor.blocks)))
    return list(product(*(range(_size(block)) for block in tensor.blocks)))


def _index(tensor: PropertyTensor, position: tuple[int, ...]) -> tuple[int, ...]:
    index: list[int] = []
    for block, k in zip(tensor.blocks, position, strict=True):
        index += VOIGT_PAIRS[k] if block == "s" else [k]
    return tuple(index)


def pattern(group: GroupLike, name: str | PropertyTensor) -> Pattern:
    """Which components of a property tensor are zero, equal, opposite or dependent under a group.

    Components are those of the tensor itself (stress-like: no factor 2 in the shear ones). The independent ones are those of Nye's
    and Fumi's tables: 11…, 22…, 33… where they will do, then the first in reading order.

    Parameters
    ----------
    group : PointGroup, MagneticPointGroup or array (n, 3, 3)
    name : str or PropertyTensor

    Returns
    -------
    Pattern

    Raises
    ------
    ConstitutiveError
        No tensor has that name.

    Examples
    --------
    >>> from constitutive.symmetry import PointGroup
    >>> print(pattern(PointGroup.from_symbol("-43m"), "piezoelectric").text())
    ·  ·  ·  e14    ·    ·
    ·  ·  ·    ·  e14    ·
    ·  ·  ·    ·    ·  e14
    """
    tensor = property_tensor(name)
    basis = tensor_basis(group, tensor)
    positions = _positions(tensor)
    places = [int(np.ravel_multi_index(_index(tensor, position), basis.shape[1:])) for position in positions]
    values = basis.reshape(len(basis), 3 ** (basis.ndim - 1))[:, places].T
    chosen = _independent(positions, values)
    names = tuple(_name(tensor, positions[k]) for k in chosen)
    weights = np.linalg.solve(values[chosen].T, values.T).T if chosen else np.zeros((len(positions), 0))
    entries = {
        position: tuple((_exact(c), label) for c, label in zip(row, names, strict=True) if abs(c) > 1e-8)
        for position, row in zip(positions, weights, strict=True)
    }
    symbol = getattr(group, "symbol", f"{len(np.asarray(getattr(group, 'operations', group)))} operations")
    return Pattern(tensor, symbol, names, entries)


def _independent(positions: list[tuple[int, ...]], values: np.ndarray) -> list[int]:
    """Positions of the components kept as independent: 11…, 22…, 33… first (e22 of 3m, C222 of -3m), then in reading order."""
    first = [k for k, p in enumerate(positions) if len(set(p)) == 1 and p[0] < 3]
    chosen: list[int] = []
    span = np.zeros((0, values.shape[1]))
    for k in [*first, *(k for k in range(len(positions)) if k not in first)]:
        rest = values[k] - span.T @ (span @ values[k])
        rest -= span.T @ (span @ rest)
        if np.linalg.norm(rest) > 1e-6:
            chosen.append(k)
            span = np.vstack([span, rest / np.linalg.norm(rest)])
    return sorted(chosen)


def _exact(value: float) -> float:
    """Remove rounding from fractions with denominators up to 12."""
    for denominator in range(1, 13):
        nearest = round(value * denominator) / denominator
        if abs(value - nearest) < 1e-9:
            return nearest
    return float(value)
