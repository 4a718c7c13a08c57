#!/usr/bin/env bash
# Runs a Java class with the distribution's jars. It reads the variables that Apache's script of this name reads and kstack sets.
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
# A client with SASL asks for the name of each broker's address, and a resolver that does not answer holds it up for 10 s each time.
names=
[ "${1-}" = kafka.Kafka ] || names="-Djdk.net.hosts.file=$home/hosts"
# Each variable is a list of options.
# shellcheck disable=SC2086
exec "$java" ${KAFKA_HEAP_OPTS--Xmx256M} ${KAFKA_JVM_PERFORMANCE_OPTS-} ${KAFKA_GC_LOG_OPTS-} ${KAFKA_JMX_OPTS-} \
    "-Dkafka.logs.dir=${LOG_DIR:-$home/logs}" ${KAFKA_LOG4J_OPTS-} ${names:+"$names"} -cp "$home/libs/*" ${KAFKA_OPTS-} "$@"
