#!/usr/bin/env bash
# compare-dominators.sh DUMP [COUNT]: the COUNT (50) objects that retain most, beside what hprof-analyzer (a heap analyser that
# shares no code with leakscope, from crates.io) says of them, and beside its own largest. Ends with 1 if one differs without a
# reason that is known. A dump of 1 GB takes it some 4 minutes and 1 GB of memory; building it takes some 15 minutes once.
set -euo pipefail
cd "$(dirname "$0")/.."
dump="$(realpath "$1")"
count="${2:-50}"
version=0.3.2
tools="${LEAKSCOPE_CACHE:-$PWD/.cache}/hprof-analyzer-$version"
if [ ! -x "$tools/bin/hprof-analyzer" ]; then
    cargo install --locked --root "$tools" "hprof-analyzer@$version" >&2
fi
cargo build --locked --profile test -p leakscope-jvm --example retained
"${CARGO_TARGET_DIR:-target}/debug/examples/retained" "$dump" $((count + 200)) |
    python3 scripts/dominators.py "$tools/bin/hprof-analyzer" "$dump" "$count"
