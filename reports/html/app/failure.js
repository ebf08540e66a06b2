/* One failure: what is known of it, how to see it again, its timeline, stacks and output. */
const failure = (() => {
    const {element} = dom;

    function fact(name, ...value) {
        return element("div.fact", null, element("dt", null, name), element("dd", null, ...value));
    }

    function facts(test, f) {
        return element("dl.fact-list", null,
            fact("Kind", f.kind),
            ...(f.firstRun ? [fact("Failed like this", `${format.count(f.count)} of ${format.plural(test.runs, "run")}`)] : []),
            fact("Failure rate of the test", overview.rate(test)),
            fact("First in", format.firstRun(f)),
            ...(f.firstRun ? [fact("Seed", element("code", null, f.firstSeed)),
                fact("Strategy", f.strategy || "not known")] : []),
            fact("Patching", f.patching || "not known"),
            fact("Signature", element("code", null, f.signature)));
    }

    /* Lines of the reason that only repeat the title say nothing. */
    function reason(f) {
        const lines = f.reason.split("\n");

        if (f.title.startsWith(lines[0]))
            lines.shift();
        return lines.join("\n").trim();
    }

    function section(id, title, ...content) {
        return element("section.panel", {id, "aria-labelledby": `${id}-title`},
            element("h2", {id: `${id}-title`}, title), ...content);
    }

    function neighbours(test, f) {
        const all = model.session.tests.flatMap((t) => t.failures.map((x) => [t, x]));
        const at = all.findIndex(([, x]) => x === f);
        const link = (entry, text) => (entry
            ? element("a", {href: model.failureHash(...entry), title: `${entry[0].name}: ${entry[1].title}`}, text)
            : element("span.muted", null, text));

        return element("nav.crumbs", {"aria-label": "Failures"},
            element("a", {href: "#"}, "All tests"),
            element("span", {"aria-hidden": "true"}, "/"),
            element("span.crumb-here", null, test.name),
            element("span.crumb-moves", null,
                link(all[at - 1], "← Previous"),
                element("span.muted", null, `${at + 1} of ${all.length}`),
                link(all[at + 1], "Next →")));
    }

    function show(test, f) {
        const details = reason(f);
        const told = story.show(f, timeline.showItem);
        const trace = f.trace
            ? `${f.trace} (${format.bytes(f.traceBytes)}, seed ${f.traceSeed})`
            : "No trace was kept: the failure cannot be replayed, only run again.";

        return element("article.failure", null,
            neighbours(test, f),
            element("header.failure-head", null,
                overview.badge(test.verdict, test.verdict),
                element("h1", null, f.title)),
            f.isError
                ? element("p.panel.remarks", null, "This says nothing about the program: the set-up, the machine or rrtest failed.")
                : null,
            facts(test, f),
            section("commands", "See it again",
                f.replay ? dom.command("Replay", f.replay) : null,
                dom.command("Run again", f.rerun),
                element("p.muted.trace", null, trace),
                test.command ? element("p.muted.trace", null, "Program: ", element("code", null, test.command)) : null),
            details ? section("reason", "Why", element("pre", {tabindex: "0"}, details)) : null,
            told ? section("story", "How it came to this", told) : null,
            section("timeline", "Timeline", timeline.show(f)),
            section("stacks", "Stacks", stacks.show(f)),
            section("output", "Output", f.output
                ? element("pre", {tabindex: "0"}, f.output)
                : element("p.muted", null, "The run wrote nothing.")));
    }

    return {show};
})();
