#!/bin/bash
# Damaged traces: with any byte changed, or cut anywhere, replay reports an error or is correct. It never
# crashes, hangs, or accepts the damage silently. By hand, E2E_DAMAGE=all tries every byte of every file of
# the static program's trace (some 70 000 replays); otherwise every byte of the small files, and a draw
# from the others.
. "$(dirname "$0")/lib.sh"
TIMEOUT=${E2E_TIMEOUT:-800}

# damage TRACE PLACES...
damage() {
    run python3 "$E2E/damage.py" "$RRTEST" "$@"
    expect_status 0
    holds && sed 's/^/    /' "$OUT" >&2
}

case_begin "a static program without libc: events, data and index at every byte, the rest drawn"
run rrtest record -q -o trace "$PROGRAMS/nolibc"
expect_status 0
if [ "${E2E_DAMAGE:-}" = all ]; then
    TIMEOUT=7200 damage trace all
else
    damage trace events.zst=all data.zst=all images/index=all 600
fi
expect_stdout_has refused

case_begin "a dynamic program: 1000 drawn places"
run rrtest record -q -o trace --strategy random --seed 3 "$PROGRAMS/racy"
expect_status 0
damage trace events.zst=250 data.zst=250 meta.json=250 images=250
expect_stdout_has refused

case_begin "silent acceptance would be noticed (negative control)"
cat >accept <<'SH'
#!/bin/sh
# A replay that looks at nothing but its first file's first bytes.
trace=$3
[ "$(wc -c <"$trace/stdout")" = 3 ] || exit 1
exit 0
SH
chmod +x accept
mkdir trace
printf abc >trace/stdout
run python3 "$E2E/damage.py" ./accept trace all
expect_status 1
expect_stdout_has "accepted silently"

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
