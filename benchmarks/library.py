"""The errors of the shipped materials on unseen states, beside a network without symmetry and linear elasticity.

    ./dev python benchmarks/library.py                      # the table that README and docs show, from the cards
    ./dev python benchmarks/library.py --measure quartz     # measure again and print
    ./dev python benchmarks/library.py --write              # measure all and write the cards
    ./dev python benchmarks/library.py --calibrate --write  # calibrate all again first (all samples, seed 0)
    ./dev python benchmarks/library.py quartz_right --errors # standard errors of coupled constants into the card
    ./dev python benchmarks/library.py copper --audit       # the audit (constitutive audit NAME) into the card
    ./dev python benchmarks/library.py --docs               # put the tables into README.md and docs/materials.md

The law of `silicon` is judged on the strain paths of its data; the others on `unseen.json`, made with another seed.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import yaml

from constitutive import Material, StressStrainData, calibrate, shipped
from constitutive.audit import audit
from constitutive.audit.library import library_figures
from constitutive.calibration.coupled_data import coupled_samples
from constitutive.calibration.coupled_errors import constant_errors
from constitutive.calibration.coupled_teacher import learn
from constitutive.calibration.effort import Effort
from constitutive.files import write_text
from constitutive.library import LibraryEntry, library, shipped_names
from constitutive.report import facts

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/materials.md")
WORDS = {"polarization": "polarisation", "electric_field": "electric field", "entropy": "entropy"}
OF_THE_CARD = r" [\d.]+(?: pw\.x)? \((?:Debian|PyPI).*?\)|; Debian [^)]*|,? \S+\.UPF\b"  # versions and files, which the tables leave out


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


def audit_of(folder):
    """The part `audit` of a card: each property's figure and whether its limit is kept, as `constitutive audit NAME` measures them."""
    data, unseen = StressStrainData.load(folder / "data.json"), folder / "unseen.json"
    found = audit(Material.load(folder), data, unseen=StressStrainData.load(unseen) if unseen.exists() else None)
    stated = found.as_dict()
    measured = {name: float(f"{stated[name]:.3g}") for name in found.checks if stated[name] is not None}
    return {"passed": found.passed, "figures": measured, "standing": stated["standing"]}


def constant_errors_of(folder):
    """Standard errors of the constants of a law of several variables, by the jackknife of its calibration; the law is left as it is."""
    data, material = StressStrainData.load(folder / "data.json"), Material.load(folder)
    samples = coupled_samples(data, material.coupled.variables, material.point_group)
    teacher = learn(samples.problem, Effort.of("full"))
    return constant_errors(teacher, material.coupled, reference_temperature=samples.reference_temperature, seed=0)


def percent(value):
    return "–" if value is None else f"{100 * value:#.2g}".rstrip(".")


def errors_table(entries: list[LibraryEntry]) -> str:
    """One line a material: errors on unseen states of the law, of a network without symmetry and of linear elasticity."""
    lines = ["| crystal | group, Laue class | samples, up to \\|E\\| | law, % | without symmetry | linear | source |", "|---" * 7 + "|"]
    for e in entries:
        others = "".join(f"; {WORDS[name]} {percent(value)}" for name, value in e.conjugate_errors.items())
        errors = f"{percent(e.unseen_error)}{others} | {percent(e.unconstrained_error)} | {percent(e.linear_error)}"
        source = re.sub(OF_THE_CARD, "", e.source)
        crystal = f"{e.name} ({e.formula}) | {e.point_group}, {e.laue_class} | {e.samples}, {e.strain_size:.2f}"
        lines.append(f"| {crystal} | {errors} | {source} |")
    return "\n".join(lines)


def constants_table(entries: list[LibraryEntry]) -> str:
    """One line a material: constants with 90 % intervals, and published ones behind a slash, in italics if computed."""
    lines = ["| crystal | order 2, GPa | order 3, GPa |", "|---" * 3 + "|"]
    for e in entries:
        material = Material.load(e.name)
        lines.append(f"| {e.name} | {' | '.join(constants_cell(material, order) for order in (2, 3))} |")
    return "\n".join(lines)


def constants_cell(material: Material, order: int) -> str:
    """Constants in the standard axes, or in those of the data where the errors are known in these only."""
    found = facts.constants(material, order)
    errors = facts.constant_errors(material, [found])
    names, values = found.names, found.values
    if errors is None and "constants_GPa" in material.card:
        stated = material.card["constants_GPa"][str(order)]
        names, values = tuple(stated), tuple(value for value, _ in stated.values())
        errors = np.array([np.nan if error is None else 1.645 * error for _, error in stated.values()])
    published = beside(material) if names == found.names else {}
    texts = [f"{v:.4g}".replace("-", "−") for v in values] if errors is None else [*map(rounded, values, errors)]
    return ", ".join(
        f"{name} {text}" + (f" / {published[name]}" if name in published else "") for name, text in zip(names, texts, strict=True)
    )


def beside(material: Material) -> dict[str, str]:
    """Published constants as text: measured ones where there are, others in italics."""
    found = {}
    for name, entry in sorted(facts.published(material).items()):  # "computed" comes before "measured"
        mark = "*" if name.startswith("computed") else ""
        found |= {constant: f"{mark}{value:.4g}{mark}".replace("-", "−") for constant, value in entry.values.items()}
    return found


def rounded(value: float, error: float) -> str:
    """A value with its half-width, to the digits that the half-width allows."""
    if not np.isfinite(error):
        return f"{value:.3g} (not determined)"
    digits = max(0, 1 - int(np.floor(np.log10(error)))) if error > 0 else 1
    return f"{value:.{min(digits, 1)}f} ± {error:.{min(digits, 2)}f}".replace("-", "−")


def write_tables(entries: list[LibraryEntry]) -> None:
    """Replace what stands between the markers of the pages."""
    tables = {"errors": errors_table(entries), "constants": constants_table(entries)}
    for page in PAGES:
        path = CHECKOUT / page
        text = path.read_text(encoding="utf-8")
        for name, table in tables.items():
            pattern = rf"(<!-- library: {name} -->\n).*?(\n<!-- end -->)"
            text = re.sub(pattern, lambda found, table=table: found[1] + table + found[2], text, flags=re.DOTALL)
        write_text(path, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="materials; all by default")
    parser.add_argument("--measure", action="store_true", help="measure, where the cards' figures would do")
    parser.add_argument("--calibrate", action="store_true", help="calibrate on all samples first, and save the law")
    parser.add_argument("--write", action="store_true", help="measure, and write the figures into the cards")
    parser.add_argument("--errors", action="store_true", help="write standard errors of piezoelectric and other constants into the cards")
    parser.add_argument("--audit", action="store_true", help="audit, and write the figures into the cards")
    parser.add_argument("--docs", action="store_true", help="write the tables into README.md and docs/materials.md")
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
        if options.errors and Material.load(folder).coupled is not None:
            card = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8"))
            card["coupled_constants_errors"] = constant_errors_of(folder)
            write_text(folder / "card.yaml", yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110))
        if options.audit:
            found = audit_of(folder)
            print(json.dumps({"name": name, **found}, ensure_ascii=False), flush=True)
            card = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8"))
            write_text(folder / "card.yaml", yaml.safe_dump(card | {"audit": found}, sort_keys=False, allow_unicode=True, width=110))
        if options.measure or options.write:
            card, figures = measure(folder)
            print(json.dumps({"name": name, **figures}, ensure_ascii=False), flush=True)
            if options.write:
                write_text(
                    folder / "card.yaml", yaml.safe_dump(card | {"library": figures}, sort_keys=False, allow_unicode=True, width=110)
                )
    if options.measure or options.errors or options.audit:
        return
    entries = [entry for entry in library() if entry.name in names]
    if options.json:
        print(json.dumps([entry.as_dict() for entry in entries], ensure_ascii=False))
        return
    if options.docs:
        write_tables(library())
        return
    print(errors_table(entries))
    print()
    print(constants_table(entries))


if __name__ == "__main__":
    main()
