#!/usr/bin/env bash
# agent.sh [cost|memory|latency|soak]...: measures the agent's figures of docs/agent.md and prints them; all of them by default,
# which takes about 35 minutes. `latency` alone takes less than five, once everything is built. `cost` and `memory` count the
# agent's own processor time and memory, which other work on the machine hardly changes; for `latency` let it do nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/apt.sh
. scripts/apt.sh
scripts/setup.sh
command -v python3 >/dev/null || apt_install python3
cargo build --release --locked --package leakscope-cli
mkdir -p bench/out
go="$(scripts/go.sh "$(scripts/go-versions.sh newest)")"
for program in watched service load; do
    (cd fixtures/go && GOTOOLCHAIN=local GOFLAGS='' GOWORK=off CGO_ENABLED=0 "$go" build -trimpath -o "../../bench/out/$program" "./cmd/$program")
done
jdk="$(scripts/jdk.sh 17)"
"$jdk/bin/javac" --release 17 -encoding UTF-8 -nowarn -d bench/out/classes fixtures/jvm/src/com/acme/*.java
JAVA="$jdk/bin/java" exec python3 bench/agent.py "$@"
