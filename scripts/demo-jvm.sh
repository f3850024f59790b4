#!/usr/bin/env bash
# demo-jvm.sh: builds leakscope, starts a leaking JVM program, dumps it through the attach protocol before and after it has leaked
# more, says who holds what and what grew, and stops everything. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${LEAKSCOPE_CACHE:-$PWD/.cache}"

say() { printf '\n== %s\n' "$*" >&2; }

say "installing what is missing"
jdk="$(scripts/jdk.sh 17)"

say "building leakscope"
cargo build --release --locked --package leakscope-cli
leakscope="${CARGO_TARGET_DIR:-target}/release/leakscope"

say "building a program that leaks"
folder="$cache/demo-jvm"
rm -rf "$folder"
mkdir -p "$folder/classes"
find fixtures/jvm/src -name '*.java' -print0 | xargs -0 "$jdk/bin/javac" --release 17 -d "$folder/classes"

mkfifo "$folder/ask"
exec 3<>"$folder/ask"
"$jdk/bin/java" -Xmx512m -cp "$folder/classes" com.acme.Leaks <&3 >"$folder/answers" &
program=$!
stop() {
    kill "$program" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

# answers N: waits until the program has answered N times.
answers() {
    for _ in $(seq 300); do
        [ "$(wc -l <"$folder/answers")" -ge "$1" ] && return
        kill -0 "$program" 2>/dev/null || { echo "the program ended early" >&2; exit 1; }
        sleep 0.1
    done
    echo "the program did not answer within 30 s" >&2
    exit 1
}
answers 1

say "process $program runs; its heap now: leakscope snap $program -o first.hprof"
"$leakscope" snap "$program" -o "$folder/first.hprof"
say "the program goes on leaking"
printf 'grow 20000\n' >&3
answers 2
"$leakscope" snap "$program" -o "$folder/second.hprof"

say "who holds what: leakscope analyze second.hprof"
"$leakscope" analyze "$folder/second.hprof"
say "what grew: leakscope diff first.hprof second.hprof"
"$leakscope" diff "$folder/first.hprof" "$folder/second.hprof"
