"""Strains worth computing: a plan for a crystal, what it will determine, and input files of the programs that compute stresses.

plan = make_plan("POSCAR", 50, size=0.08)
write_inputs(plan, "vasp", "runs")
"""

from constitutive.data.plan import Plan
from constitutive.planning.expected_errors import Forecast, forecast
from constitutive.planning.inputs import CODES, InputOptions, write_inputs
from constitutive.planning.make import make_plan, stretch_of
from constitutive.planning.next_strains import NextStrains, expected_error, next_strains
from constitutive.planning.optimal_design import d_optimal
from constitutive.planning.regions import Ball, Box, Region, Visited, read_visited
from constitutive.planning.representative import representative

__all__ = [
    "CODES",
    "Ball",
    "Box",
    "Forecast",
    "InputOptions",
    "NextStrains",
    "Plan",
    "Region",
    "Visited",
    "d_optimal",
    "expected_error",
    "forecast",
    "make_plan",
    "next_strains",
    "read_visited",
    "representative",
    "stretch_of",
    "write_inputs",
]
