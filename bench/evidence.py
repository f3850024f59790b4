#!/usr/bin/env python3
"""evidence.py --go PROGRAM --java JAVA --seeds N: how often a look into the heap errs about what grows. Started by evidence.sh.

Each fixture is one thing that grows: a leak, or something with a bound that it has not reached yet. It is captured twice
while it grows. `diff` says which place grew most, `analyze` of the second capture says of that place whether something
bounds it. Two errors are counted: a leak that is said to be bounded, and something bounded of which that is not said.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import random
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEAKSCOPE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/leakscope"
ENVIRONMENT = dict(os.environ, FIXTURE_DIE_WITH_PARENT="1", FIXTURE_ALLOW_TRACING="1")
# How `analyze` words that something is bounded by its own rule: `of_bound` in crates/cli/src/views/giants.rs.
BOUNDS = (
    "it has a limit of its own",
    "it cannot grow",
    "a cache in the order of use",
    "its class can drop the eldest entry",
    "a cache of a library that drops entries",
)


def leakscope(*arguments: object) -> dict:
    run = subprocess.run([LEAKSCOPE, *map(str, arguments), "--json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(run.stdout)


class Growing:
    """A running fixture."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True, cwd=ROOT)
        self.truth = json.loads(self.process.stdout.readline())

    def grow(self, entries: int) -> None:
        self.process.stdin.write(f"grow {entries}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def capture(self, path: pathlib.Path) -> pathlib.Path:
        subprocess.run([LEAKSCOPE, "snap", str(self.process.pid), "-o", path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def look(command: list[str], ending: str, numbers: random.Random) -> tuple[dict, str]:
    """The truth of a fixture, and what is said of what grew most in it: bounded, unbounded or unclear."""
    bound = numbers.randint(20_000, 60_000)
    first = int(bound * numbers.uniform(0.1, 0.3))
    more = int(bound * numbers.uniform(0.3, 0.6))
    options = {"bound": bound, "entries": first, "payload": numbers.randint(50, 600)}
    with tempfile.TemporaryDirectory() as folder, Growing(command + [f"-{k}={v}" for k, v in options.items()]) as program:
        captures = [program.capture(pathlib.Path(folder) / f"first{ending}")]
        program.grow(more)
        captures.append(program.capture(pathlib.Path(folder) / f"second{ending}"))
        grown = leakscope("diff", *captures)["holders"][0]
        places = leakscope("analyze", captures[1], "--limit", "50")["suspects"]
    place = next((p for p in places if p["fingerprint"] == grown["fingerprint"]), None)
    if place is None:
        return program.truth, "unclear"
    if any(bound in (place["reason"] or "") for bound in BOUNDS):
        return program.truth, "bounded"
    return program.truth, "unbounded" if place["verdict"] == "suspect" else "unclear"


def upper(rate: float, kinds: int) -> float:
    """The upper end of the 95 % interval of a rate: three in N where there was no error, else Wilson's.

    Looks at one kind agree with each other, so that what is counted is kinds."""
    if rate == 0:
        return min(1.0, 3 / kinds)
    z = 1.96
    middle = rate + z * z / (2 * kinds)
    spread = z * math.sqrt(rate * (1 - rate) / kinds + z * z / (4 * kinds * kinds))
    return min(1.0, (middle + spread) / (1 + z * z / kinds))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--go", action="append", default=[])
    parser.add_argument("--java", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    jvm = lambda java: [java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", "bench/out/classes", "com.acme.Growing"]
    runtimes = {"Go": (asked.go, lambda p: [p], ".lks"), "JVM": (asked.java, jvm, ".hprof")}
    print("| runtime | what grows | is a leak | looks | said: bounded | grows without bound | unclear |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    summary = []
    for runtime, (programs, command, ending) in runtimes.items():
        said = {}
        for seed, program in ((seed, p) for seed in range(asked.seeds) for p in programs):
            numbers = random.Random(f"{seed} {pathlib.Path(program).name} {programs.index(program)}")
            kind, kinds = 0, 1
            while kind < kinds:
                truth, verdict = look(command(program) + [f"-kind={kind}"], ending, numbers)
                said.setdefault((truth["kind"], truth["leaks"]), collections.Counter())[verdict] += 1
                kind, kinds = kind + 1, truth["kinds"]
        for (kind, leaks), counts in said.items():
            columns = " | ".join(str(counts[v]) for v in ("bounded", "unbounded", "unclear"))
            print(f"| {runtime} | {kind} | {'yes' if leaks else 'no'} | {counts.total()} | {columns} |", flush=True)
        for leaks in (True, False):
            rows = [counts for (_, l), counts in said.items() if l == leaks]
            looks = sum(counts.total() for counts in rows)
            errors = sum(counts["bounded"] if leaks else counts.total() - counts["bounded"] for counts in rows)
            if looks:
                what = "leaks said to be bounded" if leaks else "bounded, and not said to be"
                summary.append(f"| {runtime} | {what} | {errors} of {looks} looks at {len(rows)} kinds | {100 * errors / looks:.1f} % | {100 * upper(errors / looks, len(rows)):.1f} % |")
    print("\n| runtime | error | counted | rate | upper end of 95 % |\n| --- | --- | --- | --- | --- |")
    print("\n".join(summary))


if __name__ == "__main__":
    main()
