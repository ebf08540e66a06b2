#!/bin/bash
# hunt.sh PROGRAM ARGS... as a test of Bazel ("Test encyclopedia"): shards, XML and outputs.
set -eu

options=(--seed "${RRTEST_SEED:-1}" --out "${TEST_UNDECLARED_OUTPUTS_DIR:-${TEST_TMPDIR:-.}}/rrtest-out")
# `auto` takes the shard from TEST_SHARD_INDEX and TEST_TOTAL_SHARDS, and makes TEST_SHARD_STATUS_FILE,
# by which Bazel knows a test that knows shards. There is one test, so its runs are what is divided.
[ -z "${TEST_TOTAL_SHARDS:-}" ] || options+=(--shard auto --shard-by runs)
[ -z "${XML_OUTPUT_FILE:-}" ] || options+=(--report "junit=$XML_OUTPUT_FILE")
exec rrtest run "${options[@]}" -- "$@"
