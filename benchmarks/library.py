"""The errors of the shipped materials on unseen states, beside a network without symmetry and linear elasticity.

    ./dev python benchmarks/library.py                      # the table that README and docs show, from the cards
    ./dev python benchmarks/library.py --measure quartz     # measure again and print
    ./dev python benchmarks/library.py --write              # measure all and write the cards
    ./dev python benchmarks/library.py --calibrate --write  # calibrate all again first (all samples, seed 0)

The law of `silicon` is judged on the strain paths of its data; the others on `unseen.json`, made with another seed.
"""

import argparse
import json
from pathlib import Path

import yaml

from constitutive import Material, StressStrainData, calibrate, shipped
from constitutive.audit.library import library_figures
from constitutive.files import write_text
from constitutive.library import library, shipped_names


def unseen_states(folder, data):
    """The states that calibration does not use: a set of its own, or the strain paths of the data."""
    path = folder / "unseen.json"
    return StressStrainData.load(path) if path.exists() else data.paths_data()


def measure(folder):
    """The part `library` of one card."""
    data, material = StressStrainData.load(folder / "data.json"), Material.load(folder)
    card = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8"))
    about = card.get("library", {}).get("about", "")
    return card, library_figures(material, data, unseen_states(folder, data), about=about)


def percent(value):
    return "" if value is None else f"{100 * value:.2g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="materials; all by default")
    parser.add_argument("--measure", action="store_true", help="measure, where the cards' figures would do")
    parser.add_argument("--calibrate", action="store_true", help="calibrate on all samples first, and save the law")
    parser.add_argument("--write", action="store_true", help="measure, and write the figures into the cards")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = options.names or shipped_names()
    for name in names:
        folder = Path(shipped(name))
        if options.calibrate:
            old = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8")).get("library", {})
            variables = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8")).get("variables")
            calibrate(StressStrainData.load(folder / "data.json"), variables=variables).save(folder)
            card = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8"))
            write_text(folder / "card.yaml", yaml.safe_dump(card | {"library": old}, sort_keys=False, allow_unicode=True, width=110))
        if options.measure or options.write:
            card, figures = measure(folder)
            print(json.dumps({"name": name, **figures}, ensure_ascii=False), flush=True)
            if options.write:
                write_text(
                    folder / "card.yaml", yaml.safe_dump(card | {"library": figures}, sort_keys=False, allow_unicode=True, width=110)
                )
    if options.measure:
        return
    entries = [entry for entry in library() if entry.name in names]
    if options.json:
        print(json.dumps([entry.as_dict() for entry in entries], ensure_ascii=False))
        return
    print("| crystal | class | samples, up to | error on unseen states, % | without symmetry | linear | source |")
    print("|---" * 7 + "|")
    for e in entries:
        errors = " | ".join(percent(value) for value in (e.unseen_error, e.unconstrained_error, e.linear_error))
        others = "".join(f"; {name.replace('_', ' ')} {percent(value)}" for name, value in e.conjugate_errors.items())
        errors = errors.replace(" | ", f"{others} | ", 1)
        print(f"| {e.name} ({e.formula}) | {e.point_group}, {e.laue_class} | {e.samples}, {e.strain_size:.2f} | {errors} | {e.source} |")


if __name__ == "__main__":
    main()
