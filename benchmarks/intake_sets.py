"""Make the good data sets that the intake check is measured on: LAMMPS, F = R U, energies, forces, relaxed and clamped ions.

    ./dev python benchmarks/intake_sets.py [NAME ...]

Needs the LAMMPS Python module and its potentials (both in the Debian root). Writes tests/data/intake/NAME.json.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import lammps
import numpy as np
from scipy.spatial.transform import Rotation

POTENTIALS = Path("/usr/share/lammps/potentials")
OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "intake"
BAR = 1e-4  # GPa
EV_PER_CUBIC_ANGSTROM = 160.2176634  # GPa


@dataclass(frozen=True)
class Crystal:
    """A crystal to strain: its cell (rows, Å), atoms and pair style."""

    laue: str
    group: str
    cell: np.ndarray
    species: list[str]
    frac: np.ndarray
    pair: str
    masses: dict[str, float]
    source: str
    strain: float = 0.06
    samples: int = 72


def _hexagonal(a: float, c: float) -> np.ndarray:
    return np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])


def _potential(style: str, file: str, *types: str) -> str:
    return f"pair_style {style}\npair_coeff * * {POTENTIALS / file} {' '.join(types)}"


def _bc8(x: float = 0.1003) -> np.ndarray:
    """Wyckoff 16c (x, x, x) of Ia-3, in the primitive body-centred cell."""
    h = 0.5
    conventional = [[x, x, x], [-x + h, -x, x + h], [-x, x + h, -x + h], [x + h, -x + h, -x]]
    conventional = np.array(conventional + [[-a for a in p] for p in conventional])
    primitive = np.array([[-h, h, h], [h, -h, h], [h, h, -h]])
    return conventional @ np.linalg.inv(primitive)


def _quartz() -> tuple[np.ndarray, list[str]]:
    u, x, y, z = 0.4697, 0.4135, 0.2669, 0.1191  # P3_2 21 setting, Levien et al. (1980), to be relaxed
    si = [[u, 0, 0], [0, u, 2 / 3], [-u, -u, 1 / 3]]
    o = [
        [x, y, z],
        [-y, x - y, z + 2 / 3],
        [y - x, -x, z + 1 / 3],
        [y, x, -z],
        [x - y, -y, 1 / 3 - z],
        [-x, y - x, 2 / 3 - z],
    ]
    return np.array(si + o), ["Si"] * 3 + ["O"] * 6


def _superlattice(a: float) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Two double layers of ZnTe and two of CdTe along [110] of zincblende: orthorhombic, with the axes along the edges."""
    cell = np.diag([a / np.sqrt(2), a, np.sqrt(2) * a])
    cations = np.array([[0, 0, 0], [0.5, 0.5, 0.25], [0, 0, 0.5], [0.5, 0.5, 0.75]])
    anions = cations + [0.5, 0.25, 0.0]
    return cell, ["Zn", "Zn", "Cd", "Cd"] + ["Te"] * 4, np.vstack([cations, anions])


def _primitive(group: str, cell: tuple, sites: dict[str, list]) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Primitive cell of a crystal from its space group."""
    from pymatgen.core import Lattice, Structure

    species = [s for s, positions in sites.items() for _ in positions]
    coords = [p for positions in sites.values() for p in positions]
    structure = Structure.from_spacegroup(group, Lattice.from_parameters(*cell), species, coords).get_primitive_structure()
    order = np.argsort([str(s.specie) for s in structure], kind="stable")
    return structure.lattice.matrix, [str(structure[i].specie) for i in order], structure.frac_coords[order]


def crystals() -> dict[str, Crystal]:
    """The crystals, one or more of each of six Laue classes."""
    half = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    quartz, quartz_species = _quartz()
    sio = _potential("vashishta", "SiO.1990.vashishta", "Si", "O")
    si_o = {"Si": 28.085, "O": 15.999}
    cu_zr = _potential("eam/fs", "CuZr_mm.eam.fs", "Cu", "Zr")
    cuzr2 = _primitive("I4/mmm", (3.22, 3.22, 11.18, 90, 90, 90), {"Cu": [(0, 0, 0)], "Zr": [(0, 0, 0.3547)]})
    superlattice, superlattice_species, superlattice_frac = _superlattice(6.3)
    coesite = _primitive(
        "C2/c",
        (7.136, 12.369, 7.174, 90, 120.34, 90),
        {
            "Si": [(0.1403, 0.1083, 0.0724), (0.5068, 0.1580, 0.5407)],
            "O": [(0, 0, 0), (0.5, 0.1163, 0.75), (0.2661, 0.1234, 0.9401), (0.3114, 0.1038, 0.3282), (0.0172, 0.2118, 0.4782)],
        },
    )
    return {
        "silicon": Crystal(
            "m-3m",
            "m-3m",
            5.431 * half,
            ["Si"] * 2,
            np.array([[0, 0, 0], [0.25] * 3]),
            _potential("sw", "Si.sw", "Si"),
            {"Si": 28.085},
            "Stillinger-Weber 1985 (Si.sw)",
        ),
        "copper": Crystal(
            "m-3m",
            "m-3m",
            3.615 * half,
            ["Cu"],
            np.zeros((1, 3)),
            _potential("eam/alloy", "Cu_mishin1.eam.alloy", "Cu"),
            {"Cu": 63.546},
            "EAM Mishin 2001 (Cu_mishin1.eam.alloy)",
        ),
        "silicon_bc8": Crystal(
            "m-3",
            "m-3",
            6.64 * np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
            ["Si"] * 8,
            _bc8(),
            _potential("tersoff", "Si.tersoff", "Si"),
            {"Si": 28.085},
            "Tersoff 1988 (Si.tersoff)",
            0.05,
        ),
        "gallium_nitride": Crystal(
            "6/mmm",
            "6mm",
            _hexagonal(3.19, 5.2),
            ["Ga", "Ga", "N", "N"],
            np.array([[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.375], [2 / 3, 1 / 3, 0.875]]),
            _potential("sw", "GaN.sw", "Ga", "N"),
            {"Ga": 69.723, "N": 14.007},
            "Stillinger-Weber GaN (GaN.sw)",
        ),
        "quartz": Crystal(
            "-3m",
            "32",
            _hexagonal(4.9, 5.4),
            quartz_species,
            quartz,
            sio,
            si_o,
            "Vashishta 1990 (SiO.1990.vashishta)",
            0.04,
        ),
        "zirconium_copper": Crystal(
            "4/mmm",
            "4/mmm",
            *cuzr2,
            cu_zr,
            {"Cu": 63.546, "Zr": 91.224},
            "EAM Mendelev (CuZr_mm.eam.fs)",
            0.05,
        ),
        "zinc_cadmium_telluride": Crystal(
            "mmm",
            "mm2",
            superlattice,
            superlattice_species,
            superlattice_frac,
            _potential("sw", "CdTeZnSeHgS0.sw", "Zn", "Cd", "Te"),
            {"Zn": 65.38, "Cd": 112.41, "Te": 127.6},
            "Stillinger-Weber, Zhou 2013 (CdTeZnSeHgS0.sw)",
            0.05,
        ),
        "coesite": Crystal("2/m", "2/m", *coesite, sio, si_o, "Vashishta 1990 (SiO.1990.vashishta)", 0.04, 120),
    }


class Engine:
    """Energy (eV), Cauchy stress (GPa), forces (eV/Å) and fractional coordinates of one strained cell."""

    def __init__(self, crystal: Crystal):
        self.crystal = crystal
        self.types = list(dict.fromkeys(crystal.masses))

    def __call__(self, cell: np.ndarray, frac: np.ndarray, *, relax: bool):
        """Energy, stress, forces and fractional coordinates at one cell."""
        lower, turn = _lower_triangular(cell)
        lmp = lammps.lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        try:
            self._build(lmp, lower, frac)
            lmp.command("run 0 post no")
            for _ in range(6 if relax else 0):  # a line search may stop at a kink of a tabulated potential: start again
                if lmp.get_thermo("fnorm") > 1e-9:
                    lmp.command("minimize 0 1e-11 2000 20000")
            return self._read(lmp, lower, turn)
        finally:
            lmp.close()

    def _build(self, lmp, lower, frac):
        (lx, _, _), (xy, ly, _), (xz, yz, lz) = lower
        n = len(self.crystal.species)
        masses = "\n".join(f"mass {i + 1} {self.crystal.masses[t]}" for i, t in enumerate(self.types))
        lmp.commands_string(
            "units metal\natom_style atomic\natom_modify map array sort 0 0\nboundary p p p\nbox tilt large\n"
            f"region cell prism 0 {lx:.16g} 0 {ly:.16g} 0 {lz:.16g} {xy:.16g} {xz:.16g} {yz:.16g}\n"
            f"create_box {len(self.types)} cell\n{masses}\n{self.crystal.pair}\n"
            "thermo_style custom step pe pxx pyy pzz pyz pxz pxy fnorm\nthermo_modify norm no\nmin_style cg\nmin_modify dmax 0.05"
        )
        kinds = [self.types.index(s) + 1 for s in self.crystal.species]
        positions = (frac - np.floor(frac)) @ lower
        lmp.create_atoms(n, list(range(1, n + 1)), kinds, positions.flatten().tolist())

    @staticmethod
    def _read(lmp, lower, turn):
        names = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
        xx, yy, zz, yz, xz, xy = (-BAR * lmp.get_thermo(name) for name in names)
        stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        n = lmp.get_natoms()
        x = np.array(lmp.gather_atoms("x", 1, 3)).reshape(n, 3)
        f = np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3)
        return lmp.get_thermo("pe"), turn.T @ stress @ turn, f @ turn, x @ np.linalg.inv(lower)


def _lower_triangular(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cell = lower @ turn with a rotation `turn`."""
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    return (r * signs[:, None]).T, (q * signs).T


def relaxed_reference(crystal: Crystal) -> tuple[np.ndarray, np.ndarray]:
    """Cell and atoms at zero stress: Newton steps with finite-difference stiffness of the six strains."""
    engine, cell, frac = Engine(crystal), crystal.cell, crystal.frac
    modes = [
        np.array(m, float)
        for m in ([[1, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 1]])
    ]
    modes += [
        np.array(m, float) / 2
        for m in ([[0, 0, 0], [0, 0, 1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [1, 0, 0]], [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    ]
    voigt = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
    for _ in range(12):
        _, stress, _, frac = engine(cell, frac, relax=True)
        if np.abs(stress).max() < 1e-5:
            break
        h = 1e-4
        C = np.array([(engine(cell @ (np.eye(3) + h * m), frac, relax=True)[1] - stress)[voigt] / h for m in modes]).T
        step = np.linalg.solve((C + C.T) / 2, -stress[voigt])
        step *= min(1.0, 0.05 / np.abs(step).max())
        cell = cell @ (np.eye(3) + sum(s * m for s, m in zip(step, modes, strict=True)))
    return cell, frac


def make(name: str, crystal: Crystal, seed: int = 20261) -> dict:
    """The data document of one crystal."""
    rng = np.random.default_rng([seed, *name.encode()])
    engine = Engine(crystal)
    cell, frac = relaxed_reference(crystal)
    energy_0, stress_0, _, frac = engine(cell, frac, relax=True)
    frac_0 = frac
    volume = abs(np.linalg.det(cell))
    rows: dict[str, list] = {k: [] for k in ("F", "cauchy", "W", "forces", "positions", "clamped_cauchy", "clamped_W", "clamped_forces")}
    for _ in range(crystal.samples):
        E = rng.uniform(-1, 1, (3, 3))
        E = (E + E.T) / 2
        E *= crystal.strain * rng.uniform(0.2, 1.0) ** 0.5 / np.linalg.norm(E)
        values, vectors = np.linalg.eigh(np.eye(3) + 2 * E)
        F = Rotation.random(random_state=rng).as_matrix() @ (vectors * np.sqrt(values)) @ vectors.T
        clamped = engine(cell @ F.T, frac_0, relax=False)
        relaxed = engine(cell @ F.T, frac_0, relax=True)
        shift = relaxed[3] - frac_0
        rows["F"].append(F)
        rows["W"].append((relaxed[0] - energy_0) / volume * EV_PER_CUBIC_ANGSTROM)
        rows["cauchy"].append(relaxed[1])
        rows["forces"].append(relaxed[2])
        rows["positions"].append(frac_0 + shift - np.round(shift))
        rows["clamped_W"].append((clamped[0] - energy_0) / volume * EV_PER_CUBIC_ANGSTROM)
        rows["clamped_cauchy"].append(clamped[1])
        rows["clamped_forces"].append(clamped[2])
    return {
        "schema_version": 1,
        "name": name,
        "code": f"LAMMPS {lammps.__version__}",
        "potential": crystal.source,
        "settings": {
            "type": "static, cell fixed, ions relaxed (cg, 1e-11 eV/Å)",
            "strain": f"|E| <= {crystal.strain}, F = R U, R uniform",
        },
        "point_group": crystal.group,
        "ions": "relaxed",
        "lattice": cell,
        "species": crystal.species,
        "frac_coords": frac_0,
        "residual_stress": stress_0,
        "units": "GPa",
        **{key: np.array(value) for key, value in rows.items()},
    }


def _rounded(value):
    if isinstance(value, np.ndarray):
        return [float(f"{x:.8g}") if abs(x) > 1e-12 else 0.0 for x in value.ravel()] if value.ndim == 1 else [_rounded(v) for v in value]
    return value


def main(names: list[str]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name, crystal in crystals().items():
        if names and name not in names:
            continue
        document = make(name, crystal)
        lines = [f"{json.dumps(k)}: {json.dumps(_rounded(v), ensure_ascii=False)}" for k, v in document.items()]
        (OUT / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        rms = np.sqrt((document["cauchy"] ** 2).mean())
        clamped = np.abs(document["cauchy"] - document["clamped_cauchy"]).max()
        residual = np.abs(document["residual_stress"]).max()
        forces = np.abs(document["forces"]).max()
        print(f"{name:24s} {crystal.laue:6s} residual {residual:.1e} rms {rms:.3f} GPa clamped-relaxed {clamped:.2f} forces {forces:.1e}")


if __name__ == "__main__":
    main(sys.argv[1:])
