#!/usr/bin/env bash
# compare-retained.sh DUMP [COUNT]: the COUNT (50) objects that retain most, beside what the heap library of NetBeans (that
# of VisualVM), from Maven Central, says of them. It takes many times as long as leakscope: use a dump of some 100 MB at most.
set -euo pipefail
cd "$(dirname "$0")/.."
dump="$(realpath "$1")"
count="${2:-50}"
version=RELEASE220
repository="${LEAKSCOPE_CACHE:-$PWD/.cache}/maven"
jar="$repository/org/netbeans/modules/org-netbeans-lib-profiler/$version/org-netbeans-lib-profiler-$version.jar"
if [ ! -f "$jar" ]; then
    mvn -q -B -Dmaven.repo.local="$repository" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get \
        -Dartifact="org.netbeans.modules:org-netbeans-lib-profiler:$version" -Dtransitive=false >&2
fi
java="$(scripts/jdk.sh 17)/bin/java"
cargo build --locked --profile test -p leakscope-jvm --example retained
"${CARGO_TARGET_DIR:-target}/debug/examples/retained" "$dump" "$count" held |
    "$java" -Xmx2g -cp "$jar" scripts/Retained.java "$dump"
