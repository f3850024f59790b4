#!/usr/bin/env bash
# check-skips.sh: lists what the last test run skipped, and fails if docs/test-health.md does not accept a reason.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
log="${LEAKSCOPE_CACHE:-$root/.cache}/skips.log"
accepted="$root/docs/test-health.md"

if [ ! -s "$log" ]; then
    echo "no test was skipped"
    exit 0
fi
echo "$(sort -u "$log" | wc -l) tests were skipped:"
sort -u "$log"
refused=0
while read -r id; do
    if ! grep -q "^| \`$id\` |" "$accepted"; then
        echo "skip $id is not accepted: either make the test run, or add the reason to docs/test-health.md" >&2
        refused=1
    fi
done < <(sed -n 's/^SKIP: \([^:]*\):.*/\1/p' "$log" | sort -u)
exit "$refused"
