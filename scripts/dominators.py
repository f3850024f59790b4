#!/usr/bin/env python3
"""dominators.py ANALYZER DUMP COUNT: reads lines of id, retained bytes, class and own bytes, the largest first, and says what
hprof-analyzer says of the first COUNT.

Two questions, since either list could leave objects out: what that tool says that each of these objects retains; and whether
its own largest, found from the root of its dominator tree down, are among these. Objects of java.lang.Class are left out on both
sides: there a class holds its static fields, which are roots of their own here. What differs is told with the reason, where that
can be seen in what that tool says itself. Ends with 1 if anything differs for another.
"""

import heapq
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import typing

# The most children of a node, and the most levels, that it tells; those that retain most come first.
WIDTH, DEPTH = 50, 8
CLASS = "java.lang.Class"
LOADER = "there a class loader holds its classes and what is in their static fields"


class Row(typing.NamedTuple):
    """An object that retains much, by leakscope."""

    id: int
    bytes: int
    type: str
    own: int


class Largest(typing.NamedTuple):
    """The other tool's largest objects, as index, bytes, class and whether a loader holds them; none left out is above `unseen`."""

    found: list
    unseen: int


def is_loader(name: str) -> bool:
    return re.search(r"ClassLoader(s\$\w+)?$", name) is not None


class Analyzer:
    """hprof-analyzer with a dump. It keeps what it worked out in a folder beside the dump."""

    def __init__(self, program: str, dump: pathlib.Path):
        self.program, self.dump = program, dump
        self.run("load", dump)

    def run(self, *words: object) -> str:
        command = [self.program, "heap", *map(str, words)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def figures(self, rows: list) -> dict:
        """What it says of these objects: by id their index and retained bytes."""
        by_type: dict = {}
        for row in rows:
            by_type.setdefault(row.type, []).append(f"x.@objectAddress = {row.id}")
        queries = [
            f"SELECT @objectId AS i, @objectAddress AS id, @retainedHeapSize AS bytes FROM {name} x WHERE {' OR '.join(ids)}"
            for name, ids in by_type.items()
        ]
        answer = json.loads(self.run("query", self.dump, "--json", "--oql", " UNION ".join(queries)))
        return {identity: (index, retained) for index, identity, retained in answer["rows"]}

    def largest(self, count: int) -> Largest:
        """Its largest objects that are no classes. No object retains more than what dominates it."""
        found: list = []
        ahead: list = []
        unseen = 0
        node, under_loader = self.below(depth=1), False
        while len(found) < count:
            children = node["children"]
            if len(children) == WIDTH:
                unseen = max(unseen, children[-1]["retained_bytes"])
            for child in children:
                heapq.heappush(ahead, (-child["retained_bytes"], child["index"], child["class"], under_loader))
            if not ahead:
                break
            less, index, name, under_loader = heapq.heappop(ahead)
            if name != CLASS:
                found.append((index, -less, name, under_loader))
            # What a class holds is a root of its own here again.
            under_loader = name != CLASS and (under_loader or is_loader(name))
            node = self.below("--index", index, depth=1)
        return Largest(found, unseen)

    def below(self, *words: object, depth: int) -> dict:
        return json.loads(self.run("browse", self.dump, "--json", "--depth", depth, "--width", WIDTH, *words))

    def inspect(self, index: int) -> dict:
        return json.loads(self.run("inspect", self.dump, "--json", "--index", index))

    def weakly(self, index: int) -> int:
        """How much of what it says an object holds, eight levels down, is held through the referent of a reference object."""
        reference: dict = {}
        held, ahead = 0, [self.below("--index", index, depth=DEPTH)]
        while ahead:
            node = ahead.pop()
            name, children = node["class"], node["children"]
            if children and name not in reference:
                fields = self.inspect(node["index"]).get("fields") or []
                reference[name] = any(f["class"] == "java/lang/ref/Reference" and f["name"] == "referent" for f in fields)
            if children and reference[name]:
                held += sum(child["retained_bytes"] for child in children)
            else:
                ahead.extend(children)
        return held

    def reason(self, row: Row, index: int, theirs: int) -> str | None:
        """Why it says something else, where that can be seen."""
        if is_loader(row.type):
            return LOADER
        own = self.inspect(index)["shallow_bytes"]
        if row.bytes - theirs == row.own - own:
            return f"the object itself has {row.own} bytes here and {own} there"
        if theirs > row.bytes and self.weakly(index) == theirs - row.bytes:
            return f"{theirs - row.bytes} bytes are held through weak references alone"
        return None


def main() -> None:
    lines = [line.rstrip("\n").split("\t")[:4] for line in sys.stdin]
    rows = [Row(int(i), int(b), name, int(own)) for i, b, name, own in lines if name != CLASS][: int(sys.argv[3])]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        link = pathlib.Path(folder) / "heap.hprof"
        link.symlink_to(sys.argv[2])
        tool = Analyzer(sys.argv[1], link)
        sys.exit(1 if compare(rows, tool) else 0)


def compare(rows: list, tool: Analyzer) -> int:
    """Prints what differs, and counts that for which there is no reason."""
    figures, largest = tool.figures(rows), tool.largest(len(rows))
    agree = among = unexplained = 0
    for row in rows:
        index, theirs = figures.get(row.id, (None, None))
        if theirs == row.bytes:
            agree += 1
            continue
        reason = None if index is None else tool.reason(row, index, theirs)
        unexplained += reason is None
        there = "no such object" if index is None else f"{theirs:,}"
        print(f"{row.id:#x} {row.type}: {row.bytes:,} here, {there} there: {reason or 'reason not known'}")
    print(f"{agree} of {len(rows)} retain the same")
    mine = {index for index, _ in figures.values()}
    for index, theirs, name, under_loader in largest.found:
        # One that only that tool lists is as large as the least of these, or it is missing here.
        if index in mine or theirs <= rows[-1].bytes:
            among += 1
            continue
        unexplained += not under_loader
        print(f"{name} (index {index} there): {theirs:,} there, not listed here: {LOADER if under_loader else 'reason not known'}")
    print(f"{among} of its own {len(largest.found)} largest are listed here, or no larger than the least of these")
    if largest.unseen > rows[-1].bytes:
        print(f"it does not tell all objects of less than {largest.unseen:,} bytes")
    return unexplained


if __name__ == "__main__":
    main()
