#!/bin/bash
# hunt.sh PROGRAM ARGS... as a test of Bazel ("Test encyclopedia"): shards, XML and outputs.
set -eu

# Bazel takes a test for one that knows shards if it makes this file.
[ -z "${TEST_SHARD_STATUS_FILE:-}" ] || touch "$TEST_SHARD_STATUS_FILE"

options=(--seed "${RRTEST_SEED:-1}" --out "${TEST_UNDECLARED_OUTPUTS_DIR:-${TEST_TMPDIR:-.}}/rrtest-out")
# `auto` takes the shard from TEST_SHARD_INDEX and TEST_TOTAL_SHARDS.
[ -z "${TEST_TOTAL_SHARDS:-}" ] || options+=(--shard auto)
[ -z "${XML_OUTPUT_FILE:-}" ] || options+=(--report "junit=$XML_OUTPUT_FILE")
exec rrtest run "${options[@]}" -- "$@"
