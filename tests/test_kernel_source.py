"""Generated C: nothing of a name reaches the code, numbers are exact, and twofold axes are found."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_laws import LAUE, SKEW, by_kernel, by_torch, compiled_law, error, everything, group, linear, material_of, network, strains

from constitutive import kernel
from constitutive.errors import MaterialError
from constitutive.kernel.ctext import hexadecimal, printable
from constitutive.kernel.flatten import choose_frame, program, representatives
from constitutive.kernel.source import Source
from constitutive.tensors.packing import from_mandel, mandel_matrix, to_mandel

pytestmark = pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning")


HOSTILE = [
    '*/ int main(void) { return system("id"); } /*',
    'silicon\n#include "/etc/passwd"',
    "??/\n*/ #define double float",
    "\\\n%s{0}${HOME}`id`",
    "Кремний \u202e \u0000 é",
    "a" * 10_000,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_in_the_comment(name, kernels):
    law = linear(group("m-3m"), np.random.default_rng(0))
    material = material_of(law, "m-3m", name=name)
    plain = kernel.generate(law)
    source = Source(program(law), name, group=name)
    head, _, body = source.text.partition("*/")
    assert re.fullmatch(r"[A-Za-z0-9 ._+-]{1,80}", re.search(r"Law: (.*)", head)[1])
    assert body == plain.text.partition("*/")[2]  # nothing of it reaches the code
    assert head.count("\n") == plain.text.partition("*/")[0].count("\n")
    assert error(by_kernel(compiled_law(material, kernels), strains(9)), by_torch(law, strains(9))) <= 1e-12


@given(st.text(max_size=200))
def test_any_name_becomes_printable(text):
    assert re.fullmatch(r"[A-Za-z0-9 ._+-]{1,80}", printable(text))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_hexadecimal_floats(value):
    assert re.fullmatch(r"-?0x[01]\.[0-9a-f]+p[+-]\d+", hexadecimal(value))
    assert float.fromhex(hexadecimal(value)) == value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_parameter_that_is_not_finite_is_refused(value):
    law = network(group("m-3m"), np.random.default_rng(0))
    law.amplitudes[0] = value
    with pytest.raises(MaterialError, match="not finite"):
        kernel.generate(law)


def test_head_comment_describes_the_law(kernels):
    law = everything(group("6/mmm"))
    material = material_of(law, "6/mmm", SKEW, name="magnesium by EAM")
    source = kernel.generate(material)
    head = source.text.partition("*/")[0]
    for words in ("Law: magnesium by EAM", "Group: 6/mmm", f"Hash: {source.digest}", "psi(x) = ", "phi(z) = "):
        assert words in head


@pytest.mark.parametrize("symbol", LAUE)
def test_cosets_cover_the_group_once(symbol):
    R = group(symbol)
    Q, signs = choose_frame([R])
    matrices = np.asarray(mandel_matrix(Q @ R @ Q.T))
    kept = representatives(matrices, signs)
    images = np.array([matrices[k] * row for k in kept for row in signs])
    distance = np.abs(images[:, None] - matrices[None]).max(axis=(2, 3))
    assert sorted(distance.argmin(axis=1)) == list(range(len(R)))
    assert distance.min(axis=1).max() < 1e-12


def test_axes_of_standard_settings_are_kept():
    """No turn where the axes suit already."""
    for symbol in LAUE:
        assert (choose_frame([group(symbol)])[0] == np.eye(3)).all()


def test_source_is_the_same_for_the_same_law():
    one, two = (Source(program(everything(group("m-3m")))).text for _ in range(2))
    assert one == two
    assert Source(program(everything(group("m-3m"), seed=1))).digest != Source(program(everything(group("m-3m")))).digest


def test_mandel_and_tensors_are_one_strain(kernels):
    compiled = compiled_law(everything(group("m-3m")), kernels)
    x = strains(33)
    S, T = np.empty((33, 6)), np.empty((33, 3, 3))
    compiled.evaluate(x, stress=S)
    compiled.evaluate(np.ascontiguousarray(from_mandel(x)), stress=T)
    assert np.abs(np.asarray(to_mandel(T)) - S).max() <= 1e-13 * np.abs(S).max()
