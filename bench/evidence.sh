#!/usr/bin/env bash
# evidence.sh [SEEDS]: how often a look into the heap errs about what grows, on real processes: the table of docs/trend.md.
# One seed for each version of a runtime unless told otherwise; about five minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/apt.sh
. scripts/apt.sh
scripts/setup.sh
command -v python3 >/dev/null || apt_install python3
cargo build --release --locked --package leakscope-cli
mkdir -p bench/out
programs=()
for version in "$(scripts/go-versions.sh | head -n 1)" "$(scripts/go-versions.sh newest)"; do
    go="$(scripts/go.sh "$version")"
    (cd fixtures/go && GOTOOLCHAIN=local GOFLAGS='' GOWORK=off CGO_ENABLED=0 "$go" build -trimpath -o "../../bench/out/growing-$version" ./cmd/growing)
    programs+=(--go "bench/out/growing-$version")
done
for version in 17 25; do
    programs+=(--java "$(scripts/jdk.sh "$version")/bin/java")
done
"$(scripts/jdk.sh 17)/bin/javac" --release 17 -encoding UTF-8 -nowarn -d bench/out/classes fixtures/jvm/src/com/acme/*.java
exec python3 bench/evidence.py "${programs[@]}" --seeds "${1:-1}"
