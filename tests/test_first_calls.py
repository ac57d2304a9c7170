"""Types and shapes are checked in every test, at the first calls of each function."""

import first_calls
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from constitutive.fitting.problem import is_large


@pytest.mark.parametrize("test", [1, 2])
def test_a_wrong_shape_is_refused_in_every_test(test):
    for _ in range(first_calls.CALLS - 1):
        is_large(np.zeros((3, 6)))
    with pytest.raises(TypeCheckError):
        is_large(np.zeros((3, 5)))
    is_large(np.zeros((3, 5)))  # control: no longer checked


def test_a_wrong_return_value_is_refused():
    @first_calls._jaxtyped(typechecker=None)
    def unchecked() -> int:
        return "text"

    assert unchecked() == "text"
    from beartype import beartype

    @first_calls._jaxtyped(typechecker=beartype)
    def checked() -> int:
        return "text"

    with pytest.raises(TypeCheckError):
        checked()
