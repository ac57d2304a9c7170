"""How often the intake check names an injected fault: singles, pairs, and false alarms on good sets.

./dev python benchmarks/intake.py [--seeds N] [--pairs N] [--set NAME] [--no-paths]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.intake import check

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))  # where the faults are made
from intake_faults import FIELD_INJECTORS, INJECTORS, inject, inject_pair  # noqa: E402  # needs the path above
from path_sets import path_sets, with_noise  # noqa: E402  # beside this script

SETS = TESTS / "data" / "intake"
IN_FIELDS = ("quartz_right", "quartz_left", "sic_field", "zinc_oxide")  # in materials/
CERTAIN = 0.5  # findings below this are remarks


def named(data: StressStrainData) -> list[str]:
    return list(dict.fromkeys(f.fault for f in check(data).findings if f.certainty >= CERTAIN))


def good_sets(names: list[str]) -> dict[str, StressStrainData]:
    return {p.stem: StressStrainData.load(p) for p in sorted(SETS.glob("*.json")) if not names or p.stem in names}


def note_progress(table: dict[str, list[bool]], halves: int = 1) -> None:
    """How many were named so far, every 20 of them: the whole takes an hour."""
    hits = [hit for values in table.values() for hit in values]
    if len(hits) % (20 * halves) == 0:
        print(f"{sum(hits) // halves} of {len(hits) // halves}", file=sys.stderr, flush=True)


def singles(sets: dict[str, StressStrainData], seeds: int) -> tuple[dict, list]:
    table: dict[str, list[bool]] = defaultdict(list)
    misses = []
    for name, data in sets.items():
        for k, fault in enumerate(INJECTORS):
            for seed in range(seeds):
                try:
                    spoiled = inject(data, fault, np.random.default_rng([seed, k]))
                except DataError:
                    continue
                found = named(spoiled)
                table[fault].append(found[:1] == [fault])
                note_progress(table)
                if found[:1] != [fault]:
                    misses.append(f"{name} {fault} seed {seed}: {found}")
    return table, misses


def in_fields(seeds: int) -> tuple[dict, list]:
    """Faults of electric fields and polarisations in the shipped sets that hold them."""
    table: dict[str, list[bool]] = defaultdict(list)
    misses = []
    for name in IN_FIELDS:
        data = StressStrainData.load(TESTS.parent / "materials" / name / "data.json")
        if alarms := named(data):
            misses.append(f"{name}, good: {alarms}")
        for fault, spoil in FIELD_INJECTORS.items():
            for seed in range(seeds):
                found = named(spoil(data, np.random.default_rng(seed)))
                table[fault].append(found[:1] == [fault])
                if found[:1] != [fault]:
                    misses.append(f"{name} {fault} seed {seed}: {found}")
    return table, misses


def pairs(sets: dict[str, StressStrainData], each: int, share: float) -> tuple[dict, list]:
    table: dict[str, list[bool]] = defaultdict(list)
    misses = []
    for i, (name, data) in enumerate(sets.items()):
        for j, (first, second) in enumerate(combinations(INJECTORS, 2)):
            if np.random.default_rng([i, j]).random() > share:
                continue
            for seed in range(each):
                try:
                    spoiled = inject_pair(data, first, second, np.random.default_rng([seed, i, j]))
                except DataError:
                    continue
                found = named(spoiled)
                right = set(found[:2]) == {first, second}
                table[first].append(right)
                table[second].append(right)
                note_progress(table, halves=2)
                if not right:
                    misses.append(f"{name} {first} + {second} seed {seed}: {found}")
    return table, misses


def on_paths(names: list[str]) -> tuple[int, list[str]]:
    """Number of good sets on classical paths, exact and with the noise of DFT, and the findings on them."""
    alarms, tried = [], 0
    for name, data in path_sets(names or None):
        for kind, good in (("", data), (", with noise", with_noise(data))):
            tried += 1
            print(".", end="", file=sys.stderr, flush=True)
            alarms += [f"{name}{kind}: {f.fault} ({100 * f.certainty:.0f} %): {f.message}" for f in check(good).findings]
    return tried, alarms


def show(title: str, table: dict[str, list[bool]], halves: int = 1) -> None:
    print(f"\n{title}")
    for fault, hits in table.items():
        print(f"  {fault:34s} {sum(hits):4d} of {len(hits):4d}  {100 * np.mean(hits):5.1f} %")
    hits = [hit for values in table.values() for hit in values]
    print(f"  {'all':34s} {sum(hits) // halves:4d} of {len(hits) // halves:4d}  {100 * np.mean(hits):5.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--misses", action="store_true", help="Print what was found where it was not what was injected.")
    parser.add_argument("--share", type=float, default=1.0, help="Share of the pairs that are tried, chosen evenly.")
    parser.add_argument("--no-paths", action="store_true", help="Leave the sets on classical paths out.")
    options = parser.parse_args()
    sets = good_sets(options.set)
    begin = time.perf_counter()
    alarms = {name: found for name, data in sets.items() if (found := [f.fault for f in check(data).findings])}
    print(f"good sets: {len(sets)}, false alarms: {alarms or 'none'}")
    if not options.no_paths:
        tried, found = on_paths(options.set)
        print(f"good sets on classical paths: {tried}, false alarms: {len(found)}", *found, sep="\n  ", flush=True)
    fields, missed = in_fields(options.seeds)
    show("faults of fields", fields)
    table, misses = singles(sets, options.seeds)
    misses += missed
    show("single faults, named first", table)
    if options.pairs:
        pair_table, more = pairs(sets, options.pairs, options.share)
        show("pairs, both named before anything else (each pair counted under both)", pair_table, halves=2)
        misses += more
    print(f"\n{time.perf_counter() - begin:.0f} s")
    if options.misses:
        print("\n".join(misses), file=sys.stderr)


if __name__ == "__main__":
    main()
