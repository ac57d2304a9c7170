"""The set-up script: routes, what a command sees, and that an interrupted set-up leaves nothing half-made."""

import importlib.util
import os
import shlex
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def dev(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with its cache and checkout in a temporary folder."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("dev_script", str(checkout / "dev"))
    spec = importlib.util.spec_from_loader("dev_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    return module


def test_an_interrupted_root_build_leaves_nothing(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    route = dev.DebianRoute()
    route.root.parent.mkdir(parents=True)

    def interrupted(title: str, command: list[str], log: Path, **_: object) -> None:
        (route.root.with_name(f"{route.root.name}.building-{os.getpid()}") / "usr").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(dev, "run_with_progress", interrupted)
    monkeypatch.setattr(dev.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e12})())
    with pytest.raises(KeyboardInterrupt):
        route.build()
    assert list(route.root.parent.iterdir()) == []


def test_a_finished_root_build_is_renamed_into_place(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control of the test above: the same build, not interrupted."""
    route = dev.DebianRoute()
    route.root.parent.mkdir(parents=True)
    aside = route.root.with_name(f"{route.root.name}.building-{os.getpid()}")
    monkeypatch.setattr(dev, "run_with_progress", lambda *_, **__: (aside / "etc").mkdir())
    monkeypatch.setattr(dev.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e12})())
    route.build()
    assert [entry.name for entry in route.root.parent.iterdir()] == [route.root.name]


def test_leftovers_of_a_killed_build_are_removed(dev: ModuleType, tmp_path: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    (tmp_path / f"root.building-{process.pid}").mkdir()
    (tmp_path / f"root.building-{os.getpid()}").mkdir()
    dev.remove_leftovers(tmp_path, ".building-")
    assert [entry.name for entry in tmp_path.glob("root*")] == [f"root.building-{os.getpid()}"]


def test_a_full_disk_is_said_before_anything_is_built(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    route = dev.DebianRoute()
    route.root.parent.mkdir(parents=True)
    monkeypatch.setattr(dev.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e9})())
    with pytest.raises(dev.SetupError, match=r"needs 6 GB.*XDG_CACHE_HOME"):
        route.build()
    assert list(route.root.parent.iterdir()) == []


def test_a_python_without_dolfinx_is_not_taken(dev: ModuleType, tmp_path: Path) -> None:
    old = tmp_path / "dolfinx"
    old.mkdir()
    (old / "__init__.py").write_text("__version__ = '0.5.2'")
    fake = tmp_path / "python3"
    fake.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    fake.chmod(0o755)
    assert not dev.has_dolfinx(str(fake))
    (old / "__init__.py").write_text("__version__ = '0.10.0.post4'")
    assert dev.has_dolfinx(str(fake))
    assert not dev.has_dolfinx(str(tmp_path / "absent"))


def test_where_no_route_is_possible_the_message_gives_two_commands(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "has_dolfinx", lambda _: False)
    monkeypatch.setattr(dev.shutil, "which", lambda _: None)
    with pytest.raises(dev.SetupError, match=r"conda create(.|\n)*docker run"):
        dev.choose_route()


@pytest.mark.parametrize(("version", "taken"), [("1:0.9.0-10", True), ("0.11.0-2", True), ("0.5.2-1", False), ("(none)", False)])
def test_a_distribution_with_a_new_dolfinx_is_used_by_apt(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    answer = subprocess.CompletedProcess([], 0, stdout=f"python3-dolfinx:\n  Installed: (none)\n  Candidate: {version}\n")
    monkeypatch.setattr(dev.subprocess, "run", lambda *_, **__: answer)
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(dev.os, "geteuid", lambda: 1000)
    assert dev.apt_offers_dolfinx() is taken


def test_a_command_sees_its_arguments_but_never_the_whole_home(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    (home / "runs").mkdir()
    (home / "runs" / "POSCAR").write_text("")
    monkeypatch.setattr(dev.Path, "home", classmethod(lambda cls: home))
    monkeypatch.setattr(dev, "SEEN", ())
    monkeypatch.chdir(home / "project")
    seen = dev.visible_paths(["symmetry", str(home / "runs" / "POSCAR"), f"--out={home / 'runs' / 'new'}", "--json"])
    assert home / "project" in seen
    assert home / "runs" / "POSCAR" in seen
    assert home / "runs" in seen
    assert home not in seen
    assert dev.visible_paths(["-c", "print('/')" * 500]) == seen[:1]
    with pytest.raises(dev.SetupError, match="make that folder first"):
        dev.visible_paths(["--out", str(home / "new")])
    monkeypatch.chdir(home)
    with pytest.raises(dev.SetupError, match="never the whole home"):
        dev.visible_paths([])


def test_the_script_needs_nothing_but_the_standard_library(checkout: Path) -> None:
    code = f"import sys; sys.argv = ['dev', '--help']; exec(compile(open({str(checkout / 'dev')!r}).read(), 'dev', 'exec'))"
    command = [sys.executable, "-I", "-S", "-c", f"__file__ = {str(checkout / 'dev')!r}; {code}"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "./dev COMMAND" in result.stdout


SOURCES = """\
https://packages.example/debian-security/ bookworm-security
https://packages.example/mirror/debian/ bookworm-updates
https://packages.example/mirror/debian/ bookworm
https://packages.example/other/ bookworm
"""


@pytest.mark.parametrize(
    ("identity", "setting", "expected"),
    [
        ("debian", "", ["https://packages.example/mirror/debian/"]),
        ("debian", "https://mine.example/debian", ["https://mine.example/debian"]),
        ("ubuntu", "", []),  # its archive has no Debian in it: mmdebstrap's own default
    ],
)
def test_packages_come_from_where_the_host_takes_them(
    identity: str, setting: str, expected: list[str], dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBIAN_MIRROR", setting)
    release = {"ID": identity, "VERSION_CODENAME": "bookworm"}
    monkeypatch.setattr(dev.platform, "freedesktop_os_release", lambda: release)
    monkeypatch.setattr(dev.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": SOURCES}))
    assert dev.package_sources() == expected
    monkeypatch.setattr(dev.os, "geteuid", lambda: 0)
    command = dev.DebianRoute().mmdebstrap(Path("/root"))
    assert command[command.index("/root") + 1 :] == expected


@pytest.mark.parametrize(("command", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0)])
def test_the_status_of_a_command_is_passed_on(checkout: Path, command: str, status: int) -> None:
    assert staying(checkout, f"bash -c {command!r}").wait(timeout=60) == status


def test_a_command_under_nohup_outlives_the_shell_that_started_it(checkout: Path, tmp_path: Path) -> None:
    """Bubblewrap ends with its parent (as this command, by prctl): that is the script, which stays, and no shell."""
    end = tmp_path / "end"
    script = f"import ctypes, time; ctypes.CDLL(None).prctl(1, 9); time.sleep(1.5); open({str(end)!r}, 'w')"
    code = loading(checkout, [sys.executable, "-c", script])
    starter = f"nohup {sys.executable} -c {shlex.quote(code)} > /dev/null 2>&1 & exit 0"
    subprocess.run(["bash", "-c", starter], check=True)
    for _ in range(200):
        if end.exists():
            return
        time.sleep(0.1)
    pytest.fail("the command ended with its shell")


def test_a_signal_is_passed_on_to_the_command(checkout: Path) -> None:
    process = staying(checkout, "sleep 60")
    time.sleep(1.0)
    process.terminate()
    assert process.wait(timeout=30) == 143


def staying(checkout: Path, command: str) -> "subprocess.Popen[bytes]":
    """The script's process, with a command as its child."""
    return subprocess.Popen([sys.executable, "-c", loading(checkout, shlex.split(command))])


def loading(checkout: Path, command: list[str]) -> str:
    """Python code that runs a command as the script does, in the environment of the tests."""
    return (
        "import os, sys; from importlib.machinery import SourceFileLoader; sys.dont_write_bytecode = True; "
        f"dev = SourceFileLoader('dev_script', {str(checkout / 'dev')!r}).load_module(); "
        f"sys.exit(dev.run_to_its_end({command!r}, dict(os.environ)))"
    )
