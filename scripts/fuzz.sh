#!/usr/bin/env bash
# fuzz.sh [hprof|replay] [MINUTES [SEED]]: damages heap dumps, or histories for `replay`, and reads them for so long (10
# minutes), in at most 4 GB of memory. Needs nothing but the toolchain of this repository. Ends with 1 if something was
# found: the seed makes it again.
set -euo pipefail
cd "$(dirname "$0")/.."
what=hprof
if [[ "${1:-}" = hprof || "${1:-}" = replay ]]; then
    what="$1"
    shift
fi
minutes="${1:-10}"
seed=()
if [ $# -ge 2 ]; then seed=(--seed "$2"); fi
case "$what" in
    hprof) package=leakscope-jvm example=fuzz more=(--corpus fuzz/corpus/hprof) ;;
    replay) package=leakscope-cli example=fuzz_replay more=() ;;
esac

# As tests are built: checks of arithmetic and of invariants are on.
target="${CARGO_TARGET_DIR:-target}"
cargo build --locked --profile test -p "$package" --example "$example"
ulimit -v $((4 << 20))
last="$target/fuzz-last-seed"
if ! RAYON_NUM_THREADS=2 "$target/debug/examples/$example" --minutes "$minutes" --last "$last" "${more[@]}" "${seed[@]}"; then
    echo "fuzz.sh: the seed of the last run was $(cat "$last")" >&2
    exit 1
fi
