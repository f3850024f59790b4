#!/usr/bin/env python3
"""agent.py [cost|memory|latency|soak]...: measures `leakscope agent` on real processes. Started by agent.sh.

Processor time is utime + stime of the agent, memory is its VmRSS and RssAnon, descriptors those in /proc/PID/fd.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "bench/out"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LEAKSCOPE = TARGET / "release/leakscope"
TICK = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = dict(os.environ, FIXTURE_DIE_WITH_PARENT="1", FIXTURE_ALLOW_TRACING="1")
# JVMs among the processes of a round: each is a hundred times as large as a Go program that does nothing.
JVMS = 4
# Evaluated in every round, which is twenty times as often as by default: the figures are not flattered by a quiet minute.
OFTEN = '[evaluate]\nevery = "30s"\n'

# Of 30 values in order, the tenth and the tenth from the end bound the median with 95 % certainty (binomial).
MEDIAN_LOW = 9


def processor(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid: int) -> dict:
    """Resident MiB of a process, all and anonymous alone, and its open descriptors."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    mib = lambda name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024
    return {"rss": mib("VmRSS"), "anon": mib("RssAnon"), "fds": len(os.listdir(f"/proc/{pid}/fd"))}


def shown(numbers: dict) -> str:
    return f"RSS {numbers['rss']:.1f} MiB (anonymous {numbers['anon']:.1f}), {numbers['fds']} descriptors"


class Programs:
    """Fixtures that are ended with us."""

    def __init__(self):
        self.running: list[subprocess.Popen] = []

    def start(self, *command: str, said: bool = True) -> subprocess.Popen:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
        if said:
            process.truth = json.loads(process.stdout.readline())
        self.running.append(process)
        return process

    def go(self, mode: str, *more: str, program: str = "watched") -> subprocess.Popen:
        return self.start(str(OUT / program), "-mode", mode, *more)

    def jvm(self, *more: str) -> subprocess.Popen:
        flags = ("-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        return self.start(os.environ["JAVA"], *flags, "-cp", str(OUT / "classes"), "com.acme.Watched", *more)

    def end(self, process: subprocess.Popen) -> None:
        process.kill()
        process.wait()
        self.running.remove(process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in list(self.running):
            self.end(process)


class Agent:
    """A running agent with a store, and its metrics."""

    def __init__(self, folder: str, config: str, *more: str):
        path = pathlib.Path(folder) / "agent.toml"
        path.write_text(config)
        command = [LEAKSCOPE, "agent", "--observe", "--config", path, "--listen", "127.0.0.1:0", *more]
        command += ["--store", pathlib.Path(folder) / "watch.db"]
        self.out = open(pathlib.Path(folder) / "verdicts", "w")
        self.process = subprocess.Popen(command, stdout=self.out, stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        for line in self.process.stderr:
            sys.stderr.write(line)
            if found := re.search(r"metrics at (http://\S+)", line):
                self.url = found[1]
                return
        raise SystemExit("the agent ended early")

    def metric(self, name: str) -> float:
        text = urllib.request.urlopen(self.url).read().decode()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def until(self, name: str, least: float) -> None:
        while self.metric(name) < least:
            time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait() == 0, "the agent did not end well"
        self.out.close()


@contextlib.contextmanager
def watching(programs: Programs, config: str, *more: str):
    """An agent that has seen all of them: itself, and the processor time until then."""
    with tempfile.TemporaryDirectory() as folder, Agent(folder, config, *more) as agent:
        agent.until("leakscope_rounds_total", 1)
        first = processor(agent.pid)
        missing = len(programs.running) - agent.metric("leakscope_processes")
        assert missing <= 0, f"{missing} processes are not watched"
        yield agent, first


def crowd(programs: Programs, count: int) -> None:
    for _ in range(count - JVMS):
        programs.go("still", "-period", "60s")
    for _ in range(JVMS):
        programs.jvm("-mode=0")


def cost() -> None:
    """Processor time of rounds of 30 seconds."""
    for count, rounds in ((100, 10), (1000, 6)):
        with Programs() as programs:
            crowd(programs, count)
            with watching(programs, OFTEN, "--interval", "30s") as (agent, first):
                time.sleep(31)
                before, since = processor(agent.pid), time.monotonic()
                agent.until("leakscope_rounds_total", 2 + rounds)
                used, passed = processor(agent.pid) - before, time.monotonic() - since
                print(
                    f"cost: {count} processes ({JVMS} JVMs) every 30 s over {passed:.0f} s: {1000 * used / passed:.2f} millicores,"
                    f" {1e6 * used / rounds / count:.0f} us a process and round; to find them {first:.2f} s of processor time;"
                    f" {shown(memory(agent.pid))}",
                    flush=True,
                )


def rings() -> None:
    """Memory with the floors of 14 days: as many buckets, but of 25 ms each."""
    config = '[floors]\nbucket = "25ms"\nkeep = "100800ms"\nwarm_up = "1s"\nstale = "60s"\n[evaluate]\nevery = "10s"\n[tests]\nmin_span = "60s"\n'
    with Programs() as programs:
        crowd(programs, 100)
        with watching(programs, config, "--interval", "2s") as (agent, _):
            early = memory(agent.pid)
            # A ring grows a little over what it keeps before it is cut.
            time.sleep(1.2 * 101)
            print(f"memory: 100 processes at first: {shown(early)}; with 4,032 floors of each series: {shown(memory(agent.pid))}", flush=True)


def latency() -> None:
    """Latency of a service under load, in pairs: nobody watching, and an agent that samples 150 times as often as by default."""
    pairs, seconds, rate = 30, 4, 250
    with Programs() as programs, tempfile.TemporaryDirectory() as folder:
        service = programs.start(str(OUT / "service"), "-healthy")
        def run() -> dict:
            load = (OUT / "load", "-address", service.truth["address"], "-rate", str(rate), "-requests", str(rate * seconds), "-clients", "4")
            return json.loads(subprocess.run(load, check=True, stdout=subprocess.PIPE, text=True).stdout)

        free, watched = [], []
        with Agent(folder, "", str(service.pid), "--interval", "200ms") as agent:
            agent.until("leakscope_rounds_total", 5)
            run()
            for pair in range(pairs):
                # Which comes first changes, so that a trend of the machine hits both.
                for with_agent in (pair % 2 == 0, pair % 2 == 1):
                    agent.process.send_signal(signal.SIGCONT if with_agent else signal.SIGSTOP)
                    (watched if with_agent else free).append(run())
            agent.process.send_signal(signal.SIGCONT)
        for name in ("p50_us", "p99_us"):
            a, b = [r[name] for r in free], [r[name] for r in watched]
            apart = sorted(100 * (y - x) / x for x, y in zip(a, b))
            low, high = apart[MEDIAN_LOW], apart[-1 - MEDIAN_LOW]
            print(
                f"latency: {name}, {pairs} pairs of {rate * seconds} requests: {statistics.median(a):.0f} us alone, {statistics.median(b):.0f} us"
                f" watched every 200 ms; watched is {statistics.median(apart):+.1f} % (95 % interval of the median {low:+.1f} to {high:+.1f} %,"
                f" {'no difference within the noise' if low <= 0 <= high else 'a difference'})",
                flush=True,
            )


def soak() -> None:
    """Memory and descriptors of the agent while it watches 100 processes, and others come and go a hundred times a minute."""
    minutes, config = 10, '[floors]\nbucket = "1s"\nkeep = "60s"\nwarm_up = "5s"\nstale = "60s"\n[evaluate]\nevery = "2s"\nwindows = ["30s"]\n[tests]\nmin_span = "20s"\n'
    # Under a name of its own, so that nothing else on the machine is watched.
    shutil.copy(OUT / "watched", OUT / "soaked")
    with Programs() as programs:
        for _ in range(100):
            programs.go("still", "-period", "60s", program="soaked")
        for mode in ("flat", "cache", "diurnal"):
            programs.go(mode, "-rate", "262144", program="soaked")
        jvm = programs.jvm("-mode=0")
        with watching(programs, config, "soaked", str(jvm.pid), "--interval", "500ms") as (agent, _):
            ended, begin = 0, time.monotonic()
            for minute in range(1, minutes + 1):
                while time.monotonic() < begin + 60 * minute:
                    guest = programs.go("leak", "-rate", "1048576", program="soaked")
                    time.sleep(0.6)
                    programs.end(guest)
                    ended += 1
                print(f"soak: minute {minute}: {ended} processes came and went, {shown(memory(agent.pid))}", flush=True)
            rounds, verdicts = agent.metric("leakscope_rounds_total"), (pathlib.Path(agent.out.name)).read_text().count("\n")
            print(f"soak: {rounds:.0f} rounds, {verdicts} verdicts, {processor(agent.pid):.1f} s of processor time", flush=True)


KINDS = {"cost": cost, "memory": rings, "latency": latency, "soak": soak}

if __name__ == "__main__":
    for kind in sys.argv[1:] or KINDS:
        KINDS[kind]()
