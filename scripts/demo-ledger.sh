#!/usr/bin/env bash
# demo-ledger.sh: builds leakscope, sends a healthy Go service 30,000 HTTP requests, and prints where its resident memory is once it
# is at rest: more than twice its heap, and nothing leaks. The example of docs/memory.md. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${LEAKSCOPE_CACHE:-$PWD/.cache}"

say() { printf '\n== %s\n' "$*" >&2; }

say "installing what is missing"
scripts/setup.sh --demo
version="$(scripts/go-versions.sh newest)"
go="$(scripts/go.sh "$version")"

say "building leakscope, and a web service with Go $version"
cargo build --release --locked --package leakscope-cli
leakscope="${CARGO_TARGET_DIR:-target}/release/leakscope"
mkdir -p "$cache/demo"
for program in service load; do
    (cd fixtures/go && GOTOOLCHAIN=local GOFLAGS='' GOWORK=off CGO_ENABLED=0 "$go" build -trimpath -o "$cache/demo/$program" "./cmd/$program")
done

# Where Yama lets only parents look into processes, the service allows it.
FIXTURE_ALLOW_TRACING=1 "$cache/demo/service" -healthy </dev/null >"$cache/demo/healthy.json" &
service=$!
stop() {
    kill "$service" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM
address=''
for _ in $(seq 100); do
    address="$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$cache/demo/healthy.json")"
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { echo "the service did not start within 10 s" >&2; exit 1; }
say "the service is process $service; sending 30,000 requests"
"$cache/demo/load" -address "$address" -requests 30000 -time 120s >&2
sleep 2

say "all are answered: leakscope ledger $service"
"$leakscope" ledger "$service"
