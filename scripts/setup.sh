#!/usr/bin/env bash
# setup.sh [--demo]: installs what tests need and is not here yet: a C compiler, gdb (for cores), Java, Go toolchains.
# With --demo only what the demonstration needs. Safe to run again; says what it did.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/apt.sh
. "$here/apt.sh"

say() { printf 'setup: %s\n' "$*" >&2; }

# need COMMAND PACKAGE...: installs the packages if the command is not there.
need() {
    local command="$1"
    shift
    command -v "$command" >/dev/null || apt_install "$@"
}

if ! command -v cargo >/dev/null; then
    say "Rust is missing: install it as https://rustup.rs says, then run this again"
    exit 1
fi
need cc gcc libc6-dev
if [ "${1:-}" = --demo ]; then
    versions="$("$here/go-versions.sh" newest)"
else
    need make make
    need prlimit util-linux
    # Without gdb, tests on its cores are skipped, loudly: that is for machines where nothing can be installed.
    need gcore gdb || say "going on without gdb's gcore"
    versions="$("$here/go-versions.sh")"
    for major in 17 25; do
        say "Java $major: $("$here/jdk.sh" "$major")"
    done
fi
for version in $versions; do
    go="$("$here/go.sh" "$version")"
    say "Go $version: $go"
done
