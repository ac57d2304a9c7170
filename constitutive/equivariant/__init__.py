"""Equivariant networks of any finite group: lifting and group convolutions in torch, with derivatives in closed form.

A group is given by matrices: a crystal's point group, permutations, products of groups. Inputs and outputs transform by e3nn irreps or by
any matrix representation. Nothing here knows of mechanics.
"""

from constitutive.equivariant.activation import Activation, activation
from constitutive.equivariant.groups import FiniteGroup, Representation
from constitutive.equivariant.layers import GroupConvolution, Lifting, Projection
from constitutive.equivariant.network import EquivariantNetwork

__all__ = ["Activation", "EquivariantNetwork", "FiniteGroup", "GroupConvolution", "Lifting", "Projection", "Representation", "activation"]
