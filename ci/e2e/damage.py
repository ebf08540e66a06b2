#!/usr/bin/env python3
"""Damage a trace in many places and replay it each time.

    damage.py RRTEST TRACE (all | COUNT | FILE=all | FILE=COUNT)... [--seed S]

Places are (file, offset, flip | cut): the byte at the offset changed, or the file ended there. `all` takes
every offset of the files not named otherwise, COUNT draws that many places among them. Each replay must
be correct (status, stdout and stderr as without damage), or say on stderr what is wrong and exit with 125
or 70, or say that the trace ends early. Anything else is printed: a crash, a hang, silent acceptance.
Exit status 1 if there was any; the last line counts outcomes."""
import collections
import concurrent.futures
import os
import random
import shutil
import subprocess
import sys
import tempfile

TIME_LIMIT = 60


def replay(rrtest, trace):
    try:
        process = subprocess.run([rrtest, "replay", "--verify", trace], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                 timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return None, b"", b""
    return process.returncode, process.stdout, process.stderr


def files_of(trace):
    for folder, _, names in os.walk(trace):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.getsize(path) > 0:
                yield os.path.relpath(path, trace)


def damaged_copy(trace, folder, name, offset, kind, generator):
    """The trace with one file damaged; all others are links to the original's."""
    copy = os.path.join(folder, "trace")
    for other in files_of_all(trace):
        target = os.path.join(copy, other)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if other != name:
            os.link(os.path.join(trace, other), target)
    with open(os.path.join(trace, name), "rb") as file:
        content = bytearray(file.read())
    if kind == "cut":
        del content[offset:]
    else:
        content[offset] ^= generator.randrange(1, 256)
    with open(os.path.join(copy, name), "wb") as file:
        file.write(content)
    return copy


def files_of_all(trace):
    for folder, _, names in os.walk(trace):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), trace)


def judge(good, result):
    """The outcome's name; those that begin with BAD are failures."""
    status, out, err = result
    if status is None:
        return "BAD: hangs"
    if result == good:
        return "correct"
    if status in (125, 70) and b"rrtest: " in err:
        return "refused" if status == 125 else "divergence"
    if b"the trace ends early" in err and good[1].startswith(out):
        return "ends early"
    if status < 0 or status >= 128:
        return f"BAD: crashes with {status}"
    return f"BAD: accepted silently, status {status}"


def try_place(rrtest, trace, good, place):
    name, offset, kind = place
    folder = tempfile.mkdtemp(dir=os.path.dirname(trace))
    try:
        generator = random.Random(f"{name} {offset} {kind}")
        copy = damaged_copy(trace, folder, name, offset, kind, generator)
        result = replay(rrtest, copy)
        return place, judge(good, result), result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def choose(trace, wanted, seed):
    """The places to damage, in a fixed order."""
    generator = random.Random(seed)
    named = dict(item.split("=") for item in wanted if "=" in item)
    rest = next((item for item in wanted if "=" not in item), None)
    pools = collections.defaultdict(list)
    for name in files_of(trace):
        key = next((pattern for pattern in named if name.startswith(pattern)), None)
        for offset in range(os.path.getsize(os.path.join(trace, name))):
            pools[key] += [(name, offset, "flip"), (name, offset, "cut")]
    for key, pool in pools.items():
        count = named[key] if key else rest
        if count == "all":
            yield from pool
        elif count:
            yield from generator.sample(pool, min(int(count), len(pool)))


def main():
    arguments = sys.argv[1:]
    seed = 1
    if "--seed" in arguments:
        at = arguments.index("--seed")
        seed = int(arguments[at + 1])
        del arguments[at:at + 2]
    rrtest, trace, *wanted = arguments
    trace = os.path.abspath(trace)
    good = replay(rrtest, trace)
    if good[0] is None or b"rrtest: divergence" in good[2]:
        sys.exit("the undamaged trace does not replay")
    outcomes = collections.Counter()
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [pool.submit(try_place, rrtest, trace, good, place)
                for place in choose(trace, wanted, seed)]
        for job in concurrent.futures.as_completed(jobs):
            (name, offset, kind), outcome, result = job.result()
            outcomes[outcome] += 1
            if outcome.startswith("BAD"):
                bad += 1
                if bad <= 20:
                    print(f"{name} offset {offset} {kind}: {outcome}: {result[2][:300]!r}")
    print(", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
