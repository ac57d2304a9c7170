"""Check that calibrated laws stay bit-equal: fingerprints of the laws of every shipped set, for N = 20 and all, two seeds.

python benchmarks/same_laws.py --write before.json      # on the code before
python benchmarks/same_laws.py --compare before.json    # on the code after; exit 1 where a law differs
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import safetensors.numpy

from constitutive import StressStrainData, calibrate, shipped

SETS = ("silicon", "silicon_sw", "silicon_tersoff", "silicon_carbide", "copper", "gallium_nitride", "magnesium", "quartz", "coesite")


def fingerprint(name, train, seed):
    """SHA-256 of the saved tensors, and the figures of the card that follow from the fit."""
    data = StressStrainData.load(shipped(name) / "data.json")
    material = calibrate(data, train=train, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        material.save(Path(folder) / "m")
        tensors = safetensors.numpy.load_file(Path(folder) / "m" / "law.safetensors")
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode() + np.ascontiguousarray(tensors[key]).tobytes())
    report = material.report
    return {
        "tensors": digest.hexdigest(),
        "values": hashlib.sha256(b"".join(np.ascontiguousarray(tensors[key]).tobytes() for key in sorted(tensors))).hexdigest(),
        "held_out_error": float(report.held_out_error).hex(),
        "baseline_error": float(report.baseline_error).hex(),
        "chosen": report.chosen,
        "constants": hashlib.sha256(json.dumps(material.card["constants_GPa"], sort_keys=True, default=float).encode()).hexdigest(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write")
    parser.add_argument("--compare")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--sizes", nargs="*", default=["20", "all"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    options = parser.parse_args()
    before = json.loads(Path(options.compare).read_text()) if options.compare else {}
    found, wrong = {}, 0
    for size in options.sizes:
        for seed in options.seeds:
            for name in options.sets:
                key, began = f"{name} {size} {seed}", time.monotonic()
                found[key] = fingerprint(name, None if size == "all" else int(size), seed)
                verdict = ""
                if before:
                    same = before.get(key) == found[key]
                    wrong += not same
                    verdict = "same" if same else f"DIFFERS: {found[key]} before {before.get(key)}"
                print(f"{key:28s} {time.monotonic() - began:6.0f} s  {verdict}", flush=True)
                if options.write:
                    Path(options.write).write_text(json.dumps(found, indent=1))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
