"""Makes the pictures of the how-to pages on finite elements, from the pages' own code: ./dev python docs/howto_pictures.py [PAGE …]"""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from constitutive.plots.style import BLUE, MUTED, ORANGE, SEQUENTIAL, new_figure, styled

DOCS = Path(__file__).resolve().parent
Names = dict[str, Any]


def run(page: str) -> Names:
    """The names that the Python blocks of a page leave behind."""
    text = (DOCS / "howto" / f"{page}.md").read_text(encoding="utf-8")
    names: Names = {"__name__": page}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("materials", "fem_examples"):
            (Path(folder) / name).symlink_to(DOCS.parent / name)
        os.chdir(folder)
        try:
            for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
                exec(compile(block, page, "exec"), names)  # noqa: S102 - the page's own code
        finally:
            os.chdir(before)
    return names


def section(function: Any, component: Any = ...) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, triangles and values of a discontinuous linear Function on quadrilaterals."""
    V = function.function_space
    cells = V.dofmap.list
    size = V.dofmap.index_map_bs
    x = V.tabulate_dof_coordinates()[cells.ravel(), :2]
    values = function.x.array.reshape(-1, size)[cells.ravel()].reshape(-1, *function.ufl_shape)[(slice(None), *component)]
    triangles = (4 * np.arange(len(cells))[:, None, None] + np.array([[0, 1, 2], [1, 3, 2]])).reshape(-1, 3)
    return x, triangles, values


@styled
def axisymmetric(names: Names) -> Any:
    figure = new_figure(8.4, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    x, triangles, hoop = section(names["stress"], (2, 2))
    for side in (-1, 1):
        for up in (-1, 1):
            image = left.tripcolor(side * x[:, 0], up * x[:, 1], triangles, hoop, shading="gouraud", cmap=SEQUENTIAL)
    left.set_aspect("equal")
    left.set_axis_off()
    left.set_title("Hoop stress under a pressure of 100 MPa")
    figure.colorbar(image, ax=left, shrink=0.8).set_label("MPa")
    tube = x[:, 1] < 0.06
    order = np.argsort(x[tube, 0])
    r = x[tube, 0][order]
    right.plot(r, hoop[tube][order], "o", color=BLUE, ms=4, label="finite elements, middle of the tube")
    fine = np.linspace(1, 1.4, 50)
    right.plot(fine, 100 / (1.4**2 - 1) * (1 + 1.4**2 / fine**2), color=ORANGE, label="Lamé's solution")
    right.axhline(0, color=MUTED, lw=0.7)
    right.set(xlabel="r", ylabel="hoop stress (MPa)", ylim=(0, None))
    right.legend(loc="lower left")
    figure.suptitle("A pressure vessel of titanium, by its section", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def size(_names: Names) -> Any:
    """The table of the page."""
    text = (DOCS / "howto" / "size.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)" + r" \| ([\d.]+)" * 4 + r" \|$", text, re.MULTILINE)
    number, *curves = np.array(rows, dtype=float).T
    figure = new_figure(7.6, 3.2)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, title, improved, random in zip(axes, ("Silicon (Stillinger–Weber)", "Copper (EAM)"), curves[::2], curves[1::2], strict=True):
        axis.semilogy(number, improved, "o-", color=BLUE, ms=4, label="planned, then improved")
        axis.semilogy(number, random, "s--", color=ORANGE, ms=4, label="random, |E| uniform")
        axis.set(xlabel="samples", title=title)
        axis.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], labels=["0.05", "0.1", "0.2", "0.5", "1", "2"])
        axis.minorticks_off()
    axes[0].set_ylabel("error of S at unseen strains (%)")
    axes[0].legend()
    return figure


PICTURES: dict[str, Callable[[Names], Any]] = {"axisymmetric": axisymmetric, "size": size}


def main(pages: list[str]) -> None:
    """Make the pictures of the named pages, or of all."""
    for page in pages or PICTURES:
        path = DOCS / "images" / f"howto_{page}.png"
        PICTURES[page](run(page)).savefig(path, dpi=110)
        print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main(sys.argv[1:])
