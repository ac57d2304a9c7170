"""Make docs/tutorial.ipynb of docs/tutorial.md: text and code in the same order, commands as ``!constitutive …``.

./dev python docs/tutorial_notebook.py
"""

import json
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
DATA = "materials/silicon/data.json"
DATA_INSTALLED = '{shipped("silicon") / "data.json"}'  # IPython puts in the value: the data are found after `pip install`
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(text: str) -> dict[str, object]:
    """The notebook of a page, in nbformat 4.5."""
    cells = []
    for kind, source in pieces(text):
        cell: dict[str, object] = {
            "cell_type": kind,
            "id": f"cell-{len(cells) + 1:02}",
            "metadata": {},
            "source": source.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def pieces(text: str) -> list[tuple[str, str]]:
    """Kinds and sources of the cells."""
    found, at = [], 0
    for block in BLOCK.finditer(text):
        found.append(("markdown", text[at : block.start()].strip()))
        code = block[2].rstrip("\n") if block[1] == "python" else commands(block[2])
        found.append(("code", code))
        at = block.end()
    found.append(("markdown", text[at:].strip()))
    return [(kind, source) for kind, source in found if source]


def commands(text: str) -> str:
    """Commands of a console block as IPython runs them."""
    return "\n".join("!" + line[2:].replace(DATA, DATA_INSTALLED) for line in text.splitlines() if line.startswith("$ "))


def main() -> None:
    """Write the notebook."""
    made = notebook((DOCS / "tutorial.md").read_text(encoding="utf-8"))
    (DOCS / "tutorial.ipynb").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
