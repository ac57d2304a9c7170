"""``python -m constitutive``: the command line."""

from constitutive.cli import main

main()
