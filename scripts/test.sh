#!/usr/bin/env bash
# test.sh [--all]: installs what is missing, then lints and tests.
# Go versions are those marked "test" in scripts/go-versions.txt (tests of exactness also take those marked "swing", and
# builds marked "test" in scripts/go-builds.txt); --all takes every version and build, and writes docs/support.md anew.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --all ]; then
    export LEAKSCOPE_GO_VERSIONS=all
fi
cache="${LEAKSCOPE_CACHE:-$PWD/.cache}"

scripts/setup.sh
scripts/lint.sh
rm -f "$cache/skips.log" "$cache/matrix.log"
# `cargo xtask support` sums the output up.
mkdir -p "$cache"
cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$cache/tests.log"
echo "wall time: $SECONDS s" >>"$cache/tests.log"
scripts/check-skips.sh
if [ "${1:-}" = --all ]; then
    cargo xtask support
fi
