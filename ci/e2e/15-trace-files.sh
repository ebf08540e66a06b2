#!/bin/bash
# Traces with whole files missing or exchanged, and what dump and stats say of damage. (80-damage.sh has the
# damage byte by byte.)
. "$(dirname "$0")/lib.sh"

case_begin "whole files missing or exchanged"
run rrtest record -q -o trace "$PROGRAMS/nolibc"
run rrtest record -q -o other "$PROGRAMS/hello"
for file in events.zst data.zst meta.json images/index; do
    cp -r trace missing
    rm "missing/$file"
    run rrtest replay missing
    expect_status 125
    expect_stderr_has "rrtest: "
    cp "other/$file" "missing/$file"
    run rrtest replay --verify missing
    expect [ "$STATUS" = 125 -o "$STATUS" = 70 ]
    rm -rf missing
done

for command in dump stats; do
    case_begin "$command of a damaged trace: an error that names the place"
    run rrtest record -q -o trace "$PROGRAMS/hello"
    size=$(stat -c %s trace/events.zst)
    printf '\377' | dd of=trace/events.zst bs=1 seek=$((size / 2)) conv=notrunc status=none
    run rrtest $command trace
    expect [ "$STATUS" != 0 ]
    expect_stderr_matches 'frame|offset'
done

finish
