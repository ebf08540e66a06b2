#!/usr/bin/env python3
"""What end-to-end tests of packed traces need beside rrtest.

packs.py claim TRACE LEAF SUBLEAF WORD BITS   the trace says it was recorded on a processor that answers cpuid
                                              so; WORD is eax, ebx, ecx or edx, BITS are set in it
packs.py hostile FILE.rrt FOLDER              bent copies of a packed trace, one per name it prints
packs.py damage RRTEST FILE.rrt POSITIONS SEED EXPECTED_STATUS EXPECTED_OUTPUT
                                              flip a bit, and cut, at drawn positions: an error or the
                                              correct replay, and no directory left behind"""
import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile
import tempfile

MASK = (1 << 64) - 1
BLOCK = 65536


def mix(x):
    for _ in range(2):
        x ^= x >> 32
        x = x * 0xD6E8FEB86659FD93 & MASK
    return x ^ x >> 32


def word(data):
    return int.from_bytes(data, "little")


def rotate(x, by):
    return (x << by | x >> (64 - by)) & MASK


def checksum(data, seed=0):
    """hash() of TRACE-FORMAT.md section 1."""
    lanes = [seed ^ 0x9E3779B97F4A7C15, seed + 0xC2B2AE3D27D4EB4F & MASK,
             seed ^ 0x165667B19E3779F9, seed + 0x27D4EB2F165667C5 & MASK]
    whole = len(data) // 32 * 32
    for at in range(0, whole, 32):
        for i in range(4):
            value = (lanes[i] ^ word(data[at + 8 * i:at + 8 * i + 8])) * 0x9FB21C651E98DF25 & MASK
            lanes[i] = rotate(value, 29)
    h = len(data) ^ lanes[0]
    for lane in lanes[1:]:
        h = mix(h) ^ lane
    for at in range(whole, len(data), 8):
        rest = data[at:at + 8]
        h = mix(h ^ word(rest)) + len(rest) & MASK
    return mix(h)


def content_hash(data):
    h = 0
    for at in range(0, len(data), BLOCK):
        h = checksum(data[at:at + BLOCK], h)
    return h


# ---- claim ----

def claim(trace, leaf, subleaf, register, bits):
    path = os.path.join(trace, "meta.json")
    with open(path, "rb") as file:
        text = file.read()
    table = bytearray.fromhex(re.search(rb'"cpuid_table": "([0-9a-f]*)"', text).group(1).decode())
    place = 16 + 4 * ["eax", "ebx", "ecx", "edx"].index(register)
    changed = 0
    for at in range(0, len(table), 32):  # leaf, subleaf, flags, 0, eax, ebx, ecx, edx
        if (word(table[at:at + 4]), word(table[at + 4:at + 8])) != (int(leaf, 0), int(subleaf, 0)):
            continue
        value = word(table[at + place:at + place + 4]) | int(bits, 0)
        table[at + place:at + place + 4] = value.to_bytes(4, "little")
        changed += 1
    if changed != 1:
        sys.exit(f"the table has {changed} such leaves")
    text = re.sub(rb'("cpuid_table": ")[0-9a-f]*', rb"\g<1>" + table.hex().encode(), text)
    text = re.sub(rb'("cpu_features": ")[0-9a-f]*', rb"\g<1>%016x" % checksum(table), text)
    text = text[:text.rindex(b'  "checksum"')]
    text += b'  "checksum": "%016x"\n}\n' % checksum(text)
    json.loads(text.decode("utf-8", "surrogateescape"))
    with open(path, "wb") as file:
        file.write(text)


# ---- hostile ----

def read_pack(path):
    plain = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]


def contents(files):
    text = b"rrtest pack 1\n"
    for name, length, value in files:
        text += b"%016x %d %s\n" % (value, length, name.encode())
    return text + b"%016x end\n" % checksum(text)


def member(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def table_of(members):
    return [(info.name[len("trace/"):], len(data), content_hash(data)) for info, data in members]


def with_table(members, table=None):
    return [member("trace/contents", contents(table if table is not None else table_of(members)))] + members


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def renamed(members, old, new):
    return [member(new, data) if info.name == old else (info, data) for info, data in members]


def replaced(members, name, **fields):
    return [member(name, **fields) if info.name == name else (info, data) for info, data in members]


def bent_tables(members):
    """Tables that announce what no trace has; the members are as announced."""
    yield "table-absolute", [("/etc/rrtest-hostile", 0, 0)]
    yield "table-parent", [("../hostile", 0, 0)]
    yield "table-deep-parent", [("images/../../hostile", 0, 0)]
    yield "table-other-name", [("hostile", 0, 0)]
    yield "table-image-name", [("images/0001-0123456789abcdeg", 0, 0)]


def hostile_members(good):
    data = {info.name: content for info, content in good}
    table = table_of(good)
    first, last = good[0][0].name, good[-1][0].name
    yield "sound", with_table(good)
    yield "no-table", good
    yield "empty", []
    for name, extra in bent_tables(good):
        info = member("trace/" + extra[0][0])
        yield name, [member("trace/contents", contents(sorted(table + extra)))] + good + [info]
    yield "absolute", with_table(renamed(good, first, "/etc/rrtest-hostile"), table)
    yield "parent", with_table(renamed(good, first, "trace/../../hostile"), table)
    yield "symlink", with_table(replaced(good, last, type=tarfile.SYMTYPE, linkname="/etc/passwd"), table)
    yield "hard-link", with_table(replaced(good, last, type=tarfile.LNKTYPE, linkname=first), table)
    yield "absolute-hard-link", with_table(
        replaced(good, last, type=tarfile.LNKTYPE, linkname="/etc/passwd"), table)
    yield "directory", with_table(replaced(good, last, type=tarfile.DIRTYPE), table)
    yield "device", with_table(replaced(good, last, type=tarfile.CHRTYPE, devmajor=1, devminor=3), table)
    yield "fifo", with_table(replaced(good, last, type=tarfile.FIFOTYPE), table)
    yield "link-first", [member("trace/images", type=tarfile.SYMTYPE, linkname="/etc")] + with_table(good)
    yield "twice", with_table(good[:1] + good, table)
    yield "table-twice", with_table(good, table[:1] + table)
    yield "behind-the-end", with_table(good) + [member("trace/stdout.1", b"more")]
    yield "last-twice", with_table(good) + good[-1:]
    yield "missing", with_table(good[1:], table)
    yield "no-meta", with_table([m for m in good if m[0].name != "trace/meta.json"])
    yield "order", with_table(good[::-1], table)
    yield "table-order", with_table(good[::-1])
    yield "longer", with_table([(good[0][0], good[0][1])] + renamed(good[1:], "", ""),
                               [(n, l - (i == 0), h) for i, (n, l, h) in enumerate(table)])
    yield "shorter", with_table(good, [(n, l + (i == 0), h) for i, (n, l, h) in enumerate(table)])
    yield "other-content", with_table([member(first, bytes(len(data[first])))] + good[1:], table)
    yield "no-room", with_table(good, [(n, 1 << 50 if i == 0 else l, h)
                                       for i, (n, l, h) in enumerate(table)])
    yield "overflow", with_table(good, [(n, (1 << 63) - 1, h) for n, l, h in table])
    wrong = contents(table).replace(b" end\n", b" END\n")
    yield "table-tail", [member("trace/contents", wrong)] + good
    yield "table-checksum", [member("trace/contents", b"0" + contents(table)[1:])] + good
    yield "table-long", [member("trace/contents", bytes((16 << 20) + 1))] + good
    newer = contents(table).replace(b"pack 1", b"pack 2")[:-21]
    yield "newer", [member("trace/contents", newer + b"%016x end\n" % checksum(newer))] + good


def bomb(good):
    """A sparse member (GNU format 1.0) that says to be far larger than the table allows."""
    size = 1 << 40
    first = good[0][0].name
    sparse = b"1\n0\n0\n".ljust(512, b"\0")
    info, data = member(first, sparse)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": first,
                        "GNU.sparse.realsize": str(size)}
    return [(info, data)] + good[1:]


def hostile(pack, folder):
    good = read_pack(pack)[1:]
    archives = {name: tar(members) for name, members in hostile_members(good)}
    archives["bomb"] = tar(with_table(bomb(good), table_of(good)))
    archives["half"] = archives["sound"][:len(archives["sound"]) // 2 // 512 * 512]
    archives["header-cut"] = archives["sound"][:700]
    archives["no-tar"] = b"not a tar archive\n" * 1000
    archives["nothing"] = b""
    for name, data in archives.items():
        path = os.path.join(folder, name + ".rrt")
        packed = subprocess.run(["zstd", "-qc", "-1"], input=data, check=True, capture_output=True).stdout
        with open(path, "wb") as file:
            file.write(packed)
    raw = {"plain-tar": archives["sound"], "empty-file": b"", "noise": random.Random(1).randbytes(50000)}
    for name, data in raw.items():
        with open(os.path.join(folder, name + ".rrt"), "wb") as file:
            file.write(data)
    print("\n".join(sorted(set(archives) | set(raw))))


# ---- damage ----

def replay(rrtest, pack, temporary):
    try:
        done = subprocess.run([rrtest, "replay", "--quiet", "--verify", pack], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60, env={**os.environ, "TMPDIR": temporary})
    except subprocess.TimeoutExpired:
        return "it hangs"
    if done.returncode == 125:
        return None if done.stderr.count(b"\n") == 1 else "an error without one line that says why"
    return done.returncode, done.stdout


def damage(rrtest, pack, positions, seed, status, output):
    with open(pack, "rb") as file:
        whole = file.read()
    with open(output, "rb") as file:
        right = int(status), file.read()
    draw = random.Random(int(seed))
    places = draw.sample(range(len(whole)), min(int(positions), len(whole)))
    places += [len(whole) - 1 - i for i in range(20)] + list(range(20))
    bad = refused = 0
    with tempfile.TemporaryDirectory() as scratch:
        temporary = os.path.join(scratch, "tmp")
        os.mkdir(temporary)
        copy = os.path.join(scratch, "copy.rrt")
        for at in places:
            for kind in ("flip", "cut"):
                damaged = bytearray(whole)
                if kind == "flip":
                    damaged[at] ^= 1 << draw.randrange(8)
                else:
                    del damaged[at:]
                with open(copy, "wb") as file:
                    file.write(damaged)
                got = replay(rrtest, copy, temporary)
                refused += got is None
                problem = got if got not in (None, right) else None
                if os.listdir(temporary):
                    problem = f"left {os.listdir(temporary)}"
                if problem:
                    bad += 1
                    print(f"{kind} at {at}: {problem}")
    print(f"{2 * len(places)} replays, {refused} refused, {bad} violations")
    return 1 if bad else 0


def main():
    commands = {"claim": claim, "hostile": hostile, "damage": damage}
    return commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
