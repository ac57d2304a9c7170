"""Longitudinal piezoelectric response by direction, and its pictures in both hands."""

import numpy as np
import pytest
from test_coupled_laws import quartz

from constitutive.elasticity import coupled_constants, half_sphere, longitudinal_coupling, longitudinal_piezoelectric
from constitutive.errors import MaterialError
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.material import Material
from constitutive.plots import interactive
from constitutive.report import gather
from constitutive.report.markup import render
from constitutive.report.piezoelectricity import piezoelectricity
from constitutive.symmetry import PointGroup

N = half_sphere(40)
MIRROR = np.diag([-1.0, 1, 1])


def test_along_a_direction_it_is_the_constant_of_the_turned_crystal():
    law = quartz()
    constants = coupled_constants(law)
    for n in N[:5]:
        other = np.linalg.qr(np.stack([n, *np.eye(3)[:2]], 1))[0].T
        other *= np.sign(other[0] @ n) or 1.0
        turned = coupled_constants(law.rotated(other))  # the first axis of the lab along n
        assert longitudinal_piezoelectric(constants, n) == pytest.approx(turned.d[0, 0], abs=1e-9)
        k = turned.d[0, 0] / 1e3 / np.sqrt(turned.permittivity_constant_stress[0, 0] * 0.0088541878128 * turned.s_constant_field[0, 0])
        assert longitudinal_coupling(constants, n) == pytest.approx(k, abs=1e-9)


def test_both_change_sign_with_the_direction_and_mirror_with_the_crystal():
    law = quartz()
    right, left = coupled_constants(law), coupled_constants(law.rotated(MIRROR))
    for of in (longitudinal_piezoelectric, longitudinal_coupling):
        assert of(right, -N) == pytest.approx(-of(right, N))
        assert of(left, N) == pytest.approx(of(right, N @ MIRROR))
        assert of(left, np.eye(3)[0]) == pytest.approx(-of(right, np.eye(3)[0]))


def test_a_law_without_fields_has_none():
    law = LinearCoupledLaw(np.eye(7), ("strain", "temperature"), PointGroup.from_symbol("m-3m"))
    with pytest.raises(MaterialError, match="no piezoelectric constants"):
        longitudinal_piezoelectric(coupled_constants(law), N)


def test_the_surface_shows_size_by_distance_and_sign_by_colour():
    constants = coupled_constants(quartz())
    figure = interactive.response_surface({"right": constants, "left": coupled_constants(quartz().rotated(MIRROR))})
    assert len(figure.data) == 2
    for trace in figure.data:
        distance = np.sqrt(trace.x**2 + trace.y**2 + trace.z**2)
        assert distance == pytest.approx(np.abs(trace.surfacecolor), abs=1e-12)
        assert trace.cmax == -trace.cmin == pytest.approx(2.307, abs=1e-3)


@pytest.mark.parametrize(
    ("symbol", "said", "pictures"), [("32", "two hands", 2), ("-43m", "same crystal turned", 1), ("m-3m", "no piezoelectricity", 0)]
)
def test_the_section_of_the_report(symbol, said, pictures):
    group = PointGroup.from_symbol(symbol)
    if symbol == "32":
        law = quartz()
    else:
        C, e = np.diag([100.0, 100, 100, 50, 50, 50]), np.zeros((3, 6))
        e[0, 3] = e[1, 4] = e[2, 5] = 0.5 if symbol == "-43m" else 0.0
        law = LinearCoupledLaw.from_constants(group, stiffness=C, piezoelectric_e=e, permittivity=5 * np.eye(3))
    known = gather(Material.from_coupled_law(law, group, name="a"))
    text = render(piezoelectricity(known).content)
    assert said in text
    assert ("surface-piezoelectric" in text, "surface-coupling" in text) == (pictures > 0,) * 2


def test_laws_of_strain_have_no_section():
    material = Material.from_constants("m-3m", {"C11": 166.0, "C12": 64.0, "C44": 80.0})
    assert piezoelectricity(gather(material)) is None
