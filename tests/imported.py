"""The packages that take long to import, and a call of the command line that lists what it imported."""

HEAVY = ("torch", "e3nn", "pymatgen", "ase", "h5py", "scipy", "pandas", "matplotlib", "plotly", "dolfinx", "pyvista", "onnx", "jax")
# to be run by `python -c`, with the words of the command behind it; the last line on stderr
CODE = """import sys
sys.argv[0] = "constitutive"
from constitutive.cli import main
try:
    main()
finally:
    print("imports", *sys.modules, file=sys.stderr)
"""
