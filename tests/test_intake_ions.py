"""Clamped beside relaxed ions, without forces."""

import shlex

import numpy as np
import pytest
from intake_cases import invoke, named
from intake_faults import inject

from constitutive.intake import check, check_file


def parallel(good, relaxed, clamped):
    """Relaxed and clamped samples of one crystal in one file, in any order, without forces and positions."""
    extra = good.model_extra
    spoiled = good.replace(cauchy=np.array(extra["clamped_cauchy"]), W=np.array(extra["clamped_W"]))
    parts = good.select(relaxed), spoiled.select(clamped)
    fields = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("F", "cauchy", "W")}
    fields |= dict.fromkeys(("clamped_cauchy", "clamped_W", "clamped_forces", "forces", "positions"))
    return good.replace(**fields, ions=None)


@pytest.mark.parametrize("name", ["quartz", "silicon", "silicon_bc8", "zinc_cadmium_telluride", "gallium_nitride", "coesite"])
def test_two_parallel_sets_are_a_mixture(sets, name):
    good = sets[name].head(72)
    both = parallel(good, slice(None), slice(None)).select(np.random.default_rng(4).permutation(144))
    clamped = np.nonzero(np.random.default_rng(4).permutation(144) >= 72)[0]
    for data in (both, both.replace(W=None), both.replace(W=None, cauchy=-both.cauchy)):
        findings = {finding.fault: finding for finding in check(data).findings}
        assert findings["clamped_mixture"].samples == tuple(clamped)
        assert findings.keys() <= {"clamped_mixture", "sign"}
    assert findings.keys() == {"clamped_mixture", "sign"}


@pytest.mark.parametrize("seed", [1, 2])
def test_parallel_sets_do_not_hide_another_order(sets, seed):
    """A disorder turns the work of a few differences; what is kept must still be one set, in which the order shows."""
    both = parallel(sets["quartz"].head(40), slice(None), slice(None))
    report = check(inject(both, "component_order", np.random.default_rng(seed)))
    assert named(report)[:1] == ["component_order"]
    assert report.findings[1].samples == tuple(range(40, 80))


def test_a_few_strains_twice_are_enough(sets, tmp_path):
    """Twelve of forty strains also with clamped ions; dropping what the finding names corrects the set."""
    data = parallel(sets["quartz"].head(40), slice(None), slice(12))
    (finding,) = check(data).findings
    assert (finding.fault, finding.samples) == ("clamped_mixture", tuple(range(40, 52)))
    data.save(tmp_path / "bad.json")
    corrected = invoke("convert", tmp_path / "bad.json", "-o", tmp_path / "good.json", *shlex.split(finding.mend))
    assert corrected.exit_code == 0, corrected.output
    assert check_file(tmp_path / "good.json").ok


@pytest.mark.parametrize("other", ["noise", "scale", "three outliers", "equal", "softer and higher"])
def test_strains_twice_for_another_reason_are_no_mixture(sets, other):
    """Controls: what differs without the rule of a relaxation stays a contradicting duplicate."""
    good = sets["quartz"].head(40)
    both = parallel(good, slice(None), slice(None))
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(40, 3, 3))
    sigma, W = good.cauchy.copy(), good.W.copy()
    if other == "noise":
        sigma += 0.2 * np.abs(sigma).max((1, 2), keepdims=True) * (noise + noise.swapaxes(1, 2))
    elif other == "scale":
        sigma, W = 1.4 * sigma, 1.4 * W
    elif other == "three outliers":
        sigma[[3, 9, 20]] *= 1.5
    elif other == "softer and higher":
        sigma, W = np.array(good.model_extra["clamped_cauchy"]), 0.7 * W
    data = both.replace(cauchy=np.concatenate([good.cauchy, sigma]), W=np.concatenate([good.W, W]))
    assert named(check(data))[:1] == ["duplicates"]
    assert "clamped_mixture" not in named(check(data))


def test_crystals_without_internal_freedom_have_no_mixture(sets):
    good = sets["copper"].replace(forces=None, positions=None, ions=None)
    report = check(good.replace(ions_by_sample=["clamped", "relaxed"] * (len(good) // 2)))
    assert report.ok
    quartz = sets["quartz"].replace(forces=None, positions=None, ions=None)
    mixed = check(quartz.replace(ions_by_sample=["clamped", "relaxed"] * 36))
    assert named(mixed)[:1] == ["clamped_mixture"]  # control


def test_declared_treatments_are_compared(sets, tmp_path):
    """A clamped and a relaxed set, each declared, joined by `convert`; the unstrained cell counts for neither."""
    good = sets["quartz"]
    bare = parallel(good, slice(None), slice(0))
    clamped = parallel(good, slice(0), slice(None)).select(slice(40, 52))
    at_rest = bare.head(1).replace(F=np.eye(3)[None], cauchy=np.zeros((1, 3, 3)), W=np.zeros(1), ions="clamped")
    bare.head(40).replace(ions="relaxed").save(tmp_path / "relaxed.json")
    clamped.replace(ions="clamped").save(tmp_path / "clamped.json")
    at_rest.save(tmp_path / "rest.json")
    sources = [tmp_path / f"{name}.json" for name in ("rest", "relaxed", "clamped")]
    assert invoke("convert", *sources, "-o", tmp_path / "both.json").exit_code == 0
    (finding,) = check_file(tmp_path / "both.json").findings
    assert (finding.fault, finding.samples) == ("clamped_mixture", tuple(range(41, 53)))
    assert "ions_by_sample" in finding.message
    assert invoke("convert", *sources[:2], "-o", tmp_path / "one.json").exit_code == 0
    assert check_file(tmp_path / "one.json").ok  # control: the reference cell alone is no mixture
