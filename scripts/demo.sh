#!/usr/bin/env bash
# demo.sh: builds leakscope, starts a leaking Go service under real HTTP load, attaches to it while the load goes on,
# prints the report and stops everything. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${LEAKSCOPE_CACHE:-$PWD/.cache}"

say() { printf '\n== %s\n' "$*" >&2; }

say "installing what is missing"
scripts/setup.sh --demo
version="$(scripts/go-versions.sh newest)"
go="$(scripts/go.sh "$version")"

say "building leakscope"
cargo build --release --locked --package leakscope-cli
leakscope="${CARGO_TARGET_DIR:-target}/release/leakscope"

say "building a web service that leaks, with Go $version"
mkdir -p "$cache/demo"
for program in service load; do
    (cd fixtures/go && GOTOOLCHAIN=local GOFLAGS='' GOWORK=off CGO_ENABLED=0 "$go" build -trimpath -o "$cache/demo/$program" "./cmd/$program")
done

pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

# Where Yama lets only parents look into processes, the service allows it.
FIXTURE_ALLOW_TRACING=1 "$cache/demo/service" </dev/null >"$cache/demo/service.json" &
service=$!
pids+=("$service")
address=''
for _ in $(seq 100); do
    address="$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$cache/demo/service.json")"
    [ -n "$address" ] && break
    kill -0 "$service" 2>/dev/null || { echo "the service ended early" >&2; exit 1; }
    sleep 0.1
done
[ -n "$address" ] || { echo "the service did not start within 10 s" >&2; exit 1; }
say "the service listens on $address, process $service; sending 20,000 requests"
"$cache/demo/load" -address "$address" -requests 20000 >&2
"$cache/demo/load" -address "$address" -requests 30000 -rate 500 -time 60s >"$cache/demo/load.json" &
pids+=("$!")

say "the load goes on; attaching: leakscope analyze $service"
"$leakscope" analyze "$service"

stop
pids=()
say "keeping watch: the same service again, beside a twin that does not leak"
scripts/demo-observe.sh "$leakscope" "$cache/demo"
