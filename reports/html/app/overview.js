/* The first page: what came out, and the table of tests with its filters. */
const overview = (() => {
    const {element} = dom;
    const {session, totals, VERDICTS, SIGNS, MEANINGS} = model;
    const ROWS = 300; /* that are made at a time: a browser takes seconds for thousands */
    const state = {text: "", verdicts: new Set(), label: "", order: session.tests.length > ROWS ? "verdict" : "suite", rows: ROWS};

    const ORDERS = {
        suite: ["suite's order", () => 0],
        verdict: ["verdict", (a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict)],
        rate: ["failure rate", (a, b) => b.rate - a.rate || b.rateLow - a.rateLow],
        wall: ["time", (a, b) => b.wall - a.wall],
        name: ["name", (a, b) => (a.name < b.name ? -1 : 1)],
    };

    function badge(verdict, text) {
        return element(`span.badge.is-${verdict}`, {title: MEANINGS[verdict]},
            element("span.sign", {"aria-hidden": "true"}, SIGNS[verdict]), text || verdict);
    }

    function headline() {
        const counted = session.tests.length;

        if (counted === 0)
            return "No tests were run";
        if (totals.failed > 0)
            return `${totals.failed} of ${format.plural(counted, "test")} failed`;
        if (totals.error > 0)
            return `${format.plural(totals.error, "test")} could not be judged`;
        if (totals.passed === counted)
            return counted === 1 ? "The test passed" : `All ${counted} tests passed`;
        return `No test failed; ${totals.passed} of ${counted} passed`;
    }

    function facts() {
        const rows = [
            `${format.plural(model.runs, "run")} in ${format.duration(session.wall)}`,
            `seed ${session.seed}`,
            format.date(session.startedMs),
            session.shardCount > 1 ? `shard ${session.shardIndex} of ${session.shardCount}` : null,
            session.machine,
            `rrtest ${session.version}`,
        ];

        return element("ul.facts", null, rows.filter(Boolean).map((text) => element("li", null, text)));
    }

    function summaryBar() {
        return element("div.stack-bar", {"aria-hidden": "true"},
            VERDICTS.filter((v) => totals[v] > 0).map((v) =>
                element(`span.is-${v}`, {style: `flex-grow:${totals[v]}`, title: `${totals[v]} ${v}`})));
    }

    function remarks() {
        const list = [...session.notes];

        if (session.unfinished)
            list.unshift(`Not everything was run: ${session.unfinished}.`);
        if (list.length === 0)
            return null;
        return element("section.panel.remarks", {"aria-label": "What these results go without"},
            element("h2", null, "What these results go without"),
            element("ul", null, list.map((line) => element("li", null, line))));
    }

    /* The rate with its interval on a scale from 0 to 100 %. */
    function rate(test) {
        if (test.runs === 0)
            return element("span.muted", null, "no runs");
        const left = test.rateLow * 100;
        const width = Math.max((test.rateHigh - test.rateLow) * 100, 0.5);
        const low = format.percent(test.rateLow, Math.floor);
        const high = format.percent(test.rateHigh, Math.ceil);
        const stopped = test.failed > 0 && !test.keepGoing
            ? "; it stopped at its first failure, which is taken as 1 failing run of so many" : "";

        return element(test.failed === 0 ? "span.rate.is-none" : "span.rate", {
            title: `${format.count(test.failed)} of ${format.plural(test.runs, "run")} failed${stopped}. With 95 % ` +
                `confidence the rate lies between ${low} and ${high} (Clopper-Pearson)`,
        },
        element("span.rate-scale", {"aria-hidden": "true"},
            element("span.rate-range", {style: `left:${left}%;width:${width}%`}),
            element("span.rate-dot", {style: `left:${test.rate * 100}%`})),
        element("span.rate-text", null,
            test.failed === 0
                ? `at most ${high}`
                : [format.percent(test.rate), element("span.muted", null, ` ${low.replace(" %", "")}–${high}`)]));
    }

    function different(test) {
        const about = test.countsAreEstimates ? "about " : "";

        if (!test.schedules)
            return element("span.muted", {title: "not counted"}, "–");
        return element("span", {title: `${about}${test.schedules} different schedules, ${about}${test.outputs} different outputs`},
            `${about}${format.count(test.schedules)}`,
            element("span.muted", null, ` / ${format.count(test.outputs)}`));
    }

    function failureRow(test, failure) {
        return element("li", null,
            element("a.failure-link", {href: model.failureHash(test, failure)},
                element("span.failure-title", null, failure.title),
                element("span.failure-facts", null,
                    `${failure.kind} · ${format.plural(failure.count, "run")} · first in ${format.firstRun(failure)}`)));
    }

    function row(test) {
        const cell = (name, ...content) => element(`td.cell-${name}`, {"data-label": name}, ...content);

        return element(`tbody.test.is-${test.verdict}`, {"data-test": test.name},
            element("tr", null,
                cell("verdict", badge(test.verdict)),
                element("th.cell-name", {scope: "row"},
                    element("span.test-name", null, test.name),
                    test.labels.map((l) => element("button.label", {
                        type: "button", title: `show tests with label ${l}`, onclick: () => pickLabel(l),
                    }, l)),
                    test.note ? element("span.note", null, test.note) : null),
                cell("runs", format.count(test.runs),
                    test.planned && test.planned !== test.runs
                        ? element("span.muted", null, ` of ${format.count(test.planned)}`) : null),
                cell("failed", test.failed > 0 ? format.count(test.failed) : element("span.muted", null, "0")),
                cell("rate", rate(test)),
                cell("schedules", different(test)),
                cell("time", test.wall > 0 ? format.duration(test.wall) : element("span.muted", null, "–"))),
            test.failures.length > 0
                ? element("tr.failures", null, element("td", {colspan: "7"},
                    element("ul", {"aria-label": `failures of ${test.name}`},
                        test.failures.map((f) => failureRow(test, f)))))
                : null);
    }

    function haystack(test) {
        return [test.name, test.command, test.note, ...test.labels,
            ...test.failures.flatMap((f) => [f.title, f.kind, f.reason, f.output, f.signature, f.firstSeed,
                ...f.stacks.flatMap((s) => s.frames.map((r) => `${r.function} ${r.file}`))])]
            .join("\n").toLowerCase();
    }
    const haystacks = new Map(session.tests.map((t) => [t, haystack(t)]));

    function shown() {
        const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);

        return session.tests
            .filter((t) => state.verdicts.size === 0 || state.verdicts.has(t.verdict))
            .filter((t) => !state.label || t.labels.includes(state.label))
            .filter((t) => words.every((w) => haystacks.get(t).includes(w)))
            .sort(ORDERS[state.order][1]);
    }

    let table = null;
    let more = null;
    let found = null;
    let chips = [];
    let labelChoice = null;

    /* After a new choice the first rows, else as many as there were. */
    function update(rows = ROWS) {
        const tests = shown();
        const left = tests.length - rows;

        state.rows = rows;
        table.querySelectorAll("tbody").forEach((body) => body.remove());
        table.append(...tests.slice(0, rows).map(row));
        more.hidden = left <= 0;
        more.textContent = `Show ${format.count(Math.min(left, ROWS))} more of ${format.count(left)}`;
        found.textContent = tests.length === session.tests.length
            ? format.plural(tests.length, "test")
            : `${tests.length} of ${format.plural(session.tests.length, "test")}`;
        table.hidden = tests.length === 0;
        for (const [verdict, chip] of chips)
            chip.setAttribute("aria-pressed", String(state.verdicts.has(verdict)));
        if (labelChoice)
            labelChoice.value = state.label;
    }

    function pickLabel(label) {
        state.label = state.label === label ? "" : label;
        update();
    }

    function filters() {
        const labels = [...new Set(session.tests.flatMap((t) => t.labels))].sort();
        const search = element("input", {
            type: "search", id: "search", placeholder: "Search names, messages, functions", "aria-label": "Search tests",
            value: state.text, oninput: (e) => { state.text = e.target.value; update(); },
        });

        chips = VERDICTS.filter((v) => totals[v] > 0).map((v) => [v, element(`button.chip.is-${v}`, {
            type: "button", title: MEANINGS[v], "aria-pressed": "false",
            onclick: () => { if (!state.verdicts.delete(v)) state.verdicts.add(v); update(); },
        }, element("span.sign", {"aria-hidden": "true"}, SIGNS[v]), `${totals[v]} ${v}`)]);
        labelChoice = labels.length === 0 ? null : element("select", {
            "aria-label": "Label", onchange: (e) => { state.label = e.target.value; update(); },
        }, element("option", {value: ""}, "all labels"), labels.map((l) => element("option", {value: l}, l)));
        found = element("span.found", {role: "status"});
        return element("div.filters", null, search, chips.map(([, chip]) => chip), labelChoice,
            element("select", {
                "aria-label": "Order", onchange: (e) => { state.order = e.target.value; update(); },
            }, Object.entries(ORDERS).map(([key, [name]]) =>
                element("option", {value: key, selected: key === state.order}, `by ${name}`))),
            found);
    }

    function show() {
        const head = (name, text, title) => element(`th.cell-${name}`, {scope: "col", title}, text);

        table = element("table.tests", null, element("thead", null, element("tr", null,
            head("verdict", "Verdict"), head("name", "Test"),
            head("runs", "Runs", "runs that count: up to and with the first failure, or all"),
            head("failed", "Failed"),
            head("rate", "Failure rate", "with its 95 % confidence interval (Clopper-Pearson)"),
            head("schedules", "Schedules", "different schedules / different outputs among the runs"),
            head("time", "Time", "of all runs together"))));
        more = element("button.more", {type: "button", onclick: () => update(state.rows + ROWS)});
        const page = element("div.overview", null,
            element("section.summary", null,
                element("h1", null, headline()), summaryBar(), facts(),
                session.reproduce ? dom.command("Run this session again", session.reproduce) : null),
            remarks(), filters(),
            element("div.table-box", null, table, more));

        update(state.rows);
        return page;
    }

    return {show, badge, rate};
})();
