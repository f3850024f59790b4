#!/usr/bin/env bash
# demo-observe.sh LEAKSCOPE FOLDER: the last step of demo.sh. FOLDER has the programs `service` and `load`. Starts the leaking
# service and its healthy twin, sends both the same requests, and lets `leakscope agent --observe` watch them: it must flag the
# leak, and must not flag the twin. Windows are seconds long, by configuration (demo-observe.toml); nothing else is special.
set -euo pipefail
leakscope="$1"
folder="$2"
config="$(dirname "${BASH_SOURCE[0]}")/demo-observe.toml"
# The leak is there at the latest after so many seconds; the twin is watched as long.
patience=150
least=75
rate=300

say() { printf '\n== %s\n' "$*" >&2; }

pids=()
work="$(mktemp -d)"
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# start NAME ARGUMENTS...: a service, as $started, with its load. It collects often, as services in small containers do: only
# collections tell what lives.
start() {
    local name="$1" address=''
    shift
    GOGC=20 FIXTURE_ALLOW_TRACING=1 "$folder/service" "$@" </dev/null >"$work/$name.json" &
    started=$!
    pids+=("$started")
    for _ in $(seq 100); do
        address="$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$work/$name.json")"
        [ -n "$address" ] && break
        sleep 0.1
    done
    [ -n "$address" ] || { echo "the service did not start within 10 s" >&2; exit 1; }
    "$folder/load" -address "$address" -requests 1000000 -rate "$rate" -clients 4 -time "${patience}s" >"$work/$name.load" &
    pids+=("$!")
}

start leaking
leaking=$started
start healthy -healthy
healthy=$started
say "the leaking service is process $leaking, the same service without the leaks $healthy; both get $rate requests a second"

say "leakscope agent --observe $leaking $healthy --config demo-observe.toml --store watch.db"
"$leakscope" agent --observe "$leaking" "$healthy" --config "$config" --store "$work/watch.db" >"$work/verdicts" 2>"$work/remarks" &
agent=$!
pids+=("$agent")

# flagged PID: how many verdicts call something of that process a leak; with a channel, of that channel.
flagged() { grep -c "\"verdict\":\"leak\".*\"channel\":\"${2:-}.*\"pid\":$1," "$work/verdicts" || true; }

for second in $(seq "$patience"); do
    kill -0 "$agent" 2>/dev/null || { cat "$work/remarks" >&2; echo "the agent ended early" >&2; exit 1; }
    [ "$second" -ge "$least" ] && [ "$(flagged "$leaking" heap_floor)" -gt 0 ] && break
    sleep 1
done
kill "$agent"
wait "$agent"

# A verdict is a line of JSON; here are the fields that matter most.
printf '%8s  %-8s  %-24s %-8s %5s   %s\n' PROCESS IS CHANNEL VERDICT RISK WAS
sed -nE 's/.*"verdict":"([^"]*)","from":"([^"]*)","channel":"([^"]*)","risk":([0-9]+).*"pid":([0-9]+),.*/\5 \3 \1 \4 \2/p' "$work/verdicts" |
    while read -r pid channel verdict risk was; do
        is=leaking
        [ "$pid" = "$healthy" ] && is=healthy
        printf '%8s  %-8s  %-24s %-8s %5s   %s\n' "$pid" "$is" "$channel" "$verdict" "$risk" "$was"
    done

[ "$(flagged "$leaking" heap_floor)" -gt 0 ] || { echo "the leak was not flagged" >&2; exit 1; }
[ "$(flagged "$healthy")" = 0 ] || { echo "the healthy twin was flagged" >&2; exit 1; }
say "the leak is flagged, its healthy twin is not; why:"
decision="$(sed -nE "s/.*\"id\":([0-9]+),.*\"verdict\":\"leak\".*\"channel\":\"heap_floor\".*\"pid\":$leaking,.*/\1/p" "$work/verdicts" | head -1)"
"$leakscope" explain "$decision" --store "$work/watch.db"
