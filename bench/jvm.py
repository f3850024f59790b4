#!/usr/bin/env python3
"""jvm.py [--quick]: measures leakscope on heap dumps and writes the JVM part of docs/benchmarks.md. Started by jvm.sh.

Each figure of leakscope is the median of several runs, but for dumps of 2 GB and more, which are read once as other tools do. Processor
time and peak memory are what wait4 says of the process and all its children; pages of the dump that are mapped count as memory.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import run

ROOT, OUT = run.ROOT, run.OUT
LEAKSCOPE = run.LEAKSCOPE
BEGIN, END = "<!-- jvm: written by bench/jvm.sh -->", "<!-- jvm: end -->"
MB = 1_000_000
SCALES = (0.25, 0.5, 1, 2, 4, 8)
# From here on one run each, and only where the disk has room for the dump and memory for the program that makes it.
LARGE = 2
GIGABYTE = 1_050_000_000
SESSIONS, CUSTOMERS = 300_000, 98_000
LIMIT = "600M"
# What still counts as linear: larger graphs miss the processor's caches and the table of pages more often.
LINEAR = 1.5


class Big:
    """The fixture program, which dumps itself when asked through jcmd."""

    def __init__(self, scale: float):
        self.java = pathlib.Path(os.environ["JDK"]) / "bin"
        arguments = [f"-sessions={int(SESSIONS * scale)}", f"-customers={int(CUSTOMERS * scale)}"]
        heap = f"-Xmx{int(1.5 * max(scale, 0.5) * 1024)}m"
        command = [self.java / "java", heap, "-cp", OUT / "jvm-classes", "com.acme.Big", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.truth = json.loads(self.process.stdout.readline())

    def dump(self, path: pathlib.Path, *more: str) -> int:
        subprocess.run([self.java / "jcmd", str(self.process.pid), "GC.heap_dump", "-all", *more, str(path)], check=True, stdout=subprocess.DEVNULL)
        return path.stat().st_size

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def measure(command: list, document: pathlib.Path | None = None) -> dict:
    """Runs a command once."""
    with open(document or os.devnull, "w", encoding="utf-8") as stdout:
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, command)
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024, "wall_s": time.monotonic() - began}


def analyze(dump: pathlib.Path, truth: dict, *more: str) -> dict:
    """`leakscope analyze`, whose counts must be the program's own."""
    out = OUT / "jvm-analyze.json"
    result = measure([LEAKSCOPE, "analyze", dump, "--json", *more], out)
    document = json.loads(out.read_text(encoding="utf-8"))
    found = {row["type"]: row["count"] for row in document["types"]}
    wanted = {"com.acme.Big$Attribute": truth["sessions"] * 7, "com.acme.Big$LineItem": truth["customers"] * 32}
    for name, count in wanted.items():
        if found.get(name) != count:
            sys.exit(f"{dump}: {name}: the program has {count}, the answer says {found.get(name)}")
    result["objects"] = document["heap"]["allocated"]["objects"]
    return result


def peers(dump: pathlib.Path, packed: pathlib.Path, folder: pathlib.Path) -> list:
    """Other tools that are here, once each: name, what it works out, figures (none if it failed)."""
    commands = []
    if shutil.which("hprof-slurp"):
        commands.append(("hprof-slurp", "classes by shallow size", ["hprof-slurp", dump]))
    if shutil.which("hprof-analyzer"):
        for name, file in (("hprof-analyzer", dump), ("hprof-analyzer, gzip", packed)):
            commands.append((name, "report with retained sizes", ["hprof-analyzer", file, folder / "report.md"]))
    mat = os.environ.get("MAT_HOME")
    if mat:
        command = [pathlib.Path(mat) / "ParseHeapDump.sh", dump, "org.eclipse.mat.api:suspects", "-vmargs", "-Xmx4g"]
        commands.append(("Eclipse Memory Analyzer", "leak suspects", command))
    rows = []
    for name, what, command in commands:
        try:
            rows.append((name, what, measure(command)))
        except subprocess.CalledProcessError as error:
            print(error, file=sys.stderr)
            rows.append((name, what, None))
    return rows


def beside(name: str, what: str, result: dict | None) -> str:
    if result is None:
        return f"| {name} | {what} | failed | | |"
    return f"| {name} | {what} | {result['cpu_s']:.1f} s | {result['wall_s']:.1f} s | {result['peak_bytes'] / MB:.0f} MB |"


def fits(scale: float, where: str) -> bool:
    """Whether there is room for a dump of so many gigabytes, with a gigabyte to spare, and for the heap that it is of."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return shutil.disk_usage(where).free > (scale + 1) * GIGABYTE and memory > 1.5 * (scale + 1) * GIGABYTE


def median(runs: list, key: str) -> float:
    return run.median(runs, key)


def figures(name: str, size: int, runs: list) -> str:
    objects = runs[0]["objects"]
    return (
        f"| {name} | {size / MB:.0f} MB | {objects:,} | **{median(runs, 'cpu_s'):.2f} s** | {median(runs, 'wall_s'):.2f} s "
        f"| {median(runs, 'peak_bytes') / MB:.0f} MB | {median(runs, 'cpu_s') / objects * 1e9:.0f} ns |"
    )


def budget(what: str, figure: float, most: float, unit: str) -> str:
    reached = "reached" if figure <= most else "**not reached**"
    return f"| {what} | {most:g} {unit} | {figure:.2f} {unit} | {reached} |"


def budgets(by_name: dict, largest: float) -> list:
    """What was to be reached, from the runs by name and scale."""
    plain, gzip, limited = (by_name[name, 1] for name in ("plain", "gzip", LIMIT))
    cpu = median(plain, "cpu_s")
    per_object = [median(by_name["plain", scale], "cpu_s") / by_name["plain", scale][0]["objects"] for scale in (1, largest)]
    return [
        budget("1 GB, processor time", cpu, 4, "s"),
        budget("1 GB, peak memory", median(plain, "peak_bytes") / 1e9, 1, "GB"),
        budget(f"1 GB with `--max-memory {LIMIT}`, processor time", median(limited, "cpu_s"), 8, "s"),
        budget("1 GB, gzip, processor time by that of plain", median(gzip, "cpu_s") / cpu, 2, "times"),
        budget(f"processor time per object at {largest:g} GB by that at 1 GB", per_object[1] / per_object[0], LINEAR, "times"),
    ]


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    runs = 1 if quick else 3
    facts = run.machine()
    rows, others = [], []
    by_name: dict = {}
    where = os.environ.get("TMPDIR", "/var/tmp")
    left_out = []
    for scale in SCALES[: 3 if quick else len(SCALES)]:
        if scale >= LARGE and not fits(scale, where):
            left_out.append(f"{scale} GB")
            continue
        times = 1 if scale >= LARGE else runs
        with tempfile.TemporaryDirectory(dir=where) as folder:
            plain = pathlib.Path(folder) / "big.hprof"
            packed = pathlib.Path(folder) / "big.hprof.gz"
            with Big(scale) as program:
                truth = program.truth
                size = program.dump(plain)
                packed_size = program.dump(packed, "-gz=1") if scale == 1 else 0
            kinds = [("plain", plain, size, [])]
            if scale == 1:
                kinds += [("gzip", packed, packed_size, []), (LIMIT, plain, size, ["--max-memory", LIMIT])]
            # In turn, so that what else the machine does meets each alike.
            for _ in range(times):
                for name, dump, _, more in kinds:
                    by_name.setdefault((name, scale), []).append(analyze(dump, truth, *more))
            for name, _, length, more in kinds:
                rows.append(figures(f"plain, `{' '.join(more)}`" if more else name, length, by_name[name, scale]))
                print(rows[-1], file=sys.stderr)
            if scale == 1:
                others = [beside(*peer) for peer in peers(plain, packed, pathlib.Path(folder))]
    template = (ROOT / "bench/jvm.template.md").read_text(encoding="utf-8")
    text = template.replace("{{MACHINE}}", run.machine_line(facts, runs)).replace("{{ROWS}}", "\n".join(rows))
    text = text.replace("{{BUDGETS}}", "\n".join(budgets(by_name, max(scale for _, scale in by_name))))
    text = text.replace("{{LOAD}}", " ".join(f"{load:.1f}" for load in os.getloadavg()))
    missing = f" Left out, for lack of disk or memory on this machine: {', '.join(left_out)}." if left_out else ""
    text = text.replace("{{LEFT_OUT}}", missing).replace("{{PEERS}}", "\n".join(others) or "| none was here | | | | |")
    section = f"{BEGIN}\n{text.strip()}\n{END}"
    target = OUT / "benchmarks-jvm.md" if quick else run.DOCUMENT
    old = run.jvm_section() if not quick else ""
    whole = section if quick else run.DOCUMENT.read_text(encoding="utf-8").replace(old, section)
    target.write_text(whole, encoding="utf-8")
    print(f"written: {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
