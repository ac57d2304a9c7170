"""Outputs in the form that CASTEP, FHI-aims, ABINIT and GPAW write, as far as ASE's readers need them; the numbers are EMT's."""

import numpy as np
from ase import units

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def castep(atoms):
    """CASTEP 20: stress in GPa, tension positive, with stars around it."""
    rows = "\n".join(
        "  " + " ".join(f"{x:14.9f}" for x in (*v, *w)) for v, w in zip(atoms.cell, 2 * np.pi * atoms.cell.reciprocal(), strict=True)
    )
    places = "\n".join(
        f"            x  {s:>2}         {n + 1:3d}   " + " ".join(f"{x:12.8f}" for x in f) + "   x"
        for n, (s, f) in enumerate(zip(atoms.symbols, atoms.get_scaled_positions(), strict=True))
    )
    forces = "\n".join(
        f" * {s:>2}  {n + 1:3d}  " + " ".join(f"{x:12.5f}" for x in f) + " *"
        for n, (s, f) in enumerate(zip(atoms.symbols, atoms.get_forces(), strict=True))
    )
    sigma = atoms.get_stress(voigt=False) / units.GPa
    stress = "\n".join(f" *  {name} " + " ".join(f"{x:15.9f}" for x in row) + "  *" for name, row in zip("xyz", sigma, strict=True))
    return f"""\
 |      Welcome to Academic Release CASTEP version 20.11          |
 *********************************** Title ************************************
 ***************************** General Parameters *****************************
 stress calculation                             : on
 *******************************************************************************
                           -------------------------------
                                      Unit Cell
                           -------------------------------
        Real Lattice(A)              Reciprocal Lattice(1/A)
{rows}

                           -------------------------------
                                     Cell Contents
                           -------------------------------
                         Total number of ions in cell = {len(atoms)}
                      Total number of species in cell = 1
                        Max number of any one species = {len(atoms)}

            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            x  Element         Atom        Fractional coordinates of atoms  x
            x                 Number           u          v          w      x
            x----------------------------------------------------------------x
{places}
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx

Final energy =  {atoms.get_potential_energy():.10f}     eV

 ******************************** Forces *********************************
 *                                                                       *
 *                   Cartesian components (eV/A)                         *
 * --------------------------------------------------------------------- *
 *                         x                    y                    z   *
 *                                                                       *
{forces}
 *                                                                       *
 *************************************************************************

 ***************** Stress Tensor *****************
 *                                               *
 *          Cartesian components (GPa)           *
 * --------------------------------------------- *
 *             x             y             z     *
 *                                               *
{stress}
 *                                               *
 *  Pressure: {-np.trace(sigma) / 3:10.4f}                         *
 *                                               *
 *************************************************
Total time          =    100.00 s
Finalisation time   =      0.10 s
"""


def aims(atoms):
    """FHI-aims: stress in eV/Å³, tension positive."""
    cell = "\n".join("  |    " + " ".join(f"{x:15.8f}" for x in v) for v in atoms.cell)
    places = "\n".join(
        f"  | {n + 1:4d}: Species {s:>2} " + " ".join(f"{x:15.8f}" for x in p)
        for n, (s, p) in enumerate(zip(atoms.symbols, atoms.positions, strict=True))
    )
    forces = "\n".join(f"  | {n + 1:4d} " + " ".join(f"{x:24.15E}" for x in f) for n, f in enumerate(atoms.get_forces()))
    stress = "\n".join(
        f"  |  {name} " + " ".join(f"{x:18.10f}" for x in row) + " |"
        for name, row in zip("xyz", atoms.get_stress(voigt=False), strict=True)
    )
    energy = atoms.get_potential_energy()
    return f"""\
          Invoking FHI-aims ...
          FHI-aims version      : 210716.3
  | Number of atoms                   :       {len(atoms)}
  | Number of spin channels           :       1
  | Number of Kohn-Sham states (occupied + empty):       20
  The structure contains        {len(atoms)} atoms,  and a total of        116.000 electrons.
  Input geometry:
  | Unit cell:
{cell}
  | Atomic structure:
  |       Atom                x [A]            y [A]            z [A]
{places}
  | K-points in task   0:         1
  Begin self-consistency loop: Initialization.
  Begin self-consistency iteration #    1
  Convergence:    q app. |  density  | eigen (eV) | Etot (eV) | forces (eV/A) |       CPU time |     Clock time
  Self-consistency cycle converged.
  | Electronic free energy        : {energy:25.15E} eV
  | Total energy uncorrected      : {energy:25.15E} eV
  | Total energy corrected        : {energy:25.15E} eV  <-- do not rely on this value for anything but (periodic) metals
  Total atomic forces (unitary forces cleaned) [eV/Ang]:
{forces}

  +-------------------------------------------------------------------+
  |              Analytical stress tensor - Symmetrized               |
  |                  Cartesian components [eV/A**3]                   |
  +-------------------------------------------------------------------+
  |                x                y                z                |
  |                                                                   |
{stress}
  |                                                                   |
  +-------------------------------------------------------------------+
          Have a nice day.
------------------------------------------------------------
"""


def abinit(atoms, acell=1.0):
    """ABINIT 9: stress in Ha/bohr³, tension positive; lengths in bohr, the cell as acell (bohr) times rprim."""
    bohr = atoms.cell.array / units.Bohr
    real = "\n".join(f" R({k + 1})=" + "".join(f"{x:12.7f}" for x in v) + f"  G({k + 1})=  0.0 0.0 0.0" for k, v in enumerate(bohr))
    rprim = "\n".join(
        ("           rprim  " if k == 0 else "                  ") + " ".join(f"{x:18.10E}" for x in v / acell) for k, v in enumerate(bohr)
    )
    sigma = atoms.get_stress() / (units.Hartree / units.Bohr**3)
    pairs = "\n".join(
        f"  sigma({k + 1} {k + 1})={sigma[k]:16.8E}  sigma({b} {a})={sigma[k + 3]:16.8E}"
        for k, (a, b) in enumerate(((2, 3), (1, 3), (1, 2)))
    )
    places = "\n".join(f"    {n + 1:5d} " + " ".join(f"{x:18.12f}" for x in p) for n, p in enumerate(atoms.positions))
    forces = "\n".join(f"    {n + 1:5d} " + " ".join(f"{x:18.12f}" for x in f) for n, f in enumerate(atoms.get_forces()))
    numbers = " ".join(f"{z:.8f}" for z in dict.fromkeys(atoms.numbers))
    return f"""\
.Version 9.4.2 of ABINIT
-outvars: echo values of preprocessed input variables --------
            acell  {" ".join(f"{acell:18.10E}" for _ in range(3))} Bohr
            natom  {len(atoms):10d}
           ntypat           1
{rprim}
            typat  {" ".join("1" for _ in atoms)}
            znucl  {numbers}
================================================================================
== DATASET  1 ==================================================================
 Real(R)+Recip(G) space primitive vectors, cartesian coordinates (Bohr,Bohr^-1):
{real}
----iterations are completed or convergence reached----
 Cartesian components of stress tensor (hartree/bohr^3)
{pairs}
 cartesian coordinates (angstrom) at end:
{places}
 cartesian forces (eV/Angstrom) at end:
{forces}
--- !EnergyTerms
total_energy_eV     : {atoms.get_potential_energy():.12E}
...
== END DATASET(S) ==============================================================
"""


def gpaw(atoms):
    """GPAW 22: stress in eV/Å³, tension positive."""
    places = "\n".join(
        f"{n:4d} {s:<2} " + " ".join(f"{x:12.8f}" for x in p) + "    ( 0.0000,  0.0000,  0.0000)"
        for n, (s, p) in enumerate(zip(atoms.symbols, atoms.positions, strict=True))
    )
    cell = "\n".join(f"  {k + 1}. axis:    yes " + " ".join(f"{x:14.9f}" for x in v) + "    20     0.2" for k, v in enumerate(atoms.cell))
    forces = "\n".join(
        f"{n:4d} {s:<2} " + " ".join(f"{x:10.5f}" for x in f)
        for n, (s, f) in enumerate(zip(atoms.symbols, atoms.get_forces(), strict=True))
    )
    stress = "\n".join("  " + " ".join(f"{x:14.9f}" for x in row) for row in atoms.get_stress(voigt=False))
    energy = atoms.get_potential_energy()
    return f"""\
  ___ ___ ___ _ _ _
 |   |   |_  | | | |
 | | | | | . | | | |
 |__ |  _|___|_____|  22.8.0
 |___|_|

Positions:
{places}

Unit cell:
           periodic     x           y           z      points  spacing
{cell}

Energy contributions relative to reference atoms: (reference = -100.0)

Kinetic:        +0.000000
--------------------------
Free energy:    {energy:+.8f}
Extrapolated:   {energy:+.8f}

Forces in eV/Ang:
{forces}

Stress tensor:
{stress}

"""


FORMS = {
    "castep-castep": (castep, "Cu.castep"),
    "aims-output": (aims, "aims.out"),
    "abinit-out": (abinit, "run.abo"),
    "gpaw-out": (gpaw, "gpaw.txt"),
}
