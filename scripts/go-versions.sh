#!/usr/bin/env bash
# go-versions.sh [newest]: prints the Go versions that tests run, as scripts/go-versions.txt says, one per line.
# LEAKSCOPE_GO_VERSIONS changes them: "all", or a list of versions. With "newest" only the last line of the file.
set -euo pipefail
list="$(dirname "${BASH_SOURCE[0]}")/go-versions.txt"
wanted="${LEAKSCOPE_GO_VERSIONS:-}"
if [ "${1:-}" = newest ]; then
    grep -v '^#' "$list" | awk 'NF { version = $1 } END { print version }'
elif [ -n "$wanted" ] && [ "$wanted" != all ]; then
    tr ' ,' '\n\n' <<<"$wanted" | grep .
else
    grep -v '^#' "$list" | awk -v all="$wanted" 'NF && ($2 == "test" || all == "all") { print $1 }'
fi
