"""What the tests of the intake check share."""

from pathlib import Path

from typer.testing import CliRunner

from constitutive.cli import app

SETS = Path(__file__).parent / "data" / "intake"
RUN = CliRunner()


def named(report):
    """The faults that a report names, in its order."""
    return [finding.fault for finding in report.findings]


def invoke(*arguments):
    """Run ``constitutive`` on the command line."""
    return RUN.invoke(app, [str(a) for a in arguments])
