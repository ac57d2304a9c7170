"""Input decks of CalculiX on blocks of C3D8 or C3D20 elements, and what it prints."""

import re
import subprocess
from pathlib import Path

import numpy as np

CORNERS = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))


def block(cells, size):
    """Nodes (n, 3) and elements (m, 8) of a box."""
    nx, ny, nz = (n + 1 for n in cells)
    k, j, i = np.meshgrid(*(np.arange(n) for n in (nz, ny, nx)), indexing="ij")
    nodes = np.stack([i, j, k], axis=-1).reshape(-1, 3) / np.array(cells) * np.array(size)
    number = lambda a, b, c: a + nx * (b + ny * c)  # noqa: E731
    elements = [
        [number(a + u, b + v, c + w) for u, v, w in CORNERS] for c in range(cells[2]) for b in range(cells[1]) for a in range(cells[0])
    ]
    return nodes, np.array(elements)


EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))


def quadratic(nodes, elements):
    """The same box of C3D20 elements: a node in the middle of each edge."""
    places, middles = list(nodes), {}
    rows = []
    for row in elements:
        added = []
        for a, b in EDGES:
            key = frozenset((row[a], row[b]))
            if key not in middles:
                middles[key] = len(places)
                places.append((nodes[row[a]] + nodes[row[b]]) / 2)
            added.append(middles[key])
        rows.append([*row, *added])
    return np.array(places), np.array(rows)


def user_material(name, R=None):
    """A user material with its orientation."""
    constants = [0.0] if R is None else list(np.asarray(R).ravel())
    rows = [", ".join(f"{v:.12e}" for v in constants[k : k + 8]) for k in range(0, len(constants), 8)]
    return f"*MATERIAL, NAME={name}\n*USER MATERIAL, CONSTANTS={len(constants)}\n" + "\n".join(rows) + "\n*DEPVAR\n3\n", name


def deck(nodes, elements, material, held, *, nonlinear=True, increment=1.0, outputs="S, SDV"):
    """A static step with displacements (node → 3 numbers)."""
    card, name = material
    lines = ["*NODE, NSET=ALL", *(f"{k + 1}, " + ", ".join(f"{v:.12e}" for v in x) for k, x in enumerate(nodes))]
    lines += [f"*ELEMENT, TYPE=C3D{elements.shape[1]}, ELSET=BODY"]
    for k, row in enumerate(elements):
        numbers = [str(n + 1) for n in (k, *row)]
        lines += [", ".join(numbers[:15]) + ("," if len(numbers) > 15 else ""), *([", ".join(numbers[15:])] if len(numbers) > 15 else [])]
    lines += [card.rstrip("\n"), f"*SOLID SECTION, ELSET=BODY, MATERIAL={name}"]
    lines += ["*NSET, NSET=HELD", *(f"{k + 1}," for k in held)]
    lines += [
        "*STEP, NLGEOM, INC=100" if nonlinear else "*STEP",
        "*STATIC",
        f"{increment}, 1.0",
        "*CONTROLS, PARAMETERS=FIELD",
        "1e-8, 1e-8",
    ]
    lines += ["*BOUNDARY", *(f"{k + 1}, {d + 1}, {d + 1}, {u[d]:.12e}" for k, u in held.items() for d in range(3))]
    lines += ["*EL PRINT, ELSET=BODY, FREQUENCY=1000", outputs, "*NODE PRINT, NSET=HELD, FREQUENCY=1000", "RF", "*END STEP"]
    return "\n".join(lines) + "\n"


def run(ccx, folder: Path, text: str, job: str) -> dict[str, np.ndarray]:
    """Tables of the last increment that CalculiX prints: "stresses", "internal state variables", "forces"."""
    (folder / f"{job}.inp").write_text(text)
    environment = {"LD_LIBRARY_PATH": str(folder), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([ccx, "-i", job], cwd=folder, capture_output=True, text=True, env=environment, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    tables: dict[str, list[list[float]]] = {}
    current = None
    for line in (folder / f"{job}.dat").read_text().splitlines():
        title = re.match(r"\s*(stresses|internal state variables|forces)\b", line)
        if title:
            current = tables[title[1]] = []
        elif current is not None and line.strip():
            current.append([float(word) for word in line.split()])
    return {name: np.array(rows) for name, rows in tables.items()}
