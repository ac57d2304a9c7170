"""How fast compiled laws are, beside what the machine can do and beside other ways to evaluate the same law: all in one run, one core.

./dev python benchmarks/kernel.py [--json] [--repeat N] [--points N] [--no-peers] [--threads N] [--without-avx512]

For each law: million points per second and core of stress and tangent together, of the stress alone (residuals), of the tangent alone
(Jacobians; the stress is known there), both with single-precision tangents; flops, operations and bytes per point, the share of the peak
of flops, and that of the limit that operations and bytes set. An operation is a multiplication, an addition or a fused pair of them.
Times are processor seconds, the least of several runs, so that a busy machine does not count.
--threads adds the speed-up on that many threads, by the clock, beside that of a loop of nothing but multiply-adds at the same time: what
the machine had to give.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from peers import CHUNK, peers

from constitutive import code_cache as cache
from constitutive import kernel
from constitutive.kernel.flatten import Program
from constitutive.laws import Law, LinearLaw, NetworkLaw, SeriesLaw, SumLaw
from constitutive.symmetry import PointGroup
from constitutive.tensors.polynomials import exponents

UPPER = np.triu_indices(6)
PROBE = """
#if defined(__AVX512F__)
#define W 8
#elif defined(__AVX__)
#define W 4
#else
#define W 2
#endif
typedef double vec __attribute__((vector_size(8 * W)));
#define FOR16(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define START(k) vec s##k = (double)k - (vec){0};
#define STEP(k) s##k = s##k * b + c;
#define SUM(k) total += s##k;
long width(void) { return W; }
double fused(long n) { /* sixteen chains: as many operations as there is room for */
    vec b = 0.999999 - (vec){0}, c = 1e-9 - (vec){0}, total = {0};
    FOR16(START)
    for (long i = 0; i < n; i++) { FOR16(STEP) }
    FOR16(SUM)
    return total[0];
}
"""


def machine(repeat: int) -> dict[str, float]:
    """Fused multiply-adds and bytes per second of one core, measured."""
    lib = cache.load(PROBE, "long width(void); double fused(long n);").lib
    n = 1_000_000
    seconds = least(lambda: lib.fused(n), repeat)
    source, target = np.ones(4_000_000), np.empty(4_000_000)
    copy = least(lambda: np.copyto(target, source), repeat)
    return {"fused_per_second": 16.0 * n * lib.width() / seconds, "bytes_per_second": 2 * source.nbytes / copy, "lanes": lib.width()}


def least(function: Callable[[], Any], repeat: int) -> float:
    """Processor seconds of a call: the least of several, after one that warms up."""
    function()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def laws() -> dict[str, Law]:
    rng = np.random.default_rng(0)
    cubic, trigonal = (PointGroup.from_symbol(s).laue_rotations for s in ("m-3m", "-3m"))

    def series(rotations: np.ndarray, top: int) -> SeriesLaw:
        return SeriesLaw({d: 100 * 3.0**d * rng.normal(size=len(exponents(d))) for d in range(2, top + 1)}, rotations)

    def network(rotations: np.ndarray, units: int) -> NetworkLaw:
        H = units // len(rotations)
        return NetworkLaw(rng.normal(size=(H, 6)), rng.normal(size=H), 0.1 * rng.normal(size=H), 0.05, rotations)

    return {
        "network of 768 units": network(cubic, 768),
        "series of degree 5": series(cubic, 5),
        "series of degree 4 + network of 768 units": SumLaw([series(cubic, 4), network(cubic, 768)]),
        "St Venant-Kirchhoff": LinearLaw(100 * np.eye(6), cubic),
        "network of 768 units, -3m": network(trigonal, 768),
        "network of 768 units, no symmetry": network(np.eye(3)[None], 768),
        "series of degree 5, no symmetry": series(np.eye(3)[None], 5),
    }


def operations(program: Program) -> tuple[int, int]:
    """Operations per point of stress and tangent (see the module's head), and flops, of which a fused operation counts two."""
    fold, rows = len(program.signs), len(program.biases)
    step = {1: 0, 2: 1, 4: 2}[fold]
    # preactivations, activations (q, four of the reciprocal root's step, products), three transforms, stress and tangent
    layer = rows * (6 + fold * (1 + 6 + 3) + 3 * fold * step + 1 + 6 + 21)
    flops = rows * (12 + fold * (2 + 11 + 3) + 3 * fold * step + 1 + 12 + 42)
    terms = 0
    for degree, row in program.polynomial.items():
        present = exponents(degree)[row != 0]
        lower = {tuple(e - s) for e in present for s in np.eye(6, dtype=int) if (e >= s).all()}
        pairs = {(i, tuple(e - s)) for e in present for i, s in enumerate(np.eye(6, dtype=int)) if (e >= s).all()}
        twice = {
            (i, j, tuple(e - s - t))
            for e in present for i, s in enumerate(np.eye(6, dtype=int)) for j, t in enumerate(np.eye(6, dtype=int))
            if i <= j and (e - s - t >= 0).all()
        }  # fmt: skip
        terms += len(lower) + len(pairs) + len(twice)
        flops += len(lower) + 2 * len(pairs) + 2 * len(twice)
    return layer + terms, flops


def row(name: str, law: Law, points: int, repeat: int, peak: dict[str, float]) -> dict[str, Any]:
    compiled = kernel.compile(law)
    x = np.random.default_rng(1).uniform(-0.08, 0.08, (points, 6))
    S, C, psi = np.empty((points, 6)), np.empty((points, 21)), np.empty(points)
    R, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    turn = kernel.orientation_map(R)
    calls: dict[str, Callable[[], Any]] = {
        "stress_and_tangent": lambda: compiled.evaluate(x, stress=S, tangent=C),
        "stress": lambda: compiled.evaluate(x, stress=S),
        "tangent": lambda: compiled.evaluate(x, tangent=C),
        "energy": lambda: compiled.evaluate(x, energy=psi),
        "stress_and_tangent_turned": lambda: compiled.evaluate(x, stress=S, tangent=C, point_map=turn),
        "stress_and_tangent_float32": lambda: compiled.evaluate(x, stress=S, tangent=C, precision="single"),
        "tangent_float32": lambda: compiled.evaluate(x, tangent=C, precision="single"),
    }
    rates = {what: points / least(call, repeat) for what, call in calls.items()}
    X = torch.from_numpy(x)

    def by_torch() -> None:
        for part in torch.split(X, CHUNK):
            law.stress_mandel(part)
            law.tangent_mandel(part)[:, UPPER[0], UPPER[1]]

    rates["torch_closed_form"] = points / least(by_torch, max(2, repeat // 4))
    (count, flops), moved = operations(compiled.program), 8 * (6 + 6 + 21)
    limit = min(peak["fused_per_second"] / count, peak["bytes_per_second"] / moved)
    return {
        "law": name, "kernel": compiled.information.kind, "folded": len(compiled.program.signs), "points_per_second_per_core": rates,
        "flops_per_point": flops,
        "share_of_peak_flops": rates["stress_and_tangent"] * flops / (2 * peak["fused_per_second"]),
        "operations_per_point": count, "bytes_per_point": moved, "limit_points_per_second": limit,
        "share_of_limit": rates["stress_and_tangent"] / limit,
    }  # fmt: skip


def thread_row(name: str, law: Law, threads: int, repeat: int) -> dict[str, Any]:
    """Speed-up of stress and tangent on several threads, and that of a bare loop run in turns with it."""
    n = 8 * 16_384
    x = np.random.default_rng(1).uniform(-0.08, 0.08, (n, 6))
    S, C = np.empty((n, 6)), np.empty((n, 21))
    one, several = kernel.compile(law, threads=1), kernel.compile(law, threads=threads)
    lib, pool = cache.load(PROBE, "long width(void); double fused(long n);").lib, ThreadPoolExecutor(threads)
    calls: dict[str, Callable[[], Any]] = {
        "law_on_one": lambda: one.evaluate(x, stress=S, tangent=C),
        "law_on_several": lambda: several.evaluate(x, stress=S, tangent=C),
        "loop_on_one": lambda: lib.fused(10_000_000 * threads),
        "loop_on_several": lambda: list(pool.map(lib.fused, [10_000_000] * threads)),
    }
    clock, spent = dict.fromkeys(calls, 0.0), dict.fromkeys(calls, 0.0)
    for _ in range(repeat):
        for what, call in calls.items():
            start, began = time.perf_counter(), time.process_time()
            call()
            clock[what] += time.perf_counter() - start
            spent[what] += time.process_time() - began
    return {
        "law": name, "threads": threads, "points": n, "speed_up": clock["law_on_one"] / clock["law_on_several"],
        "speed_up_of_a_bare_loop": clock["loop_on_one"] / clock["loop_on_several"],
        "processor_time_over_that_of_one": spent["law_on_several"] / spent["law_on_one"], "seconds": clock,
    }  # fmt: skip


def peer_rows(network: Law, points: int, repeat: int) -> list[dict[str, Any]]:
    """Stress and tangent together by other means, in points per second."""
    rows = []
    for name, make in peers(network).items():  # type: ignore[arg-type] # the first of the laws is a network
        law = make()
        n = CHUNK if "e3nn" in name else points // 8
        x = torch.from_numpy(np.random.default_rng(1).uniform(-0.08, 0.08, (n, 6)))

        def both(law: Law = law, x: torch.Tensor = x) -> None:
            for part in torch.split(x, CHUNK):
                law.stress_mandel(part)
                law.tangent_mandel(part)

        rows.append({"way": name, "points_per_second_per_core": n / least(both, max(2, repeat // 4))})
    return rows


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--repeat", type=int, default=12)
    parser.add_argument("--points", type=int, default=16_384, help="points in a batch: strains and answers stay in the second cache")
    parser.add_argument("--no-peers", action="store_true", help="our laws only")
    parser.add_argument("--threads", type=int, default=0, help="also the speed-up on that many threads")
    parser.add_argument("--without-avx512", action="store_true", help="compile as for a machine that has AVX2 only")
    options = parser.parse_args(arguments)
    if options.without_avx512:
        cache.FLAGS = (*cache.FLAGS, "-mno-avx512f", "-mprefer-vector-width=256")  # the key of a compiled module holds the flags
    torch.set_num_threads(1)
    peak = machine(options.repeat)
    rows = [row(name, law, options.points, options.repeat, peak) for name, law in laws().items()]
    ours = rows[0]["points_per_second_per_core"]["stress_and_tangent"]
    others = [] if options.no_peers else peer_rows(laws()["network of 768 units"], options.points, options.repeat)
    others = [{**other, "ours_over_theirs": ours / other["points_per_second_per_core"]} for other in others]
    threaded = [thread_row(name, law, options.threads, options.repeat) for name, law in list(laws().items())[:2] if options.threads > 1]
    report = {
        "points_per_second_per_core": {r["law"]: r["points_per_second_per_core"]["stress_and_tangent"] for r in rows},
        "points_per_second_per_core_float32_tangents": {
            r["law"]: r["points_per_second_per_core"]["stress_and_tangent_float32"] for r in rows
        },
        "rows": rows, "machine": peak, "peers": others, "threads": threaded, "compiler": kernel.which().reason,
    }  # fmt: skip
    print(json.dumps(report) if options.json else text(report))
    return report


def text(report: dict[str, Any]) -> str:
    peak = report["machine"]
    lines = [
        f"one core: {peak['fused_per_second'] / 1e9:.1f} thousand million fused operations/s in {peak['lanes']} lanes, "
        f"{peak['bytes_per_second'] / 1e9:.1f} GB/s copied; {report['compiler']}",
        "million points per second and core",
        f"{'law':44s}{'S+C':>8s}{'S':>8s}{'C':>8s}{'psi':>8s}{'turned':>8s}{'S+C f32':>9s}{'C f32':>8s}{'torch':>8s}"
        f"{'flops':>8s}{'of peak':>9s}{'ops':>8s}{'bytes':>7s}{'limit':>8s}{'share':>7s}",
    ]
    for r in report["rows"]:
        rates = r["points_per_second_per_core"]
        columns = ("stress_and_tangent", "stress", "tangent", "energy", "stress_and_tangent_turned")
        cells = "".join(f"{rates[c] / 1e6:8.2f}" for c in columns)
        cells += f"{rates['stress_and_tangent_float32'] / 1e6:9.2f}{rates['tangent_float32'] / 1e6:8.2f}"
        cells += f"{rates['torch_closed_form'] / 1e6:8.3f}{r['flops_per_point']:8d}{r['share_of_peak_flops']:9.0%}"
        cells += f"{r['operations_per_point']:8d}{r['bytes_per_point']:7d}"
        limit = f"{r['limit_points_per_second'] / 1e6:8.2f}{r['share_of_limit']:7.0%}"
        lines.append(f"{r['law']:44s}{cells}{limit}")
    lines += ["", "other ways, stress and tangent of 768 units (e3nn: layers of 112 features)"] if report["peers"] else []
    for peer in report["peers"]:
        rate = peer["points_per_second_per_core"] / 1e6
        lines.append(f"{peer['way']:44s}{rate:8.4f}   ours is {peer['ours_over_theirs']:.0f} times as fast")
    for r in report["threads"]:
        lines.append(f"{r['threads']} threads, {r['law']}: {r['speed_up']:.2f} times as fast as one by the clock, "
                     f"a bare loop {r['speed_up_of_a_bare_loop']:.2f} times; processor time "
                     f"{r['processor_time_over_that_of_one']:.2f} times that of one")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
