"""The command line in this process: what a test asserts of a command seldom needs a process of its own, which takes 1 to 4 s to start."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

from constitutive import cli


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Exit code, stdout and stderr of ``constitutive ARGUMENTS``, run in a folder."""
    words = ["constitutive", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", words),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
