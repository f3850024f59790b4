#!/usr/bin/env python3
"""jvm.py [--quick]: measures leakscope on heap dumps and writes the JVM part of docs/benchmarks.md. Started by jvm.sh.

Each figure of leakscope is the median of several runs, but for dumps of 2 GB and more, which are read once as other tools do. Processor time and peak memory are what wait4
says of the process and all its children; pages of the dump that are mapped count as memory.
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
        sys.exit(f"{command[0]} failed with {child.returncode}")
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


def peers(dump: pathlib.Path, folder: pathlib.Path) -> list:
    """Other tools that are here, once each: name, what it works out, figures."""
    rows = []
    if shutil.which("hprof-slurp"):
        rows.append(("hprof-slurp", "classes by shallow size", measure(["hprof-slurp", "-i", dump])))
    if shutil.which("hprof-analyzer"):
        report = folder / "report.md"
        rows.append(("hprof-analyzer", "report with retained sizes", measure(["hprof-analyzer", dump, "-o", report])))
    mat = os.environ.get("MAT_HOME")
    if mat:
        command = [pathlib.Path(mat) / "ParseHeapDump.sh", dump, "org.eclipse.mat.api:suspects", "-vmargs", "-Xmx4g"]
        rows.append(("Eclipse Memory Analyzer", "leak suspects", measure(command)))
    return rows


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


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    runs = 1 if quick else 3
    facts = run.machine()
    rows, beside = [], []
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
            rows.append(figures("plain", size, [analyze(plain, truth) for _ in range(times)]))
            if scale == 1:
                rows.append(figures("gzip", packed_size, [analyze(packed, truth) for _ in range(runs)]))
                limited = [analyze(plain, truth, "--max-memory", LIMIT) for _ in range(runs)]
                rows.append(figures(f"plain, `--max-memory {LIMIT}`", size, limited))
                beside = peers(plain, pathlib.Path(folder))
            print(rows[-1], file=sys.stderr)
    others = [
        f"| {name} | {what} | {r['cpu_s']:.1f} s | {r['wall_s']:.1f} s | {r['peak_bytes'] / MB:.0f} MB |" for name, what, r in beside
    ]
    template = (ROOT / "bench/jvm.template.md").read_text(encoding="utf-8")
    text = template.replace("{{MACHINE}}", run.machine_line(facts, runs)).replace("{{ROWS}}", "\n".join(rows))
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
