#!/usr/bin/env python3
"""Check a file against the rules of the trace event format ("Trace Event Format", JSON Object Format)
for the kinds of events that `rrtest timeline` writes, and against what viewers need beyond them.

trace_event.py FILE [--flows N] [--threads N]: exit status 1 and a line per mistake, or a line of counts.
--flows, --threads: there must be at least so many."""
import argparse
import collections
import json
import sys

NUMBER = (int, float)
METADATA = {"process_name": "name", "thread_name": "name", "thread_sort_index": "sort_index"}


def check_fields(event, mistakes):
    """What each phase must have, and nothing but what is known."""
    phase = event.get("ph")
    need = {"pid": int, "tid": int, "name": str}
    if phase not in ("M",):
        need.update({"ts": NUMBER, "cat": str})
    extra = {"X": {"dur": NUMBER, "args": dict}, "i": {"s": str, "args": dict}, "b": {"id": int, "args": dict},
             "e": {"id": int}, "s": {"id": int}, "f": {"id": int, "bp": str}, "M": {"args": dict}}.get(phase)
    if extra is None:
        mistakes.append(f"unknown phase: {event}")
        return
    need.update(extra)
    for key, kind in need.items():
        if not isinstance(event.get(key), kind) or isinstance(event.get(key), bool):
            mistakes.append(f"{key} is missing or of the wrong type: {event}")
    for key in event.keys() - need.keys() - {"ph", "args"}:
        mistakes.append(f"unknown member {key}: {event}")
    if any(isinstance(event.get(k), NUMBER) and event[k] < 0 for k in ("ts", "dur")):
        mistakes.append(f"negative time: {event}")
    if phase == "i" and event.get("s") not in ("t", "p", "g"):
        mistakes.append(f"scope of an instant: {event}")
    if phase == "f" and event.get("bp") != "e":
        mistakes.append(f"binding point of a flow: {event}")
    if phase == "M" and METADATA.get(event.get("name")) not in event.get("args", {}):
        mistakes.append(f"metadata: {event}")


def nanoseconds(value):
    return round(value * 1000)


def check_slices(events, mistakes):
    """Slices of one thread lie in each other or apart; returns them by thread."""
    slices = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start = nanoseconds(event["ts"])
            slices[event["pid"], event["tid"]].append((start, start + nanoseconds(event["dur"])))
    for thread, spans in slices.items():
        open_spans = []
        for start, end in sorted(spans, key=lambda s: (s[0], -s[1])):
            while open_spans and open_spans[-1] <= start:
                open_spans.pop()
            if open_spans and end > open_spans[-1]:
                mistakes.append(f"slices overlap in {thread}: {start}..{end} ns and one to {open_spans[-1]}")
            open_spans.append(end)
    return slices


def check_flows(events, slices, mistakes):
    flows = collections.defaultdict(list)
    for event in events:
        if event["ph"] in "sf":
            flows[event["cat"], event["id"]].append(event)
            at = nanoseconds(event["ts"])
            if not any(s <= at <= e for s, e in slices[event["pid"], event["tid"]]):
                mistakes.append(f"a flow's end lies in no slice: {event}")
    for key, ends in flows.items():
        if [e["ph"] for e in ends] != ["s", "f"]:
            mistakes.append(f"flow {key} is no pair: {ends}")
        elif ends[0]["ts"] > ends[1]["ts"] or ends[0]["name"] != ends[1]["name"]:
            mistakes.append(f"flow {key} goes back in time or changes its name: {ends}")
    return len(flows)


def check_async(events, mistakes):
    pairs = collections.defaultdict(list)
    for event in events:
        if event["ph"] in "be":
            pairs[event["cat"], event["id"]].append(event)
    for key, ends in pairs.items():
        if [e["ph"] for e in ends] != ["b", "e"] or ends[0]["ts"] > ends[1]["ts"]:
            mistakes.append(f"async slice {key} is no pair: {ends}")


def check_names(events, mistakes):
    """Every thread has a name, every process too, and a tid belongs to one process."""
    threads = {(e["pid"], e["tid"]) for e in events}
    named = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    mistakes += [f"no thread_name for {t}" for t in sorted(threads - named)]
    mistakes += [f"no process_name for {p}" for p in sorted({p for p, _ in threads} - processes)]
    if len({t for _, t in threads}) != len(threads):
        mistakes.append("a tid is in two processes")
    return len(threads)


def check(text):
    mistakes = []
    data = json.loads(text, parse_constant=lambda name: mistakes.append(f"{name} is not JSON"))
    events = data["traceEvents"]
    if data.get("displayTimeUnit") not in ("ms", "ns"):
        mistakes.append("displayTimeUnit")
    for event in events:
        check_fields(event, mistakes)
    if mistakes:
        return mistakes, 0, 0, 0
    slices = check_slices(events, mistakes)
    flows = check_flows(events, slices, mistakes)
    check_async(events, mistakes)
    return mistakes, len(events), check_names(events, mistakes), flows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--flows", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with open(options.file, encoding="utf-8") as file:
        mistakes, events, threads, flows = check(file.read())
    if not mistakes and (flows < options.flows or threads < options.threads):
        mistakes.append(f"only {flows} flows and {threads} threads")
    for mistake in mistakes[:20]:
        print(mistake)
    if not mistakes:
        print(f"{events} events, {threads} threads, {flows} flows")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
