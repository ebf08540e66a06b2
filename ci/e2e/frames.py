#!/usr/bin/env python3
"""Compare the stacks of a trace with what other tools say.

frames.py addr2line|lines RRTEST TRACE [PROGRAM=FILE]
    Every frame with a line outside of the system's libraries, inlined ones included, is what addr2line
    says of its place (lines: functions aside; binutils 2.40 calls an inlined lambda by the name of its
    caller). PROGRAM=FILE: only the frames of PROGRAM, looked up in FILE, and all those for which that
    has a line.
frames.py gdb RRTEST TRACE COMMAND...
    The first task's frames in the command's own file, down to main, are those that gdb shows when the
    command dies under it.

Exit status 1 with what differs, 0 and the number of frames compared."""
import json
import os
import re
import subprocess
import sys

SIGNAL = "<signal handler called>"


def stacks(rrtest, trace):
    text = subprocess.run([rrtest, "dump", trace, "--stacks", "--json"], check=True, text=True,
                          capture_output=True).stdout
    return json.loads(text)["stacks"]["tasks"]


def looked_up(path, address):
    """[(function, file, line)] of an ELF address, the innermost first."""
    text = subprocess.run(["addr2line", "-i", "-f", "-C", "-e", path, hex(address)], check=True,
                          text=True, capture_output=True).stdout.splitlines()
    found = []
    for function, place in zip(text[::2], text[1::2]):
        file, line = place.split(" (")[0].rsplit(":", 1)
        found.append((function, os.path.basename(file), int(line) if line.isdigit() else 0))
    return found


def groups(frames):
    """Frames with the same place, each with the address that is inside the instruction meant."""
    is_return = False
    at = 0
    while at < len(frames):
        end = at
        while frames[end]["is_inlined"]:
            end += 1
        group = frames[at:end + 1]
        if "module" in group[0]:
            yield group, int(group[0]["module_offset"], 16) - is_return
        is_return = group[-1].get("function") != SIGNAL
        at = end + 1


def check_lines(rrtest, trace, names, with_functions):
    files = dict(name.split("=", 1) for name in names)
    compared = 0
    for task in stacks(rrtest, trace):
        for group, address in groups(task["frames"]):
            module = group[0]["module"]
            renamed = files.get(os.path.basename(module))
            if group[-1].get("function") == SIGNAL or module.startswith(("/lib", "/usr/lib")) or \
                    (not renamed and (files or "line" not in group[0])):
                continue
            expected = looked_up(renamed or module, address)
            if expected[0][2] == 0:
                continue
            got = [(f.get("function"), os.path.basename(f.get("file", "")), f.get("line"))
                   for f in group]
            if not with_functions:
                got = [place[1:] for place in got]
                expected = [place[1:] for place in expected]
            if got != expected:
                sys.exit(f"{module}+{address:#x}: got {got}, addr2line says {expected}")
            compared += len(group)
    return compared


def check_gdb(rrtest, trace, command):
    first = stacks(rrtest, trace)[0]
    passed = [f"handle {name} nostop noprint pass" for name in ("SIGUSR1", "SIGSEGV")
              if not first["state"].endswith(name)]
    text = subprocess.run(["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off",
                           *(word for line in passed for word in ("-ex", line)), "-ex", "run",
                           "-ex", "bt", "--args", *command], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=50).stdout
    expected = re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+).* at (?:.*/)?([^/:]+):(\d+)$", text, re.M)
    program = os.path.basename(command[0])
    source = {f["file"] for f in first["frames"]
              if "file" in f and os.path.basename(f["module"]) == program}
    source = {os.path.basename(file) for file in source}
    expected = [(name, file, int(line)) for name, file, line in expected if file in source]
    got = [(f["function"], os.path.basename(f["file"]), f["line"])
           for f in first["frames"]
           if "file" in f and os.path.basename(f["file"]) in source]
    if got != expected:
        sys.exit(f"got {got}\ngdb says {expected}")
    return len(got)


def main():
    what, rrtest, trace, *rest = sys.argv[1:]
    if what == "gdb":
        compared = check_gdb(rrtest, trace, rest)
    else:
        compared = check_lines(rrtest, trace, rest, what == "addr2line")
    if not compared:
        sys.exit("nothing was compared")
    print(compared)


main()
