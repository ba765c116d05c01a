#!/bin/sh
# The Java virtual machine: its compiler, collector and application threads (Java.java), and its own compiler, javac.
. "$(dirname "$0")/lib.sh"
need java javac
ours javac -d "$T" "$HERE/Java.java"
result $? 'javac' || finish
proof 4 'javac'
for collector in Serial G1; do
    ours java -Xmx128m -XX:-UsePerfData "-XX:+Use${collector}GC" -cp "$T" Java >"$T/out"
    result $? "java, $collector collector" || note <"$T/out"
    grep -q '^all right' "$T/out"
    result $? "java, $collector collector: results"
    proof 320 "java, $collector collector"
done
finish
