#!/usr/bin/env bash
# run.sh [--quick]: measures the figures of docs/benchmarks.md and writes that file. Takes some minutes and about 6 GB of
# memory; let the machine do nothing else meanwhile. --quick measures each thing once and writes to bench/out only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/apt.sh
. scripts/apt.sh
scripts/setup.sh
command -v python3 >/dev/null || apt_install python3
cargo build --release --locked --package leakscope-cli
cargo build --release --locked --package leakscope-go --example ranges --example counters --example memory
cargo build --release --locked --package leakscope-graph --example synthetic
mkdir -p bench/out
cc -O2 -Wall -Wextra -pthread -o bench/out/floor bench/floor.c
exec python3 bench/run.py "$@"
