#!/usr/bin/env bash
# Runs a Java class with the distribution's jars. It reads the variables that Apache's script of this name reads and kstack sets.
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
# The archive of classes, where it was made, is for the jars in the order of its list, and where they were then.
classes="$home/libs/*" archive=
if [ -e "$home/classes.jsa" ] && [[ $(< "$home/classpath") == "$home/libs/"* ]]; then
    classes=$(< "$home/classpath") archive=-XX:SharedArchiveFile=$home/classes.jsa
fi
# What tests start is over soon: a JVM that compiles little takes half of the processor time for it.
: "${KAFKA_JVM_PERFORMANCE_OPTS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC}"
# With SASL both ends ask for the name of a broker's address, and a resolver that does not answer holds them up for 10 s each time:
# the file of names stands for it. Each variable is a list of options.
# shellcheck disable=SC2086
exec "$java" ${archive:+"$archive"} ${KAFKA_HEAP_OPTS--Xmx256M} $KAFKA_JVM_PERFORMANCE_OPTS ${KAFKA_GC_LOG_OPTS-} ${KAFKA_JMX_OPTS-} \
    "-Dkafka.logs.dir=${LOG_DIR:-$home/logs}" ${KAFKA_LOG4J_OPTS-} "-Djdk.net.hosts.file=$home/hosts" -cp "$classes" ${KAFKA_OPTS-} "$@"
