r"""Laws of several variables as compiled C: strain, electric field or polarisation, and scalars, 7 to 13 numbers a point.

The pieces are those of elastic laws, a polynomial and a layer of units, with more components. A diagonal operation of the group (a
twofold rotation, a mirror plane or the inversion) acts on all components by signs alone, so that up to 2³ units share their products. The
energy of the field in free space, and −E₀·P₀ of a state of field and polarisation, are added in the lab.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int

from constitutive.code_cache import Built, CompilerError, Handle, UnsafeCacheError, load
from constitutive.kernel import layer, polynomial, sums
from constitutive.kernel.classes import Classes, upper
from constitutive.kernel.ctext import Tables
from constitutive.kernel.flatten import (
    MAX_DEGREE,
    Flat,
    Program,
    UnsupportedLawError,
    check_finite,
    choose_frame,
    cleaned,
    is_identity,
    representatives,
)
from constitutive.kernel.source import WANTS
from constitutive.laws.coupled import (
    CoupledLaw,
    CoupledNetworkLaw,
    CoupledSeriesLaw,
    CoupledSumLaw,
    LinearCoupledLaw,
    RotatedCoupledLaw,
)
from constitutive.tensors.packing import mandel_matrix
from constitutive.tensors.polynomials import exponents, raising, substitution
from constitutive.tensors.variables import representation

MAP_SIZE = 52  # A of the strain (36) and of the vector (9), stress-free strain (6), weight
VECTORS = ("electric_field", "polarization")
SIZES = {"strain": 6, "electric_field": 3, "polarization": 3}  # of what is no scalar
DECLARATION = """
typedef struct {
    long count;            /* points */
    const double *state;   /* count rows of a state */
    long state_step;       /* from one row to the next */
    const double *map;     /* 52 numbers: A of the strain (6 by 6), A of the vector (3 by 3), stress-free strain (6), weight */
    long map_step;         /* 0: one map for all points; 52: one for each */
    double *energy;        /* 0, or count numbers */
    double *gradient;      /* 0, or count rows of a state's size */
    double *hessian;       /* 0, or count rows of entry_count numbers */
    const int *entries;    /* which entries of the upper triangle */
    long entry_count;
    double vacuum;         /* permittivity of free space in the unit of the results; 0: not added */
    int finite;            /* whether its energy is that of finite strain */
    double work;           /* the unit of the results; 0: the work of the field on the polarisation is not added */
    const double *numbers; /* the law's tables */
} coupled_batch;
"""
ENTRY = "constitutive_evaluate_coupled"


# ---- a law as a program ----------------------------------------------------------------------------------------------


def coupled_program(law: CoupledLaw) -> Program:
    """Flatten a coupled law.

    Parameters
    ----------
    law : CoupledLaw
        Linear, a series, a network, a sum of them, or one turned.

    Returns
    -------
    Program
        In GPa, in axes that suit its group; without a domain.

    Raises
    ------
    UnsupportedLawError
        The law is of another kind, or of other variables than strain, electric field or polarisation, and scalars in this order.
    MaterialError
        A coefficient is not finite.
    """
    names = [v.name for v in law.variables]
    scalars = law.variables[1 + bool(_vector_of(names)) :]
    if names[:1] != ["strain"] or any(v.irreps != "0e" for v in scalars):
        raise UnsupportedLawError(
            f"a law of {', '.join(names)}: generated code exists for strain, electric_field or polarization, and scalars, in this order"
        )
    Q, diagonal = _frame(_groups(law, np.eye(3)))
    D = representation(law.variables, Q[None])[0]
    signs = np.array([np.diag(m) for m in representation(law.variables, diagonal)])
    flat = Flat(weights=np.zeros((0, law.size)))
    _add(law, D, signs, flat)
    terms = {d: row for d, raw in sorted(flat.polynomial.items()) if np.any(row := cleaned(raw, signs, d))}
    result = Program(D, signs, terms, flat.weights, flat.biases, flat.amplitudes, None, None, len(signs) * len(flat.biases))
    check_finite(result)
    return result


def _vector_of(names: Sequence[str]) -> str:
    """The vector among variables of a law: their second one, or none."""
    return names[1] if names[1:2] and names[1] in VECTORS else ""


def _groups(law: CoupledLaw, turn: np.ndarray) -> list[np.ndarray]:
    """Groups of the terms without parts, in the axes of the whole."""
    if isinstance(law, CoupledSumLaw):
        return [group for term in law.terms for group in _groups(term, turn)]
    if isinstance(law, RotatedCoupledLaw):
        return _groups(law.law, turn @ law.rotation.numpy())
    return [turn @ law.operations.numpy() @ turn.T]


def _frame(groups: list[np.ndarray]) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "k 3 3"]]:
    """Rotation to axes along which twofold axes and normals of mirror planes lie, and the diagonal operations there that all groups have.

    Row s of these is the product of the generators whose bits s has.
    """
    proper = [group * np.linalg.det(group)[:, None, None] for group in groups]
    Q, _ = choose_frame(proper)
    inside = [Q @ group @ Q.T for group in groups]
    generated = [np.eye(3)]
    for signs in product((1.0, -1.0), repeat=3):
        S = np.diag(signs)
        known = any(np.array_equal(S, other) for other in generated)
        if not known and all(np.abs(group - S).max(axis=(1, 2)).min() < 1e-9 for group in inside):
            generated += [other @ S for other in generated]
    return Q, np.array(generated)


def _add(law: CoupledLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    """Add a law's terms, turned into the program's axes by D."""
    if isinstance(law, CoupledSumLaw):
        for term in law.terms:
            _add(term, D, signs, flat)
    elif isinstance(law, RotatedCoupledLaw):
        _add(law.law, D @ law.matrix.numpy(), signs, flat)
    elif isinstance(law, LinearCoupledLaw):
        k = law.size
        flat.add_polynomial(1, D @ law.slope.numpy())
        row = np.zeros(len(exponents(2, k)))
        np.add.at(row, raising(1, k)[np.argmax(exponents(1, k), axis=0)], D @ law.matrix.numpy() @ D.T / 2)
        flat.add_polynomial(2, row)
    elif isinstance(law, CoupledSeriesLaw):
        for degree in law.orders:
            row = law.get_buffer(f"energy_{degree}").numpy()
            flat.add_polynomial(degree, row if is_identity(D) else row @ substitution(D.T[None], degree)[0])
    elif isinstance(law, CoupledNetworkLaw):
        _add_network(law, D, signs, flat)
    else:
        raise UnsupportedLawError(f"a coupled law of kind {law.kind!r}: generated code exists for linear, series, network and their sums")


def _add_network(law: CoupledNetworkLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    group = law.matrices.numpy()
    W = law.orbit_weights.numpy().reshape(len(group), len(law.biases), law.size) @ D.T
    kept = representatives(D @ group @ D.T, signs)
    if len(signs) * len(kept) != len(group):
        raise UnsupportedLawError("the operations of the network's group do not form cosets of the folded ones")
    b, a = law.biases.numpy(), law.amplitudes.numpy() / len(group)
    flat.add_units(W[kept].reshape(-1, law.size), np.tile(b, len(kept)), np.tile(a, len(kept)))


# ---- its source ------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class CoupledSource:
    """The C source of a coupled program for states of given variables.

    Attributes
    ----------
    program : Program
    law : tuple of str
        Variables of the law.
    state : tuple of str
        Those that a state holds; the others are zero.
    """

    program: Program
    law: tuple[str, ...]
    state: tuple[str, ...]

    @cached_property
    def _parts(self) -> tuple[str, Tables]:
        classes, tables = Classes.of_signs(self.program.signs), Tables()
        functions = [
            sums.source(classes),
            polynomial.source(self.program, classes, tables),
            layer.doubles(self.program, classes, tables),
        ]
        return "\n".join([f"enum {{ FOLD = {classes.fold} }};", *functions]), tables

    @cached_property
    def shape(self) -> str:
        """The source that takes :attr:`numbers` from its caller: the same for all laws of one shape."""
        functions, tables = self._parts
        vector = _vector_of(self.law)
        scalars = self.law[1 + bool(vector) :]
        others = [name for name in self.state if name not in SIZES]
        places = [scalars.index(name) if name in scalars else -1 for name in others]
        given = {"ELECTRIC": "electric_field" in self.state, "POLAR": "polarization" in self.state, "SCALARS": len(places)}
        given |= {"LAW_VECTOR": bool(vector), "LAW_POLAR": vector == "polarization", "LAW_SCALARS": len(scalars)}
        given["LINKED_SCALARS"] = sum(place >= 0 for place in places)
        flags = "".join(f"#define {name} {int(value)}\n" for name, value in given.items())
        flags += f"static const int SCALAR[] = {{{', '.join(map(str, places)) or 0}}};\n"
        lanes, coupled = ((files("constitutive.kernel") / f"{name}.c").read_text() for name in ("lanes", "coupled"))
        wants = WANTS.partition("/* A block of points")[0]
        entry = f"void {ENTRY}(const coupled_batch *b) {{ evaluate_coupled(b); }}\n"
        return "\n".join([DECLARATION, flags, lanes, wants, tables.references, functions, coupled, entry])

    @cached_property
    def numbers(self) -> Float[np.ndarray, " n"]:
        """What the compiled shape needs of this law."""
        return self._parts[1].numbers

    @cached_property
    def digest(self) -> str:
        """Hash of what is evaluated."""
        return hashlib.sha256(self.shape.encode() + self.numbers.astype("<f8").tobytes()).hexdigest()


# ---- compiled --------------------------------------------------------------------------------------------------------


@final
class CoupledKernel:
    """A coupled law as compiled C: lab states in; energy, gradient and second derivatives out.

    Parameters
    ----------
    source : CoupledSource
    built : Built
        The loaded library.
    """

    def __init__(self, source: CoupledSource, built: Built):
        self.source, self.built = source, built
        self.width = sum(SIZES.get(name, 1) for name in source.state)
        self._numbers, self._function = source.numbers, getattr(built.lib, ENTRY)
        self._packed = upper(self.width)

    def pack_map(
        self,
        rotation: Float[np.ndarray, "*n 3 3"],
        rest: Float[np.ndarray, "*n 6"],
        weight: float | Float[np.ndarray, "*n"],
        vector: Float[np.ndarray, "*n 3 3"] | None = None,
    ) -> Float[np.ndarray, "*n 52"]:
        """Map from lab states to the program's axes: y = A (x − x₀), g = w Aᵀ g(y), H = w Aᵀ H(y) A.

        Parameters
        ----------
        rotation : array (3, 3) or (n, 3, 3)
            G that takes the strain to the law's axes, G E Gᵀ.
        rest : array (6,) or (n, 6)
            x₀, stress-free strain in the lab, Mandel.
        weight : float or array (n,)
            w, from GPa to the unit of the results.
        vector : array (3, 3) or (n, 3, 3), optional
            What takes the field or polarisation there; G itself by default, as of a field.

        Returns
        -------
        array (52,) or (n, 52)
        """
        frame = self.source.program.frame
        turn = self._turn
        A = frame[:6, :6] @ np.asarray(mandel_matrix(rotation))
        B, w = turn @ (rotation if vector is None else vector), np.asarray(weight, dtype=np.float64)
        batch = np.broadcast_shapes(rotation.shape[:-2], rest.shape[:-1], w.shape)
        parts = (A.reshape(*A.shape[:-2], 36), B.reshape(*B.shape[:-2], 9), rest, w[..., None])
        return np.ascontiguousarray(np.concatenate([np.broadcast_to(p, (*batch, p.shape[-1])) for p in parts], axis=-1))

    @property
    def _turn(self) -> Float[np.ndarray, "3 3"]:
        """The rotation of the frame on vectors."""
        if _vector_of(self.source.law):
            return self.source.program.frame[6:9, 6:9]
        return np.eye(3)

    def evaluate(
        self,
        state: Float[np.ndarray, "n w"],
        point_map: Float[np.ndarray, "*n 52"],
        *,
        energy: Float[np.ndarray, " n"] | None = None,
        gradient: Float[np.ndarray, "n w"] | None = None,
        hessian: Float[np.ndarray, "n m"] | None = None,
        active: tuple[int, ...] | None = None,
        vacuum: float = 0.0,
        finite: bool = True,
        work: float = 0.0,
    ) -> None:
        """Evaluate a batch into arrays that the caller made: C-contiguous, float64.

        Parameters
        ----------
        state : array (n, w)
            Rows, of which each may be part of a longer one.
        point_map : array (52,) or (n, 52)
            From ``pack_map``.
        energy, gradient : array (n,), (n, w)
            Where these go.
        hessian : array (n, m)
            Upper triangle of the second derivatives by the active numbers, row by row.
        active : tuple of int
            Numbers of the state in it; all when not given.
        vacuum : float
            Permittivity of free space in the unit of the results; 0 leaves its energy out.
        finite : bool
            Whether that energy is the one of finite strain.
        work : float
            The unit of the results; 0 leaves −E₀·P₀ of a state of field and polarisation out.

        Raises
        ------
        ValueError
            An array has another shape, dtype or layout.
        """
        chosen = tuple(range(self.width)) if active is None else active
        entries = self._entries(chosen)
        n = len(state)
        shapes = {"energy": (energy, (n,)), "gradient": (gradient, (n, self.width)), "hessian": (hessian, (n, len(entries)))}
        for name, (array, shape) in shapes.items():
            if array is not None and (array.shape != shape or array.dtype != np.float64 or not array.flags.c_contiguous):
                raise ValueError(f"{name}: a C-contiguous float64 array of shape {shape} is needed")
        whole = state.dtype == np.float64 and state.ndim == 2 and state.shape[1] == self.width and state.strides[1] == 8
        if not whole or point_map.shape not in ((MAP_SIZE,), (n, MAP_SIZE)) or not point_map.flags.c_contiguous:
            raise ValueError(f"found states {state.shape} and maps {point_map.shape}; (n, {self.width}) and ({MAP_SIZE},) are needed")
        ffi = self.built.ffi

        def pointer(array: np.ndarray | None, kind: str = "double *") -> Handle:
            return ffi.NULL if array is None else ffi.cast(kind, array.ctypes.data)

        b = ffi.new("coupled_batch *")
        b.count, b.state, b.state_step = n, pointer(state), state.strides[0] // 8
        b.map, b.map_step = pointer(point_map), MAP_SIZE if point_map.ndim == 2 else 0
        b.energy, b.gradient, b.hessian = pointer(energy), pointer(gradient), pointer(hessian)
        b.entries, b.entry_count = pointer(entries, "int *"), len(entries)
        b.vacuum, b.finite, b.work, b.numbers = vacuum, int(finite), work, pointer(self._numbers)
        self._function(b)

    def _entries(self, active: tuple[int, ...]) -> Int[np.ndarray, " m"]:
        place = {pair: k for k, pair in enumerate(self._packed)}
        pairs = [(min(i, j), max(i, j)) for k, i in enumerate(active) for j in active[k:]]
        return np.array([place[pair] for pair in pairs], dtype=np.int32)


def compile_coupled(law: CoupledLaw, state: tuple[str, ...], cache: Path | None = None) -> CoupledKernel:
    """Compile a coupled law, or take the compiled one from the cache.

    Parameters
    ----------
    law : CoupledLaw
        Of strain, and electric field or polarisation, and scalars.
    state : tuple of str
        Which variables the states hold: strain, electric_field, polarization and scalars, in this order. Those of the law that are not
        among them are zero; others than the law's do nothing here, such as a field beside the polarisation of a law.
    cache : Path, optional
        Folder of compiled laws; the user's own by default.

    Returns
    -------
    CoupledKernel

    Raises
    ------
    UnsupportedLawError
        The law has no generated code, there is no compiler, or the cache is unsafe: torch evaluates it.
    """
    if any(isinstance(term, CoupledSeriesLaw) and max(term.orders, default=0) > MAX_DEGREE for term in law.modules()):
        raise UnsupportedLawError(f"generated code goes to degree {MAX_DEGREE}")
    source = CoupledSource(coupled_program(law), tuple(v.name for v in law.variables), state)
    try:
        return CoupledKernel(source, load(source.shape, DECLARATION + f"void {ENTRY}(const coupled_batch *b);", cache))
    except (CompilerError, UnsafeCacheError) as error:
        raise UnsupportedLawError(str(error)) from error
