"""What all samples of a large file are worth beside a thousand of them, and what they cost.

    ./dev python benchmarks/large.py [--samples 1e6] [--material copper] [--noise 0.1] [--effort quick]

The samples are states of a shipped law with noise on the stress (GPa), so the true law is known: errors are those of S against it, without
noise, at 2,000 further states. Times are processor seconds.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from constitutive import Material, StressStrainData, calibrate
from constitutive.calibration import calibrate_large
from constitutive.calibration.streaming import subset_by_leverage
from constitutive.data.large import open_large, write_chunks
from constitutive.kinematics import green_lagrange_strain, right_stretch

PIECE = 20_000
SIZE = 0.09  # largest |E|


def states(material, count, rng):
    """Strains uniform in the volume of a ball, and the stresses of the law."""
    A = rng.normal(size=(count, 3, 3))
    E = (A + A.transpose(0, 2, 1)) / 2
    E *= (SIZE * rng.uniform(size=count) ** (1 / 6) / np.linalg.norm(E, axis=(1, 2)))[:, None, None]
    return right_stretch(E), material.law.stress(torch.from_numpy(E)).numpy()


def piece(material, count, rng, noise):
    F, S = states(material, count, rng)
    error = rng.normal(size=S.shape) * noise
    structure = material.structure
    return StressStrainData(
        name=material.name, units="GPa", lattice=structure.lattice.matrix, species=[site.species_string for site in structure],
        frac_coords=structure.frac_coords, F=F, second_piola_kirchhoff=S + (error + error.transpose(0, 2, 1)) / 2,
    )  # fmt: skip


def timed(what, function, error):
    began = time.process_time()
    law = function()
    print(f"{what:40s} error {100 * error(law):6.3f} %  {time.process_time() - began:6.1f} s  {law.law.orbit_units()} units", flush=True)
    return law


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=float, default=1e6)
    parser.add_argument("--material", default="copper")
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--effort", choices=["full", "quick"], default="quick")
    options = parser.parse_args()
    material, rng, count = Material.load(options.material), np.random.default_rng(0), int(options.samples)
    F, S = states(material, 2000, np.random.default_rng(7))
    E = torch.from_numpy(green_lagrange_strain(F))

    def error(found):
        return float(np.linalg.norm(found.law.stress(E).numpy() - S) / np.linalg.norm(S))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.h5"
        write_chunks(path, (piece(material, min(PIECE, count - k), rng, options.noise) for k in range(0, count, PIECE)))
        print(f"{count:,} samples, {path.stat().st_size / 1e6:.0f} MB")
        with open_large(path) as source:
            random, leverage = source.sample(1000), subset_by_leverage(source, 1000)
        timed("1,000 at random", lambda: calibrate(random, effort=options.effort), error)
        timed("1,000 by leverage", lambda: calibrate(leverage, effort=options.effort), error)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        law = timed("all", lambda: calibrate_large(path, effort=options.effort), error)
        print(f"memory: {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3:.0f} MB more than the calibrations on 1,000")
        print(*law.report.notes, sep="\n")


if __name__ == "__main__":
    main()
