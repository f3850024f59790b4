#!/usr/bin/env bash
# fuzz.sh [MINUTES [SEED]]: damages heap dumps and reads them for so long (10 minutes), in at most 4 GB of memory.
# Needs nothing but the toolchain of this repository. Ends with 1 if something was found: the seed makes it again.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes="${1:-10}"
seed=()
if [ $# -ge 2 ]; then seed=(--seed "$2"); fi

# As tests are built: checks of arithmetic and of invariants are on.
target="${CARGO_TARGET_DIR:-target}"
cargo build --locked --profile test -p leakscope-jvm --example fuzz
ulimit -v $((4 << 20))
last="$target/fuzz-last-seed"
if ! RAYON_NUM_THREADS=2 "$target/debug/examples/fuzz" --minutes "$minutes" --corpus fuzz/corpus/hprof --last "$last" "${seed[@]}"; then
    echo "fuzz.sh: the seed of the last run was $(cat "$last")" >&2
    exit 1
fi
