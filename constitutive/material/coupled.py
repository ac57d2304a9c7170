"""The law of several variables of a material, against its elastic law and its group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import Law
from constitutive.laws.coupled import CoupledLaw
from constitutive.plain import JsonObject
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel, to_mandel

LIMIT = 1e-9  # relative


def require_whole(law: Law, coupled: CoupledLaw, group: PointGroup) -> None:
    """Require that a coupled law is exact under the whole point group, and that the elastic law is its part of the strain alone.

    Parameters
    ----------
    law : Law
        Of the strain.
    coupled : CoupledLaw
        Of the strain and other variables.
    group : PointGroup

    Raises
    ------
    MaterialError
        The two laws differ, or the coupled one breaks the symmetry.
    """
    residual = coupled.symmetry_residual(group.operations, size=[0.02 if v.is_strain else 0.5 for v in coupled.variables])
    if not residual <= LIMIT:
        raise MaterialError(
            f"the coupled law breaks the symmetry {group.symbol} of its crystal by {residual:.1e}, more than {LIMIT:.0e}: it is that of "
            "another group, of the other hand, or stands in other axes"
        )
    x = torch.zeros(8, coupled.size, dtype=torch.float64)
    x[:, coupled.place("strain")] = torch.from_numpy(np.random.default_rng(0).uniform(-0.02, 0.02, (8, 6)))
    strain = x[:, coupled.place("strain")]
    alone, whole = law.stress_mandel(strain), coupled.gradient(x)[:, coupled.place("strain")]
    if not float((alone - whole).abs().max()) <= LIMIT * float(whole.abs().max()):
        raise MaterialError("the elastic law is not the coupled law at zero field: take Material.from_coupled_law, which derives it")


def held_at(law: CoupledLaw, card: JsonObject) -> str:
    """At which values of the other variables the elastic law of a material holds, for messages.

    Parameters
    ----------
    law : CoupledLaw
    card : dict
        States the reference temperature.

    Returns
    -------
    str
        Such as "zero electric field and 300 K".
    """
    texts = {"electric_field": "zero electric field", "polarization": "zero polarisation"}
    names = [variable.name for variable in law.variables if not variable.is_strain]
    if "reference_temperature_K" in card:
        texts["temperature"] = f"{card['reference_temperature_K']:g} K"
    return " and ".join(texts.get(name, f"{name.replace('_', ' ')} zero") for name in names)


def response_of(
    law: CoupledLaw | None, card: JsonObject, F: Float[np.ndarray, "n 3 3"], values: Mapping[str, np.ndarray | float | None]
) -> dict[str, np.ndarray]:
    """Conjugates of a coupled law at deformation gradients and values of the other variables.

    Parameters
    ----------
    law : CoupledLaw or None
    card : dict
        States the reference temperature.
    F : array (n, 3, 3)
    values : mapping
        By the names of the variables; None stands for zero, and for the reference temperature.

    Returns
    -------
    dict of array
        By the names of the conjugates; the stress (n, 3, 3).

    Raises
    ------
    MaterialError
        There is no coupled law, it has no such variable, or a value has the wrong shape.
    """
    if law is None:
        raise MaterialError("the material has no coupled law; calibrate data with fields, or take Material.from_coupled_law")
    names = [variable.name for variable in law.variables]
    foreign = [name for name, value in values.items() if value is not None and name not in names]
    if foreign:
        raise MaterialError(f"{foreign[0]} was given, but the law is a function of {', '.join(names)}")
    parts = []
    for variable in law.variables:
        value = values.get(variable.name)
        if variable.name == "strain":
            parts.append(np.asarray(to_mandel(green_lagrange_strain(F))))
        elif value is None:
            parts.append(np.zeros((len(F), variable.size)))
        elif variable.name == "temperature":
            parts.append(np.broadcast_to(np.asarray(value, dtype=np.float64), len(F))[:, None] - _reference_temperature(card))
        else:
            array = np.asarray(value, dtype=np.float64)
            if array.shape != (len(F), variable.size) or not np.isfinite(array).all():
                raise MaterialError(f"{variable.name}: found shape {array.shape}, needed finite numbers of shape {(len(F), variable.size)}")
            parts.append(array)
    found = {name: value.numpy() for name, value in law.conjugates(torch.from_numpy(np.concatenate(parts, 1))).items()}
    return {**found, "stress": np.asarray(from_mandel(found["stress"]))}


def _reference_temperature(card: JsonObject) -> float:
    if "reference_temperature_K" not in card:
        raise MaterialError("the card states no reference_temperature_K, from which the law's temperatures are counted")
    return float(card["reference_temperature_K"])
