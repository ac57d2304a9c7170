"""Calculators that misbehave on purpose, for `module:function`, and the plans that they compute."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from constitutive.simulate import RelaxationSettings, SimulationSettings, read_calculator

HERE = str(Path(__file__).parent)
QUICK = RelaxationSettings(look_for_instability=False)


def spec(function, **options):
    """One of the calculators below, as a user would name it."""
    made = read_calculator(f"simulate_cases:{function}", options)
    return type(made)(made.name, made.options, HERE)


def settings(**options):
    return SimulationSettings(QUICK, **options)


class Spring(Calculator):
    """Stress by Hooke's law of the small strain against a cube of 3.6 Å: quick, cubic, and free of stress there."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        F = np.linalg.solve(np.eye(3) * 3.6, self.atoms.cell.array).T
        e = (F.T @ F - np.eye(3)) / 2
        S = 0.5 * np.trace(e) * np.eye(3) + e
        psi = 0.5 * np.sum(S * e)
        sigma = F @ S @ F.T / np.linalg.det(F)
        energy = psi * 3.6**3
        self.results = {
            "energy": energy, "free_energy": energy, "forces": np.zeros((len(self.atoms), 3)),
            "stress": sigma[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }  # fmt: skip


def spring():
    return Spring()


def made_class():
    return Spring


def unlicensed():
    raise RuntimeError("no licence")


class WrongSign(Spring):
    """Pressure positive."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["stress"] = -self.results["stress"]


def wrong_sign():
    return WrongSign()


class Marked(Spring):
    """Misbehaves at the strain whose volume is marked, once or always."""

    def __init__(self, what, volume, flag):
        super().__init__()
        self.what, self.volume, self.flag = what, volume, Path(flag)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if abs(self.atoms.get_volume() - self.volume) > 1e-9:
            return
        if self.flag.name != "always":
            if self.flag.exists():
                return
            self.flag.touch()
        if self.what == "raise":
            raise RuntimeError("the SCF did not converge")
        if self.what == "nan":
            self.results["stress"] = self.results["stress"] * np.nan
        if self.what == "hang":
            time.sleep(600)
        if self.what == "die":
            os.kill(os.getpid(), signal.SIGKILL)


def marked(what, volume, flag):
    return Marked(what, volume, flag)


class Failing(Spring):
    """Fails at every cell."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        raise RuntimeError("the SCF did not converge")


def failing():
    return Failing()


class Stuck(Spring):
    """Never answers."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        time.sleep(600)


def stuck():
    return Stuck()


class Slow(Spring):
    """Takes its time, and leaves a mark for every call."""

    def __init__(self, seconds, marks):
        super().__init__()
        self.seconds, self.marks = seconds, marks

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        with open(self.marks, "a") as file:
            file.write(f"{os.getpid()} {self.atoms.get_volume():.12f}\n")
        time.sleep(self.seconds)


def slow(seconds, marks):
    return Slow(seconds, marks)


class TwoWells(Spring):
    """Two atoms whose distance along x has two minima of different stress, the affine one and one 0.06 Å off."""

    def __init__(self, barrier):
        super().__init__()
        self.barrier = barrier

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        d = self.atoms.positions[1] - self.atoms.positions[0] - self.atoms.cell.array.sum(0) / 2
        k, c = 5.0, 0.06
        energy, force = 0.5 * k * (d @ d), -k * d
        if self.barrier and abs(d[0]) > c / 2:
            energy, force[0] = energy - 0.5 * k * d[0] ** 2 + 0.5 * k * (d[0] - np.sign(d[0]) * c) ** 2, -k * (d[0] - np.sign(d[0]) * c)
            self.results["stress"] = self.results["stress"] + np.array([0.1, 0, 0, 0, 0, 0])
        self.results["energy"] += energy
        self.results["forces"] = np.array([-force, force])


def two_wells(barrier=1.0):
    return TwoWells(barrier)


class Noisy(EMT):
    """EMT in single precision, and worse."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        rng = np.random.default_rng(abs(hash(self.atoms.positions.tobytes())) % 2**32)
        self.results["stress"] = self.results["stress"] + self.size * rng.normal(size=6)


def noisy(size):
    return Noisy(size)


class Lopsided(EMT):
    """A stress that neither turns with the crystal nor follows from the energy."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["stress"] = self.results["stress"] * np.array([1.05, 1, 1, 1, 1, 1])


def lopsided():
    return Lopsided()


def nothing():
    return 3


def emt():
    return EMT()

ZINC_OXIDE = {
    "species": ["Zn", "O"],
    "charges": {"Zn": 2.0, "O": -2.0},
    "pair_style": "hybrid/overlay buck/mdf 8.0 10.0 coul/long 10.0",
    "pair_coeff": ["* * coul/long", "1 2 buck/mdf 529.70 0.3581 0.0", "2 2 buck/mdf 9547.96 0.21916 32.0"],
    "commands": ["pair_modify pair coul/long table 0", "kspace_style ewald 1e-10"],
}
QUARTZ = {
    "species": ["Si", "O"],
    "charges": {"Si": 4.0, "O": 0.86902},
    "shells": {"O": {"charge": -2.86902, "spring": 74.92}},
    "angles": [{"centre": "Si", "ends": "O", "degrees": 109.47, "constant": 2.09724, "distance": 2.0}],
    "pair_style": "hybrid/overlay buck/mdf 8.0 10.0 coul/long/cs 10.0",
    "pair_coeff": ["* * coul/long/cs", "1 3 buck/mdf 1283.907 0.32052 10.66158", "3 3 buck/mdf 22764.0 0.149 27.879"],
    "commands": ["pair_modify pair coul/long/cs table 0", "kspace_style ewald 1e-10"],
}
ZNO = Atoms(
    "Zn2O2",
    cell=[[3.2708, 0, 0], [-1.6354, 3.2708 * np.sqrt(0.75), 0], [0, 0, 5.1383]],
    scaled_positions=[[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.385], [2 / 3, 1 / 3, 0.885]],
    pbc=True,
)


class TogetherEMT(EMT):
    """ASE's EMT on lists of cells, with a log of how many came at once; it fails at a marked volume, in a list or alone."""

    def __init__(self, log, volume):
        super().__init__()
        self.log, self.volume = Path(log), volume

    def evaluate_batch(self, cells):
        with self.log.open("a") as log:
            log.write(f"{len(cells)}\n")
        if any(abs(cell.get_volume() - self.volume) < 1e-9 for cell in cells):
            raise RuntimeError("the SCF did not converge")
        found = []
        for cell in cells:
            cell.calc = EMT()
            found.append({"energy": cell.get_potential_energy(), "forces": cell.get_forces(), "stress": cell.get_stress()})
        return found


def together(log, volume=0.0):
    return TogetherEMT(log, volume)
