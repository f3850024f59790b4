#!/usr/bin/env python3
"""fetch_wheel.py PACKAGE VERSION MACHINE OUT: downloads one Linux wheel of exactly that version from the package index.

pip is used when it is there (it knows the machine's index and proxy settings); else the index is read with urllib.
The sha256 that the index states is checked.
"""

import hashlib
import html.parser
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
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


class Links(html.parser.HTMLParser):
    """The links of a package's page in a simple index (PEP 503)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def with_urllib(package: str, version: str, machine: str, out: pathlib.Path) -> bool:
    page = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + f"/{package}/"
    with urllib.request.urlopen(page, timeout=60) as answer:
        links = Links()
        links.feed(answer.read().decode())
    prefix = f"{package.replace('-', '_')}-{version}-"
    for link in links.found:
        address, _, digest = urllib.parse.urljoin(page, link).partition("#sha256=")
        name = address.rsplit("/", 1)[-1]
        if name.startswith(prefix) and name.endswith(".whl") and "linux" in name and machine in name:
            with urllib.request.urlopen(address, timeout=600) as answer:
                data = answer.read()
            if digest and hashlib.sha256(data).hexdigest() != digest:
                print(f"fetch_wheel.py: {name} does not have the stated sha256", file=sys.stderr)
                return False
            out.write_bytes(data)
            return True
    print(f"fetch_wheel.py: no Linux wheel of {package} {version} for {machine}", file=sys.stderr)
    return False


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
