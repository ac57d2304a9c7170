"""Coupled crystals, insulators and metals on their cells."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import DataError, SolveError
from constitutive.fem.coupled_kinematics import CoupledKinematics
from constitutive.fem.coupled_point import KNOWN, CoupledPointLaw, EnergyLaw, state_map
from constitutive.fem.material_point import StressLaw
from constitutive.fem.orientations import rotation_from_quaternion
from constitutive.fem.quadrature import QuadraturePoints
from constitutive.fem.regions import CrystalData, Region, TagsInput, crystal_data, sort_cells
from constitutive.fem.tensor_fields import Cells, TensorField, TensorInput
from constitutive.kernel import KernelWarning
from constitutive.kernel.coupled import CoupledKernel, compile_coupled
from constitutive.kernel.flatten import UnsupportedLawError
from constitutive.laws import Law
from constitutive.laws.coupled import ELECTRIC_FIELD, STRAIN, CoupledLaw, ExtendedCoupledLaw, Variable
from constitutive.material import Material
from constitutive.units import VACUUM_PERMITTIVITY


@dataclass(frozen=True)
class Insulator:
    """A material without piezoelectricity in a solid with a potential: its strain energy, and a dielectric in crystal axes.

    Attributes
    ----------
    material : Material or Law
        The strain energy.
    relative_permittivity : float or array (3, 3)
        At constant strain, relative to free space and with it: 1 in vacuum, 4 in glass.
    """

    material: object
    relative_permittivity: float | np.ndarray


@dataclass(frozen=True)
class Metal:
    """A conductor in a solid with a potential: its strain energy; an ``Electrode`` holds its potential uniform.

    Attributes
    ----------
    material : Material or Law
        The strain energy.
    """

    material: object


class DielectricLaw:
    r"""Energy :math:`\Omega = \psi(E) - \tfrac12 E_0\cdot\chi E_0` of a strain energy and a susceptibility.

    Parameters
    ----------
    law : StressLaw
        The strain energy ψ.
    susceptibility : array (3, 3)
        χ = ε₀ (ε_r − 1), in C/m² per GV/m.
    """

    variables: tuple[Variable, ...] = (STRAIN, ELECTRIC_FIELD)

    def __init__(self, law: StressLaw, susceptibility: Float[np.ndarray, "3 3"]) -> None:
        self.law = law
        self.chi = torch.from_numpy(np.array(susceptibility, dtype=float))

    def energy(self, x: Float[Tensor, "n 9"]) -> Float[Tensor, " n"]:
        """Energy (GPa), without free space.

        Parameters
        ----------
        x : tensor (n, 9)
            Strain (Mandel) and electric field (GV/m).

        Returns
        -------
        tensor (n,)
        """
        field = x[:, 6:]
        return self.law.energy_mandel(x[:, :6]) - 0.5 * ((field @ self.chi) * field).sum(1)

    def gradient(self, x: Float[Tensor, "n 9"]) -> Float[Tensor, "n 9"]:
        """S (GPa, Mandel) and −P₀ (C/m²).

        Parameters
        ----------
        x : tensor (n, 9)

        Returns
        -------
        tensor (n, 9)
        """
        return torch.cat([self.law.stress_mandel(x[:, :6]), -x[:, 6:] @ self.chi], dim=1)

    def hessian(self, x: Float[Tensor, "n 9"]) -> Float[Tensor, "n 9 9"]:
        """Second derivatives.

        Parameters
        ----------
        x : tensor (n, 9)

        Returns
        -------
        tensor (n, 9, 9)
        """
        H = x.new_zeros(len(x), 9, 9)
        H[:, :6, :6] = self.law.tangent_mandel(x[:, :6])
        H[:, 6:, 6:] = -self.chi
        return H


class AtRest:
    """The strain energy of a coupled law without field and at the reference temperature.

    Parameters
    ----------
    law : EnergyLaw
        Its first variable is the strain.
    """

    def __init__(self, law: EnergyLaw) -> None:
        self.law = law
        self._rest = sum(variable.size for variable in law.variables) - 6

    def _packed(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(len(x), self._rest)], dim=1)

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Energy (GPa).

        Parameters
        ----------
        x : tensor (n, 6)

        Returns
        -------
        tensor (n,)
        """
        return self.law.energy(self._packed(x))

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa).

        Parameters
        ----------
        x : tensor (n, 6)

        Returns
        -------
        tensor (n, 6)
        """
        return self.law.gradient(self._packed(x))[:, :6]

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent at constant field and temperature (GPa).

        Parameters
        ----------
        x : tensor (n, 6)

        Returns
        -------
        tensor (n, 6, 6)
        """
        return self.law.hessian(self._packed(x))[:, :6, :6]


@dataclass
class CoupledRegion(Region):
    """Cells of one coupled material.

    Attributes
    ----------
    energy : EnergyLaw
        The coupled law.
    kinematics : CoupledKinematics
        The state at which it is evaluated.
    native : CoupledKernel or None
        The law as compiled C.
    """

    energy: EnergyLaw = field(kw_only=True)
    kinematics: CoupledKinematics = field(kw_only=True)
    native: CoupledKernel | None = field(kw_only=True, default=None)
    _point: CoupledPointLaw | None = field(default=None, repr=False)

    @property
    def polar(self) -> bool:
        """Whether the polarisation is an unknown here."""
        return bool(self.kinematics.polar) and self.depends_on("polarization")

    def depends_on(self, name: str) -> bool:
        """Whether the law has a variable.

        Parameters
        ----------
        name : str

        Returns
        -------
        bool
        """
        return any(variable.name == name for variable in self.energy.variables)

    def at(self, cells: Cells) -> CoupledPointLaw:
        """The law at the points of some cells, with their orientations and stress-free deformations.

        Parameters
        ----------
        cells : int array
            Local cell numbers.

        Returns
        -------
        CoupledPointLaw
        """
        if self._point is not None:
            return self._point
        kin = self.kinematics
        F0 = None if self.stress_free is None else self.stress_free.at(cells)
        turn = state_map(self.orientation.at(cells), F0, self.energy, self.unit, kin)
        law = CoupledPointLaw(self.energy, turn, self.unit, kin.electric, kin.finite, self.native, self.polar)
        if self.fixed:
            self._point = law
        return law

    def distance(self, x: Tensor) -> Tensor:
        """Size of crystal strains relative to the edge of the domain; 0 without a domain.

        Parameters
        ----------
        x : tensor (n, k)
            Packed points of the law, the strain first.

        Returns
        -------
        tensor (n,)
        """
        return super().distance(x[:, :6])


def make_coupled_regions(
    material: object,
    orientation: TensorInput | None,
    cell_tags: TagsInput | None,
    stress_free: TensorInput | None,
    points: QuadraturePoints,
    unit: float,
    kinematics: CoupledKinematics,
    *,
    native: bool = True,
    extend: bool = False,
) -> list[CoupledRegion]:
    """Sort the cells of this rank by material.

    Parameters
    ----------
    material, orientation, cell_tags, stress_free
        As for :class:`~constitutive.fem.UserMaterial`; orientations may be improper.
    points : QuadraturePoints
    unit : float
        The user's unit in GPa⁻¹.
    kinematics : CoupledKinematics
    native : bool
        Evaluate the laws of this toolkit by compiled C.
    extend : bool
        Continue laws conservatively outside their domains.

    Returns
    -------
    list of CoupledRegion

    Raises
    ------
    SolveError
        A material has no coupled law, or its law has other variables than the unknowns give.
    """

    def make(given: object, cells: Cells, turn: TensorField, free: TensorField | None) -> CoupledRegion:
        energy, crystal = coupled_data(given, kinematics)
        inner = energy
        if extend and isinstance(energy, CoupledLaw) and crystal.domain is not None:
            energy = ExtendedCoupledLaw(energy, crystal.domain)
        compiled = compiled_law(inner, kinematics) if native else None
        return CoupledRegion(
            crystal.law, crystal, cells, turn, free, unit, kinematics.finite, energy=energy, kinematics=kinematics, native=compiled
        )

    regions = sort_cells(material, orientation, cell_tags, stress_free, points, make, as_operations)
    for name, word in (("polarization", "P"), *((name, f"order={{{name!r}: …}}") for name, _ in kinematics.order)):
        if name in kinematics.places and not any(region.depends_on(name) for region in regions):
            known = "; ".join(", ".join(v.name for v in region.energy.variables) for region in regions)
            raise SolveError(f"{word} is given, and the law is a function of {known} only: leave {word} out or give a law of {name}")
    return regions


def compiled_law(law: EnergyLaw, kinematics: CoupledKinematics) -> CoupledKernel | None:
    """The law as compiled C; None, with a warning, where there is no compiler or no code for it, and for laws of other makers.

    Parameters
    ----------
    law : EnergyLaw
    kinematics : CoupledKinematics

    Returns
    -------
    CoupledKernel or None
    """
    if not isinstance(law, CoupledLaw):
        return None
    order = [name if size == 1 else f"{name}[{k}]" for name, size in kinematics.order for k in range(size)]
    present = {"strain": True, "electric_field": kinematics.electric, "polarization": bool(kinematics.polar)}
    present |= {**dict.fromkeys(order, True), "temperature": kinematics.thermal}
    try:
        return compile_coupled(law, tuple(name for name, there in present.items() if there))
    except UnsupportedLawError as error:
        warnings.warn(f"the coupled law is evaluated by torch, not by compiled code: {error}", KernelWarning, stacklevel=2)
        return None


def coupled_data(given: object, kinematics: CoupledKinematics) -> tuple[EnergyLaw, CrystalData]:
    """Coupled law and what else the finite elements use of a material.

    Parameters
    ----------
    given : Material, CoupledLaw, Insulator or Metal
    kinematics : CoupledKinematics

    Returns
    -------
    law : EnergyLaw
    crystal : CrystalData

    Raises
    ------
    SolveError
        It has no coupled law, or one of other variables.
    """
    if isinstance(given, Insulator | Metal):
        if kinematics.thermal:
            raise SolveError(
                f"{type(given).__name__} says nothing of temperature: give a law with thermal expansion and heat capacity "
                "(laws.coupled.LinearCoupledLaw.from_constants)"
            )
        crystal = dataclasses.replace(crystal_data(given.material), given=given)
        chi = np.zeros((3, 3)) if isinstance(given, Metal) else _susceptibility(given.relative_permittivity)
        return DielectricLaw(crystal.law, chi), crystal
    material = given if isinstance(given, Material) else None
    law = given if material is None else material.coupled
    if not isinstance(law, EnergyLaw):
        what = "Insulator(material, relative_permittivity) or Metal(material)" if kinematics.electric else "a law with thermal expansion"
        kind = "a strain energy only" if material is not None or isinstance(given, Law) else type(given).__name__
        raise SolveError(f"found {kind} where a coupled law was needed (constitutive.laws.coupled): give one, or {what}")
    _require_variables(law, kinematics)
    if material is None:
        return law, CrystalData(AtRest(law), None, None, None, type(given).__name__, given)
    density = None if material.structure is None else float(material.structure.density) * 1e3  # g/cm³ to kg/m³
    return law, CrystalData(AtRest(law), material.domain, None, density, material.name, given)


def _require_variables(law: EnergyLaw, kinematics: CoupledKinematics) -> None:
    names, sizes = [variable.name for variable in law.variables], {v.name: v.size for v in law.variables}
    unknown = [name for name in names if name not in KNOWN and name not in kinematics.places]
    if unknown or names[:1] != ["strain"]:
        raise SolveError(
            f"the law is a function of {', '.join(names)}: needed are strain, electric_field or polarization, and temperature; others are "
            f"unknowns by order={{{', '.join(f'{name!r}: …' for name in unknown)}}}"
        )
    for name, size in kinematics.order:
        if sizes.get(name, size) != size:
            raise SolveError(f"order={{{name!r}: …}} has {size} components, and the law's {name} {sizes[name]}")
    if kinematics.polar and "polarization" in names:
        names = [*names, "electric_field"]  # whose energy with P₀ is that of every law
    elif "polarization" in names:
        raise SolveError(
            f"the law is a function of {', '.join(names)}: its polarisation is an unknown too, u, phi, P = ufl.split(w) and P=P, or the "
            "law is to be turned into one of the electric field first"
        )
    for name, given, word in (("electric_field", kinematics.electric, "phi"), ("temperature", kinematics.thermal, "T")):
        if given and name not in names:
            raise SolveError(
                f"{word} is given, and the law is a function of {', '.join(names)} only: leave {word} out or give a law of {name}"
            )


def _susceptibility(relative_permittivity: float | np.ndarray) -> np.ndarray:
    given = np.asarray(relative_permittivity, dtype=float)
    matrix = given if given.shape == (3, 3) else given * np.eye(3) if given.shape == () else None
    if matrix is None or not np.isfinite(matrix).all() or not (np.linalg.eigvalsh(matrix) >= 1).all() or not np.allclose(matrix, matrix.T):
        raise SolveError(f"relative_permittivity={relative_permittivity!r}: a number of at least 1 or a symmetric matrix (3, 3) is needed")
    return VACUUM_PERMITTIVITY * (matrix - np.eye(3))


def as_operations(array: np.ndarray) -> np.ndarray:
    """Checked orthogonal matrices, improper ones for crystals of the other hand, from matrices (..., 3, 3) or quaternions (..., 4).

    Parameters
    ----------
    array : array (..., 3, 3) or (..., 4)

    Returns
    -------
    array (..., 3, 3)

    Raises
    ------
    SolveError
        Another shape.
    DataError
        A matrix is not orthogonal to 1e-6, or a quaternion is not of norm 1.
    """
    if array.shape[-1:] == (4,):
        return rotation_from_quaternion(array)
    if array.shape[-2:] != (3, 3):
        raise SolveError(f"an orientation of shape {array.shape}: give a matrix (3, 3) or a quaternion (w, x, y, z)")
    off = np.abs(array @ array.swapaxes(-1, -2) - np.eye(3)).max()
    if not off <= 1e-6:
        raise DataError(f"orientation: a matrix is not orthogonal, R Rᵀ differs from 1 by {off:.2g}")
    return array
