#!/usr/bin/env python3
"""run.py [--quick]: measures leakscope on the fixture `big` and writes docs/benchmarks.md. Started by run.sh.

Each figure is the median of several runs unless the table says otherwise; the raw figures go to bench/out/runs.json.
Processor time and peak memory are what wait4 says of the process and all its children.
"""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "bench/out"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LEAKSCOPE = TARGET / "release/leakscope"
RANGES = TARGET / "release/examples/ranges"
COUNTERS = TARGET / "release/examples/counters"
MEMORY = TARGET / "release/examples/memory"
SYNTHETIC = TARGET / "release/examples/synthetic"
DOCUMENT = ROOT / "docs/benchmarks.md"
FLOOR = OUT / "floor"
MIB = 1 << 20
COPY_THREADS = 2
WATCHED = 100
LINEAR = (1_000_000, 4_000_000, 16_000_000)
# Scale of the heap, and bytes between two samples of its memory profile: the default, and every object.
PROFILED = ((1, 512 << 10), (0.05, 1))
# Entries of a map, and those of them whose keys have a hash.
CELLS = 4_000_000
HASHED_CELLS = CELLS - CELLS // 32
# A pattern whose findings say how many keys were hashed, one that rests on no more than the hashes, and one that does without.
HASHED, HASHING, UNHASHED = "GO-MAP-UNREACHABLE-ENTRIES", "GO-MAP-HASH-SKEW", "GO-MAP-TINY-SWARM"
SHAPES = (
    ("heap", 1_000_000), ("heap", 6_000_000), ("heap", 16_000_000), ("heap", 50_000_000),
    ("list", 10_000_000), ("indexed-list", 10_000_000), ("rings", 10_000_000), ("wide", 50_000_000),
)


def script(*command: str) -> str:
    return subprocess.run([ROOT / "scripts" / command[0], *command[1:]], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


class Fixture:
    """A running program, `big` unless told otherwise, which states its truth and answers lines."""

    built: set = set()

    def __init__(self, version: str, *arguments: str, program: str = "big", stripped: bool = False, rate: int = 0):
        """With a rate it keeps a memory profile: a sample in so many bytes."""
        binary = OUT / f"{program}-{version}{'-stripped' if stripped else ''}{'-profiled' if rate else ''}"
        environment = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="", GOWORK="off", CGO_ENABLED="0")
        build = [script("go.sh", version), "build", "-trimpath", f"-ldflags={'-s -w' if stripped else ''}", f"-tags={'profiled' if rate else ''}", "-o", binary, f"./cmd/{program}"]
        if binary not in self.built:
            subprocess.run(build, check=True, cwd=ROOT / "fixtures/go", env=environment)
            self.built.add(binary)
        environment = dict(os.environ, FIXTURE_DIE_WITH_PARENT="1", FIXTURE_ALLOW_TRACING="1")
        if rate:
            environment["GODEBUG"] = f"memprofilerate={rate}"
        self.process = subprocess.Popen([binary, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.truth = json.loads(self.process.stdout.readline())
        self.pid = str(self.process.pid)
        self.stripped = stripped

    def ask(self, line: str) -> dict:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def resident(self) -> int:
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def measure(command: str, fixture: Fixture, *more: str) -> dict:
    """Runs `leakscope COMMAND PID --json` once."""
    out = OUT / f"{command}.json"
    fixture.ask("gap")
    with open(out, "w", encoding="utf-8") as stdout:
        began = time.monotonic()
        arguments = [LEAKSCOPE, command, fixture.pid, "--json", "--max-stop", "10s", *more]
        child = subprocess.Popen(arguments, stdout=stdout, stderr=subprocess.PIPE, text=True)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
    if child.returncode != 0:
        sys.exit(f"leakscope {command} failed with {child.returncode}:\n{errors}")
    gap = fixture.ask("gap")
    document = json.loads(out.read_text(encoding="utf-8"))
    # Without debug information some types are not known.
    if not fixture.stripped:
        check(command, document, fixture.truth)
    capture = document["capture"]
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024, "wall_s": wall,
        "stop_ns": capture["stop_measured_ns"], "predicted_ns": capture["stop_predicted_ns"],
        "copied_bytes": capture["copied_bytes"], "ranges": capture["ranges"], "gap_us": gap["largest_gap_us"],
        "written_bytes": document.get("written_bytes", 0), "named": document["coverage"]["named_bytes_share"],
    }


def check(command: str, document: dict, truth: dict) -> None:
    """A fast wrong answer is no figure: counts must be the fixture's own."""
    if command == "snap":
        return
    if command in ("histo", "analyze"):
        found = {row["type"]: row["count"] for row in document["types"]}
        # The overview has the largest types only.
        wanted = {name: count for name, count in truth["types"].items() if command == "histo" or name == "main.session"}
    else:
        found = {row["owner"]: row["len"] for row in document["maps"]}
        wanted = {row["owner"]: row["len"] for row in truth["maps"]}
    for name, count in wanted.items():
        if found.get(name) != count:
            sys.exit(f"{command}: {name}: the fixture holds {count}, the answer says {found.get(name)}")


def floor(fixture: Fixture, runs: int) -> dict:
    """How long process_vm_readv alone takes for the ranges that a stop would copy."""
    ranges = subprocess.run([RANGES, fixture.pid], check=True, text=True, stdout=subprocess.PIPE).stdout
    command = [FLOOR, fixture.pid, str(COPY_THREADS), str(runs)]
    lines = subprocess.run(command, input=ranges, check=True, text=True, stdout=subprocess.PIPE).stdout.split("\n")
    times = [int(line.split()[0]) for line in lines if line]
    return {"times_ns": times, "bytes": int(lines[0].split()[1]), "ranges": ranges.count("\n")}


def core_size(fixture: Fixture) -> int:
    """Length of the file that gdb's gcore writes of the same process."""
    subprocess.run(["gcore", "-o", OUT / "core", fixture.pid], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    core = OUT / f"core.{fixture.pid}"
    size = core.stat().st_size
    core.unlink()
    return size


def measure_stripped(version: str, runs: int) -> dict:
    """What the same program costs without debug information, and what it costs with, in turn."""
    with Fixture(version, "-scale", "0.25") as full, Fixture(version, "-scale", "0.25", stripped=True) as bare:
        pairs = [(measure("histo", full), measure("histo", bare)) for _ in range(runs)]
    return {"version": version, "full": [f for f, _ in pairs], "bare": [b for _, b in pairs]}


def memory_cost(fixture: Fixture, *without: str) -> tuple:
    """Processor time of what `analyze` computes, and how many sampled objects there were."""
    child = subprocess.Popen([MEMORY, fixture.pid, *without], stdout=subprocess.PIPE, text=True)
    samples = int(child.stdout.read())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"memory {' '.join(without)} failed with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, samples


def measure_memory(version: str, runs: int) -> list:
    """What allocation sites and the ledger cost on top of `analyze`, in turn with and without."""
    rows = []
    for scale, rate in PROFILED:
        with Fixture(version, "-scale", str(scale), rate=rate) as fixture:
            pairs = [(memory_cost(fixture, "without")[0], *memory_cost(fixture)) for _ in range(runs)]
            rows.append({"version": version, "objects": fixture.truth["heap_objects"], "rate": rate, "pairs": pairs})
        print(f"go{version}: sites and ledger at rate {rate}: {memory_rows(rows[-1:])[0]}", file=sys.stderr)
    return rows


def measure_patterns(version: str, runs: int) -> dict:
    """What `analyze` costs without the catalogue of patterns and with all of it, in turn."""
    listed = subprocess.run([LEAKSCOPE, "rule", "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
    patterns = [rule["id"] for rule in json.loads(listed)["rules"]]
    with Fixture(version) as fixture:
        pairs = [(measure("analyze", fixture, "--ignore", ",".join(patterns)), measure("analyze", fixture)) for _ in range(runs)]
    row = {"version": version, "objects": fixture.truth["heap_objects"], "patterns": len(patterns), "pairs": [(a["cpu_s"], b["cpu_s"]) for a, b in pairs]}
    print(f"go{version}: patterns: {pattern_rows([row])[0]}", file=sys.stderr)
    return row


def cells_cost(source: str, command: str, *more: str) -> tuple:
    """Processor time of `leakscope COMMAND` on a process or snapshot, and its answer."""
    child = subprocess.Popen([LEAKSCOPE, command, source, "--json", *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    document = json.loads(child.stdout.read())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"leakscope {command} failed with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, document


def cells_walked(fixture: Fixture, slices: Fixture) -> float:
    """Processor time of `maps` beyond that on a program with the same in slices."""
    more, document = cells_cost(fixture.pid, "maps")
    if CELLS not in (row["len"] for row in document["maps"]):
        sys.exit(f"maps: no map of {CELLS} entries")
    return more - cells_cost(slices.pid, "maps")[0]


def cells_hashed(snapshot: str) -> float:
    """Processor time of a pattern for which keys are hashed beyond that of one for which they are not."""
    _, document = cells_cost(snapshot, "analyze", "--all", "--only", HASHED)
    rows = [row for finding in document["findings"] for row in finding["evidence"]]
    agreed = [row["value"] for row in rows if row["what"] == "keys where their hash leads"]
    if agreed != [str(HASHED_CELLS)]:
        sys.exit(f"analyze: not every key was looked at: {rows}")
    with_hashes, without = (cells_cost(snapshot, "analyze", "--all", "--only", pattern)[0] for pattern in (HASHING, UNHASHED))
    return with_hashes - without


def measure_cells(version: str, runs: int) -> list:
    """What each cell of a map costs to walk, and each key to hash."""
    rows = []
    snapshot = str(OUT / "cells.snapshot")
    for keys, *flags in (("number",), ("text", "-text")):
        flags += ["-odd", "-entries", str(CELLS)]
        with Fixture(version, *flags, program="cells") as odd, Fixture(version, *flags, "-list", program="cells") as slices:
            walked = [cells_walked(odd, slices) for _ in range(runs)]
            # A running process is asked for some texts only.
            subprocess.run([LEAKSCOPE, "snap", odd.pid, "-o", snapshot, "--force"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        hashed = [cells_hashed(snapshot) for _ in range(runs)]
        rows.append({"version": version, "keys": keys, "walked_s": walked, "hashed_s": hashed})
        print(f"go{version}: cells: {cell_rows(rows[-1:])[0]}", file=sys.stderr)
    return rows


def median(runs: list, key: str) -> float:
    return statistics.median(run[key] for run in runs)


def measure_heap(version: str, runs: int) -> dict:
    with Fixture(version, "-heartbeat") as fixture:
        print(f"go{version}: {fixture.truth['heap_objects']:,} objects", file=sys.stderr)
        fixture.ask("gap")
        time.sleep(2)
        idle = fixture.ask("gap")
        result = {"version": version, "truth": fixture.truth, "resident": fixture.resident(), "idle_gap_us": idle["largest_gap_us"]}
        # The stop and its floor are measured in turn, so that both see the same machine.
        result["histo"], result["maps"], result["analyze"], result["snap"], floors = [], [], [], [], []
        for _ in range(runs):
            result["histo"].append(measure("histo", fixture))
            floors.append(floor(fixture, 3))
            result["maps"].append(measure("maps", fixture))
            result["analyze"].append(measure("analyze", fixture))
            result["snap"].append(measure("snap", fixture, "-o", str(OUT / "big.lks"), "--force"))
        result["core_bytes"] = core_size(fixture)
        result["floor"] = {**floors[-1], "times_ns": [t for f in floors for t in f["times_ns"]]}
        return result


def measure_linear(version: str, runs: int) -> list:
    rows = []
    for objects in LINEAR:
        with Fixture(version, "-objects", str(objects)) as fixture:
            found = [measure("histo", fixture) for _ in range(runs)]
            maps = [measure("maps", fixture) for _ in range(runs)]
            analyze = [measure("analyze", fixture) for _ in range(runs)]
            rows.append({"version": version, "truth": fixture.truth, "histo": found, "maps": maps, "analyze": analyze})
            print(f"go{version}: {fixture.truth['heap_objects']:,} objects: {median(found, 'cpu_s'):.2f} CPU-s", file=sys.stderr)
    return rows


def measure_synthetic(runs: int) -> list:
    """Each made-up heap in processes of their own; the medians of their runs."""
    rows = []
    for shape, objects in SHAPES:
        command = [SYNTHETIC, shape, str(objects)]
        found = [json.loads(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout) for _ in range(runs)]
        rows.append({key: value if isinstance(value, str) else median(found, key) for key, value in found[0].items()})
        print(f"synthetic {shape}, {objects:,} objects: {rows[-1]['dominators_ns'] / 1e9:.2f} CPU-s", file=sys.stderr)
    return rows


def measure_counters(version: str, rounds: int) -> dict:
    """Processor time per round of reading the counters of many small processes."""
    with contextlib.ExitStack() as stack:
        fixtures = [stack.enter_context(Fixture(version, "-scale", "0.001")) for _ in range(WATCHED)]
        command = [COUNTERS, str(rounds), *(fixture.pid for fixture in fixtures)]
        cpu_ns = int(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout)
    print(f"go{version}: counters of {WATCHED} processes: {cpu_ns / 1e6:.2f} CPU-ms", file=sys.stderr)
    return {"version": version, "processes": WATCHED, "cpu_ns": cpu_ns}


def machine() -> dict:
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False).stdout.strip()
    return {
        "cpu": cpu[1] if cpu else platform.machine(), "cpus": os.cpu_count(), "memory_gib": round(memory / (1 << 30)),
        "kernel": platform.release(), "load": os.getloadavg()[0], "date": datetime.date.today().isoformat(), "commit": commit,
    }


def heap_rows(heaps: list) -> list:
    rows = []
    for heap in heaps:
        inuse = heap["truth"]["heap_inuse"]
        for command in ("histo", "maps", "analyze"):
            peak, cpu = median(heap[command], "peak_bytes"), median(heap[command], "cpu_s")
            rows.append(
                f"| {heap['version']} | `{command}` | {heap['truth']['heap_objects']:,} | {inuse / MIB:.0f} MiB | **{cpu:.2f} s** "
                f"| {median(heap[command], 'wall_s'):.2f} s | {peak / MIB:.0f} MiB | {(peak - inuse) / MIB:+.0f} MiB |"
            )
    return rows


def stop_rows(heaps: list) -> list:
    rows = []
    for heap in heaps:
        runs = heap["histo"] + heap["maps"]
        stop, best = median(runs, "stop_ns"), statistics.median(heap["floor"]["times_ns"])
        rows.append(
            f"| {heap['version']} | {median(runs, 'copied_bytes') / MIB:.0f} MiB in {median(runs, 'ranges'):.0f} "
            f"| {median(runs, 'predicted_ns') / 1e6:.0f} ms | **{stop / 1e6:.0f} ms** | {max(r['stop_ns'] for r in runs) / 1e6:.0f} ms "
            f"| {median(runs, 'gap_us') / 1e3:.0f} ms | {heap['idle_gap_us'] / 1e3:.0f} ms | {best / 1e6:.0f} ms | {stop / best:.2f} |"
        )
    return rows


def snapshot_rows(heaps: list) -> list:
    rows = []
    for heap in heaps:
        runs = heap["snap"]
        wall, written = median(runs, "wall_s"), median(runs, "written_bytes")
        rows.append(
            f"| {heap['version']} | {median(runs, 'copied_bytes') / MIB:.0f} MiB | {wall:.2f} s | **{median(runs, 'copied_bytes') / 1e6 / wall:.0f} MB/s** "
            f"| {median(runs, 'cpu_s'):.2f} s | {written / MIB:.0f} MiB | {heap['core_bytes'] / MIB:.0f} MiB | **1/{heap['core_bytes'] / written:.0f}** |"
        )
    return rows


def stripped_rows(pairs: list) -> list:
    rows = []
    for pair in pairs:
        full, bare = median(pair["full"], "cpu_s"), median(pair["bare"], "cpu_s")
        rows.append(
            f"| {pair['version']} | {full:.2f} s | {bare:.2f} s | **{bare / full:.2f}** "
            f"| {median(pair['full'], 'named') * 100:.1f} % | {median(pair['bare'], 'named') * 100:.1f} % |"
        )
    return rows


def memory_rows(rows: list) -> list:
    told = []
    for row in rows:
        without, both, samples = (statistics.median(column) for column in zip(*row["pairs"]))
        share = statistics.median(b / w - 1 for w, b, _ in row["pairs"])
        told.append(f"| {row['version']} | {row['objects']:,} | {row['rate']:,} | {samples:,.0f} | {without:.2f} s | {both:.2f} s | **{share * 100:+.1f} %** |")
    return told


def pattern_rows(rows: list) -> list:
    told = []
    for row in rows:
        without, both = (statistics.median(column) for column in zip(*row["pairs"]))
        share = statistics.median(b / w - 1 for w, b in row["pairs"])
        told.append(f"| {row['version']} | {row['objects']:,} | {row['patterns']} | {without:.2f} s | {both:.2f} s | **{share * 100:+.1f} %** |")
    return told


def cell_rows(rows: list) -> list:
    told = []
    for row in rows:
        walked, hashed = statistics.median(row["walked_s"]), statistics.median(row["hashed_s"])
        told.append(
            f"| {row['version']} | {row['keys']} | {CELLS:,} | {walked:.2f} s | **{CELLS / walked / 1e6:.0f} M/s** "
            f"| {HASHED_CELLS:,} | {hashed:.2f} s | **{HASHED_CELLS / hashed / 1e6:.1f} M/s** |"
        )
    return told


def counter_rows(counters: list) -> list:
    return [
        f"| {row['version']} | {row['processes']} | **{row['cpu_ns'] / 1e6:.2f} ms** | {row['cpu_ns'] / row['processes'] / 1e3:.1f} µs |"
        for row in counters
    ]


def linear_rows(linear: list) -> list:
    rows = []
    for row in linear:
        objects = row["truth"]["heap_objects"]
        for command in ("histo", "maps", "analyze"):
            cpu = median(row[command], "cpu_s")
            rows.append(
                f"| {row['version']} | `{command}` | {objects:,} | {cpu:.2f} s | {cpu / objects * 1e9:.0f} ns "
                f"| {median(row[command], 'peak_bytes') / MIB:.0f} MiB | {row['truth']['heap_inuse'] / MIB:.0f} MiB |"
            )
    return rows


def synthetic_rows(shapes: list) -> list:
    rows = []
    for row in shapes:
        times = " | ".join(f"{row[f'{step}_ns'] / row['objects']:.0f} ns" for step in ("reach", "dominators", "sets", "suspects", "paths"))
        rows.append(
            f"| {row['shape']} | {row['objects'] / 1e6:.0f} M | {row['references'] / 1e6:.1f} M | {times} | {row['distinct_ns'] / 1e9:.2f} s "
            f"| **{row['dominators_ns'] / 1e9:.2f} s** | {row['graph_peak_bytes'] / MIB:.0f} MiB | {row['peak_bytes'] / MIB:.0f} MiB |"
        )
    return rows


def machine_line(facts: dict, runs: int) -> str:
    return (
        f"{facts['cpu']}, {facts['cpus']} CPUs, {facts['memory_gib']} GiB, Linux {facts['kernel']}; load average "
        f"{facts['load']:.1f} at the start; {facts['date']}, commit {facts['commit']}; {'one run each' if runs == 1 else f'medians of {runs} runs'}"
    )


def jvm_section() -> str:
    """The part of the document that bench/jvm.sh writes, as it is now."""
    return re.search(r"<!-- jvm: written .*<!-- jvm: end -->", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[0]


def document(facts: dict, heaps: list, linear: list, shapes: list, counters: list, pairs: list, memory: list, patterns: list, cells: list, runs: int) -> str:
    ours = {heap["version"]: heap for heap in heaps}
    template = (ROOT / "bench/benchmarks.template.md").read_text(encoding="utf-8")
    compared = []
    for version, heap in ours.items():
        both = heap["histo"] + heap["maps"]
        compared.append(
            f"| leakscope, go{version} | {median(both, 'stop_ns') / 1e9:.2f} s | {median(both, 'cpu_s'):.1f} s "
            f"| {median(both, 'peak_bytes') / 1e6:.0f} MB | all of {heap['truth']['types']['main.session']:,} |"
        )
    values = {
        "MACHINE": machine_line(facts, runs), "JVM": jvm_section(),
        "HEAP": "\n".join(heap_rows(heaps)), "STOP": "\n".join(stop_rows(heaps)), "LINEAR": "\n".join(linear_rows(linear)),
        "COUNTERS": "\n".join(counter_rows(counters)), "SNAPSHOT": "\n".join(snapshot_rows(heaps)),
        "STRIPPED": "\n".join(stripped_rows(pairs)), "MEMORY": "\n".join(memory_rows(memory)),
        "PATTERNS": "\n".join(pattern_rows(patterns)), "CELLS": "\n".join(cell_rows(cells)),
        "COMPARED": "\n".join(compared), "SYNTHETIC": "\n".join(synthetic_rows(shapes)),
    }
    for name, value in values.items():
        template = template.replace("{{" + name + "}}", value)
    return template


def main() -> None:
    quick = sys.argv[1:] == ["--quick"]
    if sys.argv[1:] and not quick:
        sys.exit(__doc__)
    runs = 1 if quick else 5
    versions = script("go-versions.sh").split()
    facts = machine()
    heaps = [measure_heap(version, runs) for version in versions]
    pairs = [measure_stripped(version, runs) for version in versions]
    linear = [row for version in versions for row in measure_linear(version, 1)]
    memory = [row for version in versions for row in measure_memory(version, runs)]
    patterns = [measure_patterns(version, runs) for version in versions]
    cells = [row for version in versions for row in measure_cells(version, runs)]
    shapes = measure_synthetic(1)
    counters = [measure_counters(version, 50 if quick else 1000) for version in versions]
    (OUT / "runs.json").write_text(json.dumps({"machine": facts, "heaps": heaps, "linear": linear, "synthetic": shapes, "counters": counters, "stripped": pairs, "memory": memory, "patterns": patterns, "cells": cells}, indent=1), encoding="utf-8")
    target = OUT / "benchmarks.md" if quick else DOCUMENT
    target.write_text(document(facts, heaps, linear, shapes, counters, pairs, memory, patterns, cells, runs), encoding="utf-8")
    print(f"written: {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
