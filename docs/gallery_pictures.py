"""Run every example of fem_examples/ and put its first picture into docs/images, for the gallery.

./dev python docs/gallery_pictures.py [NAME …]; the name ``strip`` makes only the README's strip, of the pictures that are there.
"""

import importlib
import shutil
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
EXAMPLES = {
    "hole_in_plate": "hole.png",
    "polycrystal": "polycrystal.png",
    "refined_law": "refined.png",
    "torsion_quartz": "quartz.png",
    "epitaxial_layer": "epitaxial.png",
    "micro_beam": "beam.png",
    "buckling": "buckling.png",
    "indentation": "indentation.png",
    "lattice_metamaterial": "lattice.png",
    "sound": "sound.png",
    "quartz_resonator": "resonator.png",
    "piezo_actuator": "actuator.png",
    "thermal_stress": "thermal.png",
    "ferroelectric": "ferroelectric.png",
    "martensite": "martensite.png",
}
# silicon_block's pictures are the README's
STRIP = {  # parts of the pictures, as left, top, right, bottom over width and height, for the README
    "hole_in_plate": (0.315, 0.11, 0.55, 0.77),
    "polycrystal": (0.0, 0.05, 0.3, 0.46),
    "torsion_quartz": (0.5, 0.22, 0.75, 0.8),
    "epitaxial_layer": (0.15, 0.09, 0.41, 0.29),
    "micro_beam": (0.09, 0.1, 0.45, 0.39),
    "buckling": (0.082, 0.1, 0.32, 0.74),
    "indentation": (0.306, 0.18, 0.603, 0.76),
    "sound": (0.02, 0.1, 0.315, 0.9),
    "piezo_actuator": (0.0, 0.235, 0.5, 0.81),
    "thermal_stress": (0.55, 0.095, 0.95, 0.88),
}
FRAMES = {"ferroelectric": (0.002, 0.175, 0.768, 0.845), "martensite": (0.002, 0.178, 0.893, 0.898)}  # side by side in a last row
HEIGHT, GAP, COLUMNS = 240, 12, 5  # pixels


def main(names: list[str]) -> None:
    """Make the pictures of the named examples, or of all."""
    sys.path.insert(0, str(CHECKOUT / "fem_examples"))
    for name in names or EXAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            importlib.import_module(name).main(Path(folder))
            shutil.copyfile(Path(folder) / EXAMPLES[name], CHECKOUT / "docs" / "images" / f"gallery_{name}.png")
            print(f"{name}: docs/images/gallery_{name}.png")


def _part(name: str, box: tuple[float, ...], size: tuple[int, int]):
    """A part of a picture, scaled to fit."""
    from PIL import Image

    with Image.open(CHECKOUT / "docs" / "images" / f"gallery_{name}.png") as picture:
        part = picture.convert("RGB").crop(tuple(round(f * picture.size[k % 2]) for k, f in enumerate(box)))
    part.thumbnail(size, Image.Resampling.LANCZOS)
    return part


def strip() -> None:
    """The README's strip: a part of each picture in rows, and frames of domains that grow in the last one."""
    from PIL import Image

    width = round(1.3 * HEIGHT)
    rows = -(-len(STRIP) // COLUMNS)
    whole = COLUMNS * (width + GAP) - GAP
    half = (whole - 2 * GAP) // 2
    frames = [_part(name, box, (half, HEIGHT)) for name, box in FRAMES.items()]
    sheet = Image.new("RGB", (whole, rows * (HEIGHT + GAP) + max(part.height for part in frames)), "white")
    for k, part in enumerate(frames):
        sheet.paste(part, (k * (half + 2 * GAP) + (half - part.width) // 2, rows * (HEIGHT + GAP)))
    for place, (name, box) in enumerate(STRIP.items()):
        part = _part(name, box, (width, HEIGHT))
        row, column = divmod(place, COLUMNS)
        corner = (column * (width + GAP) + (width - part.width) // 2, row * (HEIGHT + GAP) + (HEIGHT - part.height) // 2)
        sheet.paste(part, corner)
    sheet.save(CHECKOUT / "docs" / "images" / "gallery_strip.png", optimize=True)
    print("docs/images/gallery_strip.png")


if __name__ == "__main__":
    if sys.argv[1:] != ["strip"]:
        main(sys.argv[1:])
    strip()
