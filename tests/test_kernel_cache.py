"""The cache of compiled laws: one entry for a shape of law, built once and safely; and torch where there is no compiler."""

import os
import shutil
import stat
import subprocess
import sys
import warnings

import numpy as np
import pytest
from kernel_laws import (
    a_domain,
    by_kernel,
    by_torch,
    compiled_law,
    error,
    everything,
    group,
    linear,
    network,
    series,
    strains,
)

from constitutive import code_cache as cache
from constitutive import kernel
from constitutive.kernel import compiling
from constitutive.kernel.flatten import UnsupportedLawError, program
from constitutive.laws import BoundedLaw, SumLaw
from constitutive.material import Material

pytestmark = pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning")


CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def test_a_second_call_compiles_nothing(tmp_path, monkeypatch):
    law = linear(group("m-3m"), np.random.default_rng(0))
    first = compiled_law(law, tmp_path / "k")
    assert first.built.fresh
    monkeypatch.setattr(cache, "_build", lambda *a: pytest.fail("compiled again"))
    assert not compiled_law(law, tmp_path / "k").built.fresh
    mode = stat.S_IMODE((tmp_path / "k").stat().st_mode)
    assert mode == 0o700
    left = {entry.name for entry in (tmp_path / "k").iterdir()}
    assert left == {first.built.path.parent.name, f"{first.built.path.parent.name}.lock"}


def test_laws_of_one_shape_share_a_module(tmp_path):
    """Other numbers, the same group and degrees: one compilation; another degree is another shape."""
    rng, R, folder = np.random.default_rng(0), group("6/mmm"), tmp_path / "k"
    first, second = (network(R, rng) for _ in range(2))
    one, two = compiled_law(first, folder), compiled_law(second, folder)
    assert (one.built.fresh, two.built.fresh, two.built.path) == (True, False, one.built.path)
    assert one.information.digest != two.information.digest
    x = strains(50)
    assert error(by_kernel(one, x), by_torch(first, x)) <= 1e-12
    assert error(by_kernel(two, x), by_torch(second, x)) <= 1e-12
    assert error(by_kernel(two, x), by_torch(first, x)) > 1e-3  # control
    assert compiled_law(network(R, rng, 6), folder).built.fresh


def test_constants_of_a_fit_take_one_module(tmp_path):
    tables = [{**TRIGONAL, "C14": 5.0 + k / 3, "C44": 50.0 + k / 7} for k in range(20)]
    found = [compiled_law(Material.from_constants("-3m", table), tmp_path / "k") for table in tables]
    assert len({one.built.path for one in found}) == 1
    assert cache.usage(tmp_path / "k").modules == 1


def test_the_cache_has_a_limit_and_can_be_cleared(tmp_path):
    folder = tmp_path / "k"
    for k in range(4):
        cache.load(f"long answer(void) {{ return {k}; }}\n", DECLARED, folder)
    entries = cache._entries(folder)
    for time, (_, _, entry) in enumerate(entries):
        os.utime(entry / "sha256", (time, time))
    size = cache.usage(folder).size
    assert cache.usage(folder).modules == 4
    cache.remove_least_used(folder, keep=entries[0][2].name, limit=size // 2)
    left = {entry.name for _, _, entry in cache._entries(folder)}
    assert left == {entries[0][2].name, entries[3][2].name}  # the one to keep, and the one used last
    assert {path.name.removesuffix(".lock") for path in folder.iterdir()} == left
    assert cache.clear(folder).modules == 2
    assert list(folder.iterdir()) == []
    assert cache.usage(tmp_path / "none").modules == 0


def test_a_change_of_source_compiler_or_processor_is_another_entry(monkeypatch):
    compiler, newer = cache.Compiler("/usr/bin/cc", "1"), cache.Compiler("/usr/bin/cc", "2")
    names = {cache.entry_name("a", compiler), cache.entry_name("b", compiler), cache.entry_name("a", newer)}
    monkeypatch.setattr(cache, "processor", lambda: "another machine on the same home folder")
    names.add(cache.entry_name("a", compiler))
    assert len(names) == 4


TRIGONAL = {"C11": 86.6, "C12": 6.7, "C13": 12.4, "C33": 106.4}
ANSWER = "long answer(void) { return 42; }\n"
DECLARED = "long answer(void);"


def swap(path, content):
    """Other content in a new file: this process has the old one mapped."""
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o700)


TAMPERED = {
    "truncated": lambda module: swap(module, module.read_bytes()[: module.stat().st_size // 2]),
    "empty": lambda module: swap(module, b""),
    "changed": lambda module: swap(module, module.read_bytes()[:-1] + b"\x01"),
    "writable by others": lambda module: module.chmod(0o777),
    "no hash": lambda module: (module.parent / "sha256").unlink(),
    "a link": lambda module: (module.rename(module.with_name("other")), module.symlink_to("other")),
    "a file where the entry was": lambda module: (shutil.rmtree(module.parent), module.parent.write_text("")),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_entry_is_rebuilt(how, tmp_path):
    first = cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert first.fresh
    assert first.lib.answer() == 42
    TAMPERED[how](first.path)
    again = cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert (again.fresh, again.path, again.lib.answer()) == (True, first.path, 42)
    assert not cache.load(ANSWER, DECLARED, tmp_path / "k").fresh


def test_an_entry_that_is_no_module_is_rebuilt(tmp_path):
    """Hash and all; in a process of its own, for a module that is loaded stays loaded."""
    entry = tmp_path / "k" / cache.entry_name(ANSWER, cache.find_compiler())
    entry.mkdir(parents=True, mode=0o700)
    (tmp_path / "k").chmod(0o700)
    module = cache.module_of(entry)
    module.write_bytes(b"#!/bin/sh\n")
    (entry / "sha256").write_text(cache._hash(module))
    for path in (module, entry / "sha256", entry):
        path.chmod(0o700)
    assert cache.whole(entry)
    found = cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert (found.fresh, found.lib.answer()) == (True, 42)


def test_an_open_folder_is_closed_and_emptied(tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    (folder / "planted").mkdir()
    (folder / "file").write_text("")
    folder.chmod(0o777)
    cache.check_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == []


def test_a_folder_of_someone_else_is_not_used(tmp_path, monkeypatch):
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(cache.UnsafeCacheError, match="a link"):
        cache.check_folder(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(cache.UnsafeCacheError, match="belongs to user"):
        cache.check_folder(real)
    monkeypatch.setattr(compiling, "_said", set())
    with pytest.warns(kernel.KernelWarning, match="evaluated by torch"):
        assert kernel.compile(linear(group("m-3m"), np.random.default_rng(0)), cache=real).information.kind == "torch"


def test_processes_that_compile_at_once_agree(tmp_path):
    """As the ranks of an MPI run do: one compiles, all load, and nothing is left over."""
    script = (
        f"from constitutive import code_cache as cache; from pathlib import Path\n"
        f"one = cache.load({ANSWER!r}, {DECLARED!r}, Path({str(tmp_path / 'k')!r}))\n"
        "print(one.path, one.fresh, one.lib.answer())"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) for _ in range(3)]
    answers = [rank.communicate(timeout=300)[0].split() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0, 0]
    assert sorted(a[1] for a in answers) == ["False", "False", "True"]
    assert len({(a[0], a[2]) for a in answers}) == 1
    assert len(list((tmp_path / "k").iterdir())) == 2  # the entry and its lock


def test_without_a_compiler_torch_evaluates_after_one_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(compiling, "_said", set())
    law = everything(group("m-3m"))
    with pytest.warns(kernel.KernelWarning, match="no-such-compiler.*install gcc or clang"):
        first = kernel.compile(law, cache=tmp_path / "k")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel.compile(law, cache=tmp_path / "k")
    assert first.information.kind == "torch"
    assert error(by_kernel(first, strains(20)), by_torch(law, strains(20))) <= 1e-12
    assert kernel.which().kind == "torch"
    assert "no-such-compiler" in kernel.which().reason


def test_a_compiler_that_refuses_is_reported(tmp_path, monkeypatch):
    broken = tmp_path / "cc"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo broken 1.0 && exit 0\necho "no room" >&2\nexit 1\n')
    broken.chmod(0o700)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(cache.CompilerError, match="no room"):
        cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert not [p for p in (tmp_path / "k").iterdir() if p.suffix != ".lock"]  # nothing half-made


def test_which_names_the_compiler():
    found = kernel.which()
    assert found.kind == "c"
    assert found.path is not None


def test_a_law_of_another_make_is_evaluated_by_torch(kernels, monkeypatch):
    R = group("m-3m")
    inner = BoundedLaw(linear(R, np.random.default_rng(0)), a_domain(R), "extend")
    for law in (SumLaw([inner, linear(R, np.random.default_rng(1))]), BoundedLaw(inner, a_domain(R, 0.3), "extend")):
        with pytest.raises(UnsupportedLawError):
            program(law)
        monkeypatch.setattr(compiling, "_said", set())
        with pytest.warns(kernel.KernelWarning):
            found = kernel.compile(law, cache=kernels)
        assert found.information.kind == "torch"
        assert error(by_kernel(found, strains(20)), by_torch(law, strains(20))) <= 1e-12


def test_a_law_that_breaks_its_group_is_not_folded():
    """Terms that the group forbids are no rounding: they are refused, not dropped."""
    law = series(group("mmm"), np.random.default_rng(0))
    law.get_buffer("energy_3")[:] = 1.0
    with pytest.raises(UnsupportedLawError, match="forbid"):
        program(law)
