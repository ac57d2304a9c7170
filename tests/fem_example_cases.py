"""Figures of the examples on several ranks: ``mpirun -n 2 python fem_example_cases.py NAME … --out FOLDER``; one JSON object by name."""

import contextlib
import importlib
import io
import json
import sys
import warnings
from pathlib import Path

from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fem_examples"))

from crystals import fitted

SIZES: dict[str, dict[str, object]] = {  # small bodies: only equality is asked
    "ferroelectric": {"cells": 12, "size": 4.0, "fields": 2},
    "martensite": {"cells": 6, "size": 4.0},
    "epitaxial_layer": {"fine": 0.5, "misfits": (0.01,)},
    "buckling": {"ratios": (4.0,), "beyond": 0.5, "steps": 1},
    "indentation": {"fine": 0.7, "sharpness": (0.01,)},
    "lattice_metamaterial": {"blocks": (2,), "samples": 24},
    "torsion_quartz": {"along": 4},
    "polycrystal": {"cells": 4, "grains": 5},
    "micro_beam": {"along": 2, "angles": (0.0, 45.0)},
    "sound": {"cells": 300, "plane": 40, "stretches": (0.0,)},
    "hole_in_plate": {"around": 6, "outward": 5},
    "silicon_block": {"cells": 2},
    "quartz_resonator": {"angles": 3, "cells": 3},
    "piezo_actuator": {"along": 4},
    "refined_law": {"around": 8, "outward": 6, "checked": 10},
    "thermal_stress": {"across": 4, "cells": 3, "grains": 4},
}
CALIBRATING = ("hole_in_plate", "silicon_block")  # here with a law that is fitted in a moment


def figures(name: str, folder: Path) -> dict[str, object]:
    """What ``main`` of an example returns for a small body."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="constrained_layout not applied")  # pictures of small bodies; nobody looks at them
        law = {"material": fitted("silicon")} if name in CALIBRATING else {}
        return importlib.import_module(name).main(folder, **SIZES[name], **law)


if __name__ == "__main__":
    found = {name: figures(name, Path(sys.argv[1])) for name in sys.argv[2:] or SIZES}
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(found))
