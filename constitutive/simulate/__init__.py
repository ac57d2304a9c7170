"""From a plan to stresses: any ASE calculator, on this machine or a cluster, every finished sample kept.

simulation = simulate(Plan.load("plan.json"), read_calculator("calc.yaml"), "data.run")
simulation.data.save("data.json")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from constitutive.lazy import lazy_names

if TYPE_CHECKING:
    from constitutive.simulate.building import BuildSettings, Built, build
    from constitutive.simulate.calculators import CALCULATORS, CalculatorSpec, read_calculator
    from constitutive.simulate.dynamics import DynamicsSettings, ThermalStress, thermal_stress
    from constitutive.simulate.examination import Examination, examine
    from constitutive.simulate.improving import Improvement, improve, plan_next
    from constitutive.simulate.lammps_library import LammpsLibrary
    from constitutive.simulate.phonons import PhononSettings, QuasiHarmonic, quasi_harmonic
    from constitutive.simulate.phonons_in_field import QuasiHarmonicInField, quasi_harmonic_in_field
    from constitutive.simulate.preparation import Prepared, SimulationSettings, prepare, prepared_before
    from constitutive.simulate.reference import Reference, RelaxationSettings, relax_reference
    from constitutive.simulate.run import Simulation, run_folder_of, simulate

__all__ = [
    "CALCULATORS",
    "BuildSettings",
    "Built",
    "CalculatorSpec",
    "DynamicsSettings",
    "Examination",
    "Improvement",
    "LammpsLibrary",
    "PhononSettings",
    "Prepared",
    "QuasiHarmonic",
    "QuasiHarmonicInField",
    "Reference",
    "RelaxationSettings",
    "Simulation",
    "SimulationSettings",
    "ThermalStress",
    "build",
    "examine",
    "improve",
    "plan_next",
    "prepare",
    "prepared_before",
    "quasi_harmonic",
    "quasi_harmonic_in_field",
    "read_calculator",
    "relax_reference",
    "run_folder_of",
    "simulate",
    "thermal_stress",
]

__getattr__, __dir__ = lazy_names(  # worker processes import one module of this package
    __name__,
    {
        "constitutive.simulate.calculators": ["CALCULATORS", "CalculatorSpec", "read_calculator"],
        "constitutive.simulate.dynamics": ["DynamicsSettings", "ThermalStress", "thermal_stress"],
        "constitutive.simulate.examination": ["Examination", "examine"],
        "constitutive.simulate.lammps_library": ["LammpsLibrary"],
        "constitutive.simulate.phonons": ["PhononSettings", "QuasiHarmonic", "quasi_harmonic"],
        "constitutive.simulate.phonons_in_field": ["QuasiHarmonicInField", "quasi_harmonic_in_field"],
        "constitutive.simulate.reference": ["Reference", "RelaxationSettings", "relax_reference"],
        "constitutive.simulate.preparation": ["Prepared", "SimulationSettings", "prepare", "prepared_before"],
        "constitutive.simulate.run": ["Simulation", "run_folder_of", "simulate"],
        "constitutive.simulate.improving": ["Improvement", "improve", "plan_next"],
        "constitutive.simulate.building": ["BuildSettings", "Built", "build"],
    },
)
