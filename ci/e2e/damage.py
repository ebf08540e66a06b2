#!/usr/bin/env python3
"""Damage a trace one byte at a time and replay it: an error or the correct replay, nothing else.

damage.py RRTEST TRACE POSITIONS SEED EXPECTED_STATUS EXPECTED_OUTPUT
POSITIONS 0: every byte of every file; else that many drawn ones. At each the byte is flipped, then the file
cut there. Prints one line per violation and ends with the number of replays."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

ERRORS = (125, 70)


def replay(rrtest, trace):
    try:
        done = subprocess.run([rrtest, "replay", "--verify", trace], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return None, b"", b""
    return done.returncode, done.stdout, done.stderr


def verdict(result, status, output):
    code, out, err = result
    if code is None:
        return "it hangs"
    if code in ERRORS:
        return None if err.strip() else "an error without a message"
    if code < 0:
        return f"killed by signal {-code}"
    if code == status and out == output:
        return None
    if b"trace ends early" in err and output.startswith(out):
        return None  # what is left was replayed, and it is said
    return f"accepted with status {code}, {len(out)} bytes of output"


def main():
    rrtest, trace, positions, seed, status, output = sys.argv[1:]
    positions, seed, status = int(positions), int(seed), int(status)
    with open(output, "rb") as file:
        output = file.read()
    places = []
    for folder, _, names in os.walk(trace):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), trace)
            if path in ("stdout", "stderr"):
                continue  # copies for people; replay reads the events
            places += [(path, at) for at in range(os.path.getsize(os.path.join(folder, name)))]
    if positions:
        places = random.Random(seed).sample(places, min(positions, len(places)))
    bad = count = 0
    with tempfile.TemporaryDirectory() as scratch:
        copy = os.path.join(scratch, "trace")
        shutil.copytree(trace, copy)
        for path, at in places:
            target = os.path.join(copy, path)
            with open(os.path.join(trace, path), "rb") as file:
                whole = file.read()
            for kind in ("flip", "cut"):
                damaged = bytearray(whole)
                if kind == "flip":
                    damaged[at] ^= 1 << (at % 8)
                else:
                    del damaged[at:]
                os.unlink(target)
                with open(target, "wb") as file:
                    file.write(damaged)
                problem = verdict(replay(rrtest, copy), status, output)
                count += 1
                if problem:
                    bad += 1
                    print(f"{kind} of {path} at {at}: {problem}")
            os.unlink(target)
            shutil.copy2(os.path.join(trace, path), target)
    print(f"{count} replays, {bad} violations")
    return 1 if bad else 0


sys.exit(main())
