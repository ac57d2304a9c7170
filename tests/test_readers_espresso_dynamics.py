"""Quantum ESPRESSO: molecular dynamics and damped dynamics, at fixed and variable cell; each stress with its own state."""

import json
import re

import numpy as np
import pytest
from intake_cases import invoke
from reader_cases import GOLDEN

from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert, read_any

CELLS = [scale * np.array([[0.0, 5.13, 5.13], [5.13, 0.0, 5.13], [5.13, 5.13, 0.0]]) * 0.529177210903 for scale in (1.0, 0.99, 0.985)]
SHIFTS = [0.0, 0.004, 0.007]  # of the second atom, fractional
PRESSURES = [10.0, 45.0, 70.0]  # kbar, printed with compression positive
ENERGIES = [-22.80, -22.79, -22.78]  # Ry
KINDS = {
    "md": ("     Molecular Dynamics Calculation\n\n     Entering Dynamics:    iteration = {step:5d}\n", False),
    "damp": ("     Damped Dynamics Calculation\n     Entering Dynamics:    iteration = {step:5d}\n", False),
    "vc-md": ("     Parrinello-Rahman Cell-Dynamics\n     Entering Dynamics;  it = {step:5d}   time =    0.00726 pico-seconds\n", True),
    "damp-w": (
        "     Wentzcovitch Damped Cell-Dynamics Minimization\n     Entering Dynamics;  it = {step:5d}   time =   0.0073 pico-seconds\n",
        True,
    ),
}


def scf(step):
    """What pw.x prints at one state: energy, forces, stress."""
    pressure = PRESSURES[step]
    atomic = pressure / 147105.08 / 10 * 100  # the first half, in Ry/bohr³; the reader takes the kbar
    rows = "\n".join("  ".join(f"{x:14.8f}" for x in atomic * e) + "  ".join(f"{x:12.2f}" for x in pressure * e) for e in np.eye(3))
    return (
        f"!    total energy              = {ENERGIES[step]:15.8f} Ry\n\n"
        "     Forces acting on atoms (cartesian axes, Ry/au):\n\n"
        f"     atom    1 type  1   force = {-0.01 * step:13.8f}{0:13.8f}{0:13.8f}\n"
        f"     atom    2 type  1   force = {0.01 * step:13.8f}{0:13.8f}{0:13.8f}\n\n"
        f"          total   stress  (Ry/bohr**3)                   (kbar)     P= {pressure:11.2f}\n{rows}\n\n"
    )


def state(step, cells):
    """The state of a step, as it is printed before that step is computed."""
    cell = ""
    if cells:
        rows = "\n".join(" ".join(f"{x:14.9f}" for x in row) for row in CELLS[step])
        cell = f"     new unit-cell volume = 1.0 a.u.^3\nCELL_PARAMETERS (angstrom)\n{rows}\n\n"
    x = SHIFTS[step]
    return f"{cell}ATOMIC_POSITIONS (crystal)\nSi  0.0 0.0 0.0\nSi  {0.25 + x:.10f} 0.25 0.25\n\n\n"


def output(kind):
    """A run of three steps, after the head of a real one; the state printed at the end was never computed."""
    title, cells = KINDS[kind]
    head = (GOLDEN / "si_0_scf.out").read_text().split("!    total energy")[0]
    first = state(0, True)  # the head is of a cell that this run begins elsewhere
    steps = "".join(scf(k) + title.format(step=k + 1) + (state(k + 1, cells) if k < 2 else "") for k in range(3))
    last = state(2, cells).replace("0.257", "0.290").replace(f"{CELLS[2][0, 1]:14.9f}", f"{3.0:14.9f}")
    return head + first + steps + last + "\n   JOB DONE.\n"


@pytest.fixture(params=KINDS)
def run(request, tmp_path):
    path = tmp_path / "pw.out"
    path.write_text(output(request.param))
    return path, request.param


def test_each_stress_belongs_to_the_state_before_it(run):
    path, kind = run
    data = convert([path])
    assert len(data) == 3
    np.testing.assert_allclose(np.trace(data.cauchy, axis1=1, axis2=2) / 3, -0.1 * np.array(PRESSURES), atol=2e-3)  # tension positive
    cells = np.array(CELLS if KINDS[kind][1] else [CELLS[0]] * 3)
    np.testing.assert_allclose(data.lattice @ data.F.swapaxes(1, 2), cells, atol=1e-6)
    np.testing.assert_allclose(data.positions[:, 1, 0], 0.25 + np.array(SHIFTS), atol=1e-6)
    np.testing.assert_allclose(data.forces[:, 1, 0], 0.01 * np.arange(3) * 13.605693123 / 0.529177210903, atol=1e-6)
    W = (np.array(ENERGIES) - ENERGIES[0]) * 13.605693123 / abs(np.linalg.det(CELLS[0])) * 160.2176634
    np.testing.assert_allclose(data.W, W, atol=1e-5)


def test_ions_of_dynamics_are_neither_relaxed_nor_clamped_and_that_is_said(run, tmp_path):
    path, _ = run
    result = invoke("convert", path, "-o", tmp_path / "x.json", "--json")
    (statement,) = json.loads(result.stdout)["assumed"]
    assert "3 steps of dynamics, ions neither relaxed nor clamped" in statement
    assert StressStrainData.load(tmp_path / "x.json", plausible=False).ions is None  # too few states to judge the sign


def test_conditions_choose_steps(tmp_path):
    path = tmp_path / "pw.out"
    path.write_text(output("vc-md"))
    assert len(convert([path], options=ReadOptions(where=("atoms=2", "volume<39.5")))) == 2


def test_an_unfinished_dynamics_is_refused(run):
    path, _ = run
    path.write_text(path.read_text().replace("JOB DONE.", ""))
    with pytest.raises(DataError, match="JOB DONE"):
        read_any(path)


def test_without_dynamics_only_the_last_state_counts(tmp_path):
    """Control: a relaxation of the cell by BFGS has one result, with the stress of its last computation."""
    text = re.sub(r"     Entering Dynamics.*\n|.*Dynamics Calculation\n|.*Cell-Dynamics.*\n", "", output("vc-md"))
    path = tmp_path / "pw.out"
    path.write_text(text)
    data = convert([path])
    assert len(data) == 1
    assert np.trace(data.cauchy[0]) / 3 == pytest.approx(-7.0, abs=2e-3)
