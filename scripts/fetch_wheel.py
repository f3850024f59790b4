#!/usr/bin/env python3
"""fetch_wheel.py PACKAGE VERSION MACHINE OUT: downloads one Linux wheel of exactly that version from the package index.

pip is used when it is there (it knows the machine's index and proxy settings); else the index is read with urllib.
The sha256 that the index states is checked.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request


def with_pip(package: str, version: str, out: pathlib.Path) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", folder, f"{package}=={version}"]
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode != 0:
            return False
        wheels = list(pathlib.Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            return False
        shutil.move(wheels[0], out)
        return True


def with_urllib(package: str, version: str, machine: str, out: pathlib.Path) -> bool:
    index = os.environ.get("LEAKSCOPE_PYPI_JSON", "https://pypi.org/pypi")
    with urllib.request.urlopen(f"{index}/{package}/{version}/json", timeout=60) as answer:
        files = json.load(answer)["urls"]
    fitting = [f for f in files if f["filename"].endswith(".whl") and "linux" in f["filename"] and machine in f["filename"]]
    if not fitting:
        print(f"fetch_wheel.py: no Linux wheel of {package} {version} for {machine}", file=sys.stderr)
        return False
    with urllib.request.urlopen(fitting[0]["url"], timeout=600) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != fitting[0]["digests"]["sha256"]:
        print(f"fetch_wheel.py: {fitting[0]['filename']} does not have the stated sha256", file=sys.stderr)
        return False
    out.write_bytes(data)
    return True


def main() -> int:
    if len(sys.argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    package, version, machine, out = sys.argv[1], sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])
    if with_pip(package, version, out):
        return 0
    try:
        return 0 if with_urllib(package, version, machine, out) else 1
    except OSError as error:
        print(f"fetch_wheel.py: {package} {version}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
