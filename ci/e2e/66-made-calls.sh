#!/bin/bash
# System calls of code that no image plan covers are patched once they are made, under every schedule, and put
# back when the program changes the code; what cannot be patched is refused or left alone.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

for patching in static lazy; do
    for strategy in round-robin random; do
        case_begin "made code, $patching, $strategy"
        run "$PROGRAMS/made_calls"
        expect_status 0
        cp "$OUT" native
        run rrtest record --quiet -o trace --patching $patching --strategy $strategy --seed 3 -- "$PROGRAMS/made_calls"
        expect_status 0
        expect_same native "$OUT"
        expect [ "$(stat_of trace applied)" -gt 5 ]
        # where others can run, every call is a decision
        buffered=$("$RRTEST" stats trace | sed -n 's/^syscalls\.buffered *//p')
        [ $strategy = random ] || expect [ "$buffered" -gt 6000 ]
        expect [ "$(stat_of trace stray_entries)" = 0 ]
        run rrtest replay --quiet --verify trace
        expect_status 0
        expect_same native "$OUT"
    done
done

case_begin "code that stays writable is not written"
run rrtest record --quiet -o trace --patching static -- "$PROGRAMS/made_calls" writable
expect_status 0
expect [ "$(stat_of trace applied)" = 0 ]

case_begin "a function that the program has changed is not taken for the image's"
run rrtest record -o trace --patching lazy -- "$PROGRAMS/made_calls" text
expect_status 0
expect_stdout "text: ok"
expect_stderr_has "may change the code of"
run rrtest replay --quiet --verify trace
expect_status 0

case_begin "a patch that finds no room for its stub is given up, and counted so"
run rrtest record --quiet -o trace --patching static -- "$PROGRAMS/made_calls" crowded
expect_status 0
expect [ "$(stat_of trace applied)" = 0 ]
expect [ "$(stat_of trace retried)" = 0 ]
expect [ "$(stat_of trace abandoned)" -gt 0 ]
run rrtest replay --quiet --verify trace
expect_status 0

case_begin "code that changed under a call is looked at afresh"
run rrtest record --quiet -o trace --patching static -- "$PROGRAMS/made_calls" rewritten
expect_status 0
expect_stdout "rewritten: ok"
expect [ "$(stat_of trace abandoned)" = 1 ]
expect [ "$(stat_of trace applied)" -gt 0 ]
run rrtest replay --quiet --verify trace
expect_status 0

case_begin "int 0x80 is refused by name"
run rrtest record -o trace -- "$PROGRAMS/made_calls" int80
expect_status 125
expect_stderr_has "int 0x80"
finish
