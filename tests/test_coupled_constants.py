"""Constants of coupled crystals against closed relations, with a law of the polarisation and one of the temperature."""

import numpy as np
import pytest
import torch
from test_coupled_laws import quartz

from constitutive.elasticity.coupled import coupled_constants
from constitutive.errors import MaterialError
from constitutive.laws.coupled import CoupledSeriesLaw, LinearCoupledLaw
from constitutive.symmetry import PointGroup
from constitutive.tensors.polynomials import exponents
from constitutive.units import VACUUM_PERMITTIVITY


def test_quartz() -> None:
    """Free X plate and bar of right-handed quartz: d11, g11 and Young's moduli short and open from e, C and ε by the closed relations."""
    found = coupled_constants(quartz())
    assert found.d[0, [0, 3]] == pytest.approx([2.307158, -0.725620], abs=1e-6)
    assert found.d[1, [4, 5]] == pytest.approx([0.725620, -2 * 2.307158], abs=2e-6)
    epsilon = VACUUM_PERMITTIVITY * found.permittivity_constant_stress[0, 0]
    assert found.g[0, 0] == pytest.approx(2.307158e-3 / epsilon, rel=1e-6)
    assert found.g[0, 0] == pytest.approx(0.057728, abs=1e-6)  # 0.057723 with ε of more digits
    assert 1 / found.s_constant_field[0, 0] == pytest.approx(78.309, abs=1e-3)
    assert 1 / found.s_constant_displacement[0, 0] == pytest.approx(
        1 / (found.s_constant_field[0, 0] - (2.307158e-3) ** 2 / epsilon), rel=1e-6
    )
    assert 1 / found.s_constant_displacement[0, 0] == pytest.approx(79.135, abs=1e-3)
    assert found.stable


def test_closed_relations() -> None:
    found = coupled_constants(quartz())
    free = VACUUM_PERMITTIVITY * found.permittivity_constant_strain
    stress = VACUUM_PERMITTIVITY * found.permittivity_constant_stress
    d = found.d / 1e3
    assert found.e == pytest.approx(d @ found.C_constant_field, abs=1e-12)
    assert free @ found.h == pytest.approx(found.e, abs=1e-12)
    assert stress @ found.g == pytest.approx(d, abs=1e-12)
    assert found.C_constant_displacement - found.C_constant_field == pytest.approx(found.e.T @ found.h, abs=1e-11)
    assert found.s_constant_field - found.s_constant_displacement == pytest.approx(d.T @ found.g, abs=1e-12)
    assert found.h == pytest.approx(found.g @ found.C_constant_displacement, abs=1e-11)
    assert not np.allclose(found.h, found.g @ found.C_constant_field, atol=1e-6)  # control


@pytest.mark.parametrize(("symbol", "zero"), [("432", "d"), ("-3m", "d"), ("m-3m", "e"), ("622", None)])
def test_odd_constants_vanish(symbol: str, zero: str | None) -> None:
    rng = np.random.default_rng(0)
    rows = {2: rng.normal(size=len(exponents(2, 9))) - np.where((exponents(2, 9)[:, 6:] == 2).any(1), 5, 0)}
    rows[2] += np.where((exponents(2, 9)[:, :6] == 2).any(1), 9, 0)
    found = coupled_constants(CoupledSeriesLaw(rows, ("strain", "electric_field"), PointGroup.from_symbol(symbol)))
    if zero:
        assert np.abs(getattr(found, zero)).max() < 1e-12
    else:
        assert np.abs(found.d).max() > 1e-3


def test_the_polarisation_as_a_variable() -> None:
    """ψ(E, P) of the same crystal by a Legendre transform gives the same constants."""
    law = quartz()
    M = law.matrix.numpy()
    chi = -M[6:, 6:]
    inverse = np.linalg.inv(chi)
    e = -M[6:, :6]
    psi = np.block([[M[:6, :6] + e.T @ inverse @ e, -e.T @ inverse], [-inverse @ e, inverse]])
    other = LinearCoupledLaw(psi, ("strain", "polarization"), law.operations.numpy())
    one, two = coupled_constants(law), coupled_constants(other)
    for name in ("C_constant_field", "C_constant_displacement", "e", "d", "g", "h", "permittivity_constant_stress"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), abs=1e-9), name


def test_electrostriction_and_state() -> None:
    """Ω = ½ E:C:E − ½ χ E₀² − ½ b tr E E₀²: the permittivity grows with the strain by b."""
    group = PointGroup.from_symbol("m-3m")
    table2, table3 = exponents(2, 9), exponents(3, 9)
    rows = {2: np.where((table2[:, :6] == 2).any(1), 50.0, 0.0) - np.where((table2[:, 6:] == 2).any(1), 0.02, 0.0)}
    rows[3] = np.where((table3[:, :3] == 1).any(1) & (table3[:, 6:] == 2).any(1), -0.5 * 0.3, 0.0)
    law = CoupledSeriesLaw(rows, ("strain", "electric_field"), group)
    found = coupled_constants(law)
    assert found.electrostriction[:3, :3] == pytest.approx(np.full((3, 3), 0.3))
    assert found.electrostriction[3:] == pytest.approx(np.zeros((3, 6)))
    x = np.zeros(9)
    x[:3] = 0.01
    change = coupled_constants(law, x).permittivity_constant_strain - found.permittivity_constant_strain
    assert VACUUM_PERMITTIVITY * change == pytest.approx(0.009 * np.eye(3))
    with pytest.raises(MaterialError, match="9 components"):
        coupled_constants(law, np.zeros(6))


def test_thermal_constants() -> None:
    group = PointGroup.from_symbol("6mm")
    C = np.diag([200.0, 200, 200, 50, 50, 100])
    C[:3, :3] += 50
    e = np.zeros((3, 6))
    e[2, :3], e[0, 4], e[1, 3] = [-0.5, -0.5, 1.2], -0.4, -0.4
    alpha, p = np.diag([4e-6, 4e-6, 3e-6]), np.array([0, 0, -9e-6])
    law = LinearCoupledLaw.from_constants(
        group,
        stiffness=C,
        piezoelectric_e=e,
        permittivity=8 * np.eye(3),
        thermal_expansion=alpha,
        pyroelectric=p,
        heat_capacity=2.8e6,
        reference_temperature=300.0,
    )
    found = coupled_constants(law, reference_temperature=300.0)
    beta = C[:3, :3] @ np.diag(alpha)
    assert found.thermal_expansion == pytest.approx(alpha, abs=1e-18)
    assert found.pyroelectric_constant_strain == pytest.approx(p)
    assert found.pyroelectric_constant_stress[2] == pytest.approx(p[2] + e[2, :3] @ np.diag(alpha))
    assert found.heat_capacity_constant_strain == pytest.approx(2.8e6)
    assert found.heat_capacity_constant_stress - 2.8e6 == pytest.approx(300e9 * beta @ np.diag(alpha))
    assert found.C_adiabatic[:3, :3] - C[:3, :3] == pytest.approx(np.outer(beta, beta) * 300 / 2.8e-3)
    assert torch.is_tensor(law.matrix)
