"""Does a law lose strong ellipticity because its potential does? The acoustic tensor of both, at the same strains.

    ./dev python benchmarks/ellipticity.py magnesium --style eam/fs --file Mg_mm.eam.fs --elements Mg [--strains 30] [--json]

The potential's tangent dP/dF is taken by central differences of its stress with the ions relaxed in each cell (LAMMPS), the law's in
closed form; strains are random ones of the law's domain. Printed: the share of strains at which the smallest eigenvalue of the acoustic
tensor is not positive, for both, and at how many the two agree.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from make_sets import POTENTIALS, relaxed_stress

from constitutive import Material
from constitutive.audit import deformation_of, strains_of_domain
from constitutive.elasticity.stability import ellipticity
from constitutive.kinematics import first_piola_from_cauchy

STEP = 1e-4  # of F in the central differences


class Potential:
    """The potential as a function of F, as `ellipticity` takes a law: first Piola–Kirchhoff stress and dP/dF (GPa)."""

    def __init__(self, structure, style, file, elements):
        self.arguments = (structure, style, file, elements)

    def stress(self, F):
        structure, *rest = self.arguments
        return first_piola_from_cauchy(F[None], relaxed_stress(structure, F, *rest)[0][None])[0]

    def __call__(self, F):
        tangent = np.zeros((len(F), 3, 3, 3, 3))
        for n, k, L in np.ndindex(len(F), 3, 3):
            change = np.zeros((3, 3))
            change[k, L] = STEP
            tangent[n, :, :, k, L] = (self.stress(F[n] + change) - self.stress(F[n] - change)) / (2 * STEP)
        return None, tangent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("material", help="folder or name of a material made with the potential")
    parser.add_argument("--style", required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--elements", nargs="+", required=True)
    parser.add_argument("--strains", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    material = Material.load(options.material)
    file = options.file if Path(options.file).is_file() else str(POTENTIALS / options.file)
    potential = Potential(material.structure, options.style, file, options.elements)
    E = strains_of_domain(material, options.strains, 0.1, np.random.default_rng(options.seed))
    F = np.concatenate([np.eye(3)[None], deformation_of(E)])
    law, own = (ellipticity(source, F, directions=200).minimum for source in (material.law, potential))
    record = {
        "material": str(options.material), "strains": len(E), "at_rest_GPa": {"law": float(law[0]), "potential": float(own[0])},
        "lost_at_share": {"law": float(np.mean(law[1:] <= 0)), "potential": float(np.mean(own[1:] <= 0))},
        "same_answer_at_share": float(np.mean((law[1:] <= 0) == (own[1:] <= 0))),
        "correlation": float(np.corrcoef(law[1:], own[1:])[0, 1]),
        "rms_difference_GPa": float(np.sqrt(np.mean((law - own) ** 2))),
    }  # fmt: skip
    print(json.dumps(record) if options.json else "\n".join(f"{key}: {value}" for key, value in record.items()))


if __name__ == "__main__":
    main()
