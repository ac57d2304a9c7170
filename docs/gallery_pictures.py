"""Run every example of fem_examples/ and put its first picture into docs/images, for the gallery.

./dev python docs/gallery_pictures.py [NAME …]
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
    "torsion_quartz": "quartz.png",
    "epitaxial_layer": "epitaxial.png",
    "micro_beam": "beam.png",
    "buckling": "buckling.png",
    "sound": "sound.png",
    "quartz_resonator": "resonator.png",
    "piezo_actuator": "actuator.png",
    "thermal_stress": "thermal.png",
}
# silicon_block's pictures are the README's


def main(names: list[str]) -> None:
    """Make the pictures of the named examples, or of all."""
    sys.path.insert(0, str(CHECKOUT / "fem_examples"))
    for name in names or EXAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            importlib.import_module(name).main(Path(folder))
            shutil.copyfile(Path(folder) / EXAMPLES[name], CHECKOUT / "docs" / "images" / f"gallery_{name}.png")
            print(f"{name}: docs/images/gallery_{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
