"""Domains of a ferroelectric and of a martensite: the claims of the examples, and the energy of strain gradients."""

from pathlib import Path

import ferroelectric
import martensite
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI
from test_fem_examples import png

from constitutive.fem import strain_gradient_energy


def test_domains_of_a_ferroelectric_and_its_loop(tmp_path: Path) -> None:
    figures = ferroelectric.main(tmp_path, cells=24, size=8.0, fields=5)
    assert figures["wells"] == 6
    assert figures["90° walls"] == 4  # a closed loop of P
    assert figures["largest angle of 90° walls to the predicted normal"] < 12
    assert figures["largest rise of the energy"] < 1e-9
    assert 0 < figures["energy / energy of the well"] < 1
    assert 0.8 < figures["coercive / limit"] < 1.2  # of the field's steps one is 0.28
    assert figures["remanent polarisation / well"] == pytest.approx(1, abs=0.02)
    assert png(tmp_path / "ferroelectric.png")


def test_a_martensite_becomes_a_laminate(tmp_path: Path) -> None:
    figures = martensite.main(tmp_path, cells=12, size=7.5)
    assert figures["variants"] == 3
    assert figures["predicted normals"] == 2
    assert figures["change of the energy without noise"] < 1e-6  # nothing happens
    assert figures["largest rise of the energy"] < 1e-9
    assert figures["angle of the walls to the predicted normals (degrees)"] < 10
    assert figures["share of the first variant"] == pytest.approx(0.5, abs=0.1)
    assert png(tmp_path / "martensite.png")


def test_the_energy_of_strain_gradients_is_exact_for_quadratic_displacements() -> None:
    m = mesh.create_rectangle(MPI.COMM_SELF, [[0, 0], [2, 1]], [3, 2], mesh.CellType.triangle)
    u = fem.Function(fem.functionspace(m, ("Lagrange", 2, (2,))))
    u.interpolate(lambda x: np.stack([x[0] ** 2 + x[0] * x[1], 3 * x[1] ** 2]))
    energy = fem.assemble_scalar(fem.form(strain_gradient_energy(u, 5.0, 0.2)))
    assert energy == pytest.approx(0.5 * 5.0 * 0.04 * (4 + 2 + 36) * 2, rel=1e-12)
    u.interpolate(lambda x: np.stack([np.abs(x[0] - 2 / 3), 0 * x[0]]))  # a kink at a facet costs, by the penalty alone
    assert fem.assemble_scalar(fem.form(strain_gradient_energy(u, 5.0, 0.2))) > 1
    v = ufl.TestFunction(u.function_space)
    force = fem.assemble_vector(fem.form(ufl.derivative(strain_gradient_energy(u, 5.0, 0.2), u, v))).array
    u.interpolate(lambda x: np.stack([1 + 2 * x[0] - x[1], 3 * x[1]]))  # control: rigid motions and uniform strains cost nothing
    none = fem.assemble_vector(fem.form(ufl.derivative(strain_gradient_energy(u, 5.0, 0.2), u, v))).array
    assert np.abs(none).max() < 1e-10 < 1e-3 < np.abs(force).max()
