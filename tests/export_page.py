"""The tables of the page on exports: one strain path of one crystal; `CONSTITUTIVE_WRITE=1` writes the rows into the page."""

import os
from pathlib import Path

import numpy as np
from export_cases import by_law

PAGE = Path(__file__).resolve().parent.parent / "docs" / "export.md"
STEPS = (0.01, 0.02, 0.03)
DIRECTION = np.array([[1.0, 0.4, 0.0], [0.4, -0.5, 0.2], [0.0, 0.2, 0.0]])
STRAINS = np.array(STEPS)[:, None, None] * DIRECTION


def path_row(name, S, material, tolerance):
    """A row of stresses along the path, and that they are the law's to within a tolerance."""
    law = by_law(material.law, STRAINS)[1]
    error = np.abs(S - law).max() / np.abs(law).max()
    assert error <= tolerance, f"{name}: {error:.2e}"
    return f"| {name} | " + " | ".join(f"{s:.5f}" for s in S[:, 0, 0]) + f" | below {tolerance:.0e} |"


def update(rows):
    """The rows stand in the page; in writing, a row replaces the one of its first word or follows the row before it."""
    text = PAGE.read_text(encoding="utf-8")
    if not os.environ.get("CONSTITUTIVE_WRITE"):
        for row in rows:
            assert row + "\n" in text, f"docs/export.md lacks the row\n{row}"
        return
    lines = text.splitlines()
    cells = [line.split("|") for line in lines]
    for k, row in enumerate(rows):
        own = row.split("|")
        at = [n for n, found in enumerate(cells) if len(found) == len(own) and found[1] == own[1]]
        if at:
            lines[at[0]] = row
        else:
            lines.insert(lines.index(rows[k - 1]) + 1, row)
        cells = [line.split("|") for line in lines]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
