"""No rank waits for one that owns no cell or that raised an error."""

from pathlib import Path

import numpy as np
import pytest
from test_fem import on_ranks

CASES = "fem_parallel_cases.py"


def test_ranks_without_cells(tmp_path: Path) -> None:
    found = [on_ranks(ranks, "one_cell", str(tmp_path / str(ranks)), timeout=150, script=CASES) for ranks in (1, 2, 3)]
    assert [sorted(figures["cells"]) for figures in found] == [[1], [0, 1], [0, 0, 1]]
    for figures in found[1:]:
        assert figures["steps"] == 2
        assert all("a rank owns no cell" in message for message in figures["refused"])
        np.testing.assert_allclose(figures["numbers"], found[0]["numbers"], rtol=1e-10, atol=1e-9)


def test_a_checkpoint_folder_that_cannot_be_made_is_an_error_of_all_ranks(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    figures = on_ranks(2, "no_folder", str(tmp_path / "file" / "folder"), timeout=150, script=CASES)
    assert figures["load"] == 1.0  # the solution is there
    for message in figures["messages"]:
        assert "cannot be made or written" in message


@pytest.fixture(scope="module")
def messages() -> dict[str, list[str]]:
    return on_ranks(2, "callbacks", timeout=200, script=CASES)


@pytest.mark.parametrize("where", ["on_step", "ramp"])
def test_a_callback_that_raises_on_one_rank_is_an_error_of_all(where: str, messages: dict[str, list[str]]) -> None:
    first, last = messages[where]
    assert last == "ValueError: on this rank only"
    assert first == "SolveError: another rank failed: ValueError on rank 1: on this rank only"


@pytest.mark.parametrize("where", ["fields", "attached"])
def test_an_error_in_a_law_on_one_rank_is_an_error_of_all(where: str, messages: dict[str, list[str]]) -> None:
    assert all("norm" in message for message in messages[where])
