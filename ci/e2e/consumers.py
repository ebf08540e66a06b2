#!/usr/bin/python3
"""What others read of rrtest's reports (see consumers.cjs):

    consumers.py junit RESULTS FILE     by junitparser
    consumers.py github RESULTS FILE    by the rules of GitHub's runner for workflow commands

RESULTS is the results.json that FILE was made from. Exit status 1 and what differs if anything does.
(/usr/bin/python3: the one that Debian's python3-junitparser is for.)"""
import json
import re
import sys

JUNIT = {"passed": [], "failed": ["Failure"], "error": ["Error"], "quarantined": ["Skipped"],
         "skipped": ["Skipped"], "unfinished": ["Skipped"]}


def same(what, expected, got):
    if expected != got:
        sys.exit(f"{what}:\nexpected {expected!r}\ngot      {got!r}")


def has(what, part, text):
    if part not in text:
        sys.exit(f"{what}: no {part!r} in {text!r}")


def check_case(test, case):
    name = test["name"]
    same("result of " + name, JUNIT[test["verdict"]], [type(r).__name__ for r in case.result])
    for result in case.result:
        if test["verdict"] in ("failed", "error"):
            has(name, test["failures"][0]["title"], result.message)
            same("type of " + name, test["failures"][0]["kind"], result.type)
            for failure in test["failures"]:
                for key in ("title", "reason", "rerun", "replay"):
                    has(name, (failure[key] or "").removeprefix(failure["title"]).strip("\n"),
                        result.text)
        elif test["note"]:
            has(name, re.sub("[\n\t]", " ", test["note"]).rstrip(), result.message)
    outputs = [f["output"] for f in test["failures"] if f["output"]]
    same("output of " + name, outputs[0] if outputs else None, case.system_err)


def junit(results, path):
    from junitparser import JUnitXml
    tests = results["tests"]
    suites = list(JUnitXml.fromfile(path))
    same("suites", 1, len(suites))
    cases = list(suites[0])
    same("names", [t["name"] for t in tests], [c.name for c in cases])
    for test, case in zip(tests, cases):
        check_case(test, case)
    for verdicts, count in ((("failed",), suites[0].failures), (("error",), suites[0].errors),
                            (("quarantined", "skipped", "unfinished"), suites[0].skipped),
                            (tuple(JUNIT), suites[0].tests)):
        same(f"count of {verdicts}", sum(t["verdict"] in verdicts for t in tests), count)
    properties = {p.name: p.value for p in suites[0].properties()}
    same("seed", results["seed"], properties["seed"])
    if results["notes"]:
        same("notes", results["notes"], [p.value for p in suites[0].properties() if p.name == "note"])


def unescape(text, is_property):
    """As the runner does: the percent sign itself comes last."""
    pairs = [("%0D", "\r"), ("%0A", "\n")] + [("%3A", ":"), ("%2C", ",")] * is_property + [("%25", "%")]
    for escaped, plain in pairs:
        text = text.replace(escaped, plain)
    return text


def parse_command(line):
    """The command, its properties and its message; None if the runner would print the line."""
    match = re.fullmatch(r"::([a-z-]+)(?: ([^:]*))?::(.*)", line, re.S)
    if not match:
        return None
    properties = {}
    for pair in filter(None, (match.group(2) or "").split(",")):
        key, _, value = pair.partition("=")
        properties[key.strip()] = unescape(value, True)
    return match.group(1), properties, unescape(match.group(3), False)


def github(results, path):
    with open(path, encoding="utf-8", newline="") as file:
        lines = file.read().splitlines(keepends=False)
    commands = [parse_command(line) for line in lines]
    if None in commands:
        sys.exit(f"no workflow command: {lines[commands.index(None)]!r}")
    expected = []
    for test in results["tests"]:
        command = "warning" if test["verdict"] == "quarantined" else "error"
        for failure in test["failures"]:
            expected.append((command, test, failure))
    notes = [("warning", results["unfinished"])] * (results["unfinished"] is not None)
    notes += [("notice", note) for note in results["notes"]]
    same("number of commands", len(expected) + len(notes), len(commands))
    for (command, test, failure), (got, properties, message) in zip(expected, commands):
        same("command", command, got)
        same("title", f"{test['name']}: {failure['title']}", properties["title"])
        first, _, rest = failure["reason"].partition("\n")  # titles begin with it, and may go on with a place
        has("message", rest if failure["title"].startswith(first) else failure["reason"], message)
        has("message", failure["rerun"], message)
        if not re.fullmatch("[0-9]+", properties["line"]) or properties["file"].startswith("/"):
            sys.exit(f"place: {properties}")
    same("notes", notes, [(c, m) for c, _, m in commands[len(expected):]])


def main():
    kind, results, path = sys.argv[1:]
    with open(results, encoding="utf-8") as file:
        {"junit": junit, "github": github}[kind](json.load(file), path)


main()
