"""Errors on one rank, checkpoints and interrupts."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fem_cases
import numpy as np
import pytest
import ufl
from dolfinx import fem
from fem_cases import (
    COMM,
    HEX,
    block,
    cubic,
    pulled,
    pulled_problem,
)
from test_fem import HERE, on_ranks

from constitutive.errors import SolveError
from constitutive.fem import (
    Outcome,
    Problem,
    UserMaterial,
)


def test_one_failing_rank_does_not_hang_the_others() -> None:
    """Neither inside the solver nor while the law is set up."""
    figures = on_ranks(2, "failing_rank", timeout=150)
    assert figures["outcomes"] == ["FAILED", "FAILED"]
    assert "ValueError on rank 1: no stress today" in figures["reason"]
    first, second = figures["messages"]
    assert "not a rotation" in second
    assert "another rank failed" in first


# ---- checkpoints -------------------------------------------------------------------------------------------------------


def test_killed_on_two_ranks_and_restarted_on_three_and_one(tmp_path: Path) -> None:
    whole = fem_cases.loaded(str(tmp_path / "whole"), "whole", COMM)
    command = ["mpirun", "-n", "2", sys.executable, str(HERE / "fem_cases.py"), "loaded", str(tmp_path / "cut"), "kill"]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert killed.returncode != 0
    assert json.loads((tmp_path / "cut" / "latest.json").read_text())["load"] == pytest.approx(0.4)
    subprocess.run(["cp", "-r", str(tmp_path / "cut"), str(tmp_path / "copy")], check=True)
    for figures in (
        on_ranks(3, "loaded", str(tmp_path / "cut"), "restart"),
        fem_cases.loaded(str(tmp_path / "copy"), "restart", COMM),
    ):
        assert figures["start"] == pytest.approx(0.4)
        np.testing.assert_allclose(figures["numbers"], whole["numbers"], rtol=1e-10, atol=1e-12)


def test_control_c_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    stopped = on_ranks(2, "loaded", str(tmp_path), "interrupt")
    assert stopped["outcome"] == "INTERRUPTED"
    assert 0.4 <= stopped["load"] < 1
    figures = fem_cases.loaded(str(tmp_path), "restart", COMM)
    assert figures["start"] == stopped["load"]
    assert figures["outcome"] == "CONVERGED"


def test_checkpoints_of_another_problem_are_refused(tmp_path: Path) -> None:
    problem = pulled_problem()
    with pytest.raises(SolveError, match="no checkpoint"):
        problem.restart(tmp_path / "nothing")
    problem.solve(checkpoint=tmp_path).require()
    V = block(3, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic())
    with pytest.raises(SolveError, match="unknowns"):
        Problem(law.residual(v), law, bcs=pulled(V)).restart(tmp_path)
    moved = pulled_problem()
    moved.mesh.geometry.x[:] += 0.1
    with pytest.raises(SolveError, match="another mesh"):
        moved.restart(tmp_path)


def test_control_c_works_only_in_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)  # ignored where the tests run in the background of a shell
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(pulled_problem().solve().outcome))
    thread.start()
    thread.join()
    assert outcomes == [Outcome.CONVERGED]
    assert signal.getsignal(signal.SIGINT) is before
