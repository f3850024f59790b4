#!/usr/bin/env bash
# jvm.sh [--quick]: measures leakscope on heap dumps of the fixture program Big and writes the JVM part of docs/benchmarks.md.
# Takes some ten minutes, up to 9 GB of disk in $TMPDIR (by default /var/tmp) and 14 GB of memory (larger dumps are left out where
# these are not there); let the machine do nothing else meanwhile. --quick measures each thing once, on dumps up to 1 GB, and
# writes to bench/out only.
#
# Other tools are measured beside it if they are here: hprof-slurp and hprof-analyzer on the PATH (`cargo install` has both),
# Eclipse Memory Analyzer where $MAT_HOME says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/apt.sh
. scripts/apt.sh
command -v python3 >/dev/null || apt_install python3
JDK="$(scripts/jdk.sh 17)"
export JDK
cargo build --release --locked --package leakscope-cli
mkdir -p bench/out/jvm-classes
"$JDK/bin/javac" --release 17 -d bench/out/jvm-classes -sourcepath fixtures/jvm/src fixtures/jvm/src/com/acme/Big.java
exec python3 bench/jvm.py "$@"
