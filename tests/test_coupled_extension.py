"""Coupled laws continued outside their domain of strain: one energy, its gradient and its second derivatives."""

import numpy as np
import pytest
import torch
from test_kernel_coupled import NAMES, everything

from constitutive.laws.bounded import BoundedLaw, Domain
from constitutive.laws.coupled import ExtendedCoupledLaw, elastic_law
from constitutive.symmetry import PointGroup

GROUP = PointGroup.from_symbol("32")


@pytest.fixture(scope="module")
def extended():
    rng = np.random.default_rng(2)
    return ExtendedCoupledLaw(everything(GROUP, NAMES[:2]), Domain(np.eye(6), 0.2)), torch.from_numpy(rng.uniform(-0.3, 0.3, (9, 9)))


def test_gradient_and_second_derivatives_are_those_of_the_energy_on_both_sides_of_the_edge(extended):
    law, x = extended
    x = torch.cat([x, 0.2 * x])
    assert 0 < int(law.outside(x).sum()) < len(x)
    h = 1e-5
    for k in range(9):
        d = torch.zeros(9, dtype=torch.float64)
        d[k] = h
        assert (law.energy(x + d) - law.energy(x - d)).numpy() / (2 * h) == pytest.approx(law.gradient(x)[:, k].numpy(), abs=1e-7)
        assert (law.gradient(x + d) - law.gradient(x - d)).numpy() / (2 * h) == pytest.approx(law.hessian(x)[:, k].numpy(), abs=1e-5)


def test_inside_the_law_is_untouched_and_without_a_field_it_is_the_elastic_extension(extended):
    law, x = extended
    inside = 0.2 * x
    assert torch.equal(law.gradient(inside), law.law.gradient(inside))
    x = x.clone()
    x[:, 6:] = 0
    elastic = BoundedLaw(elastic_law(law.law, np.array(GROUP.laue_rotations)), law.domain, "extend")
    with pytest.warns(UserWarning, match="extended conservatively"):
        assert elastic.stress_mandel(x[:, :6]).numpy() == pytest.approx(law.gradient(x)[:, :6].numpy(), rel=1e-9)
