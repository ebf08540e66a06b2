/* The report's data, as data.c wrote them. */
const model = (() => {
    const session = JSON.parse(document.getElementById("data").textContent);
    const VERDICTS = ["failed", "error", "quarantined", "unfinished", "skipped", "passed"];
    const SIGNS = {passed: "✓", failed: "✕", error: "!", quarantined: "◐", skipped: "–", unfinished: "…"};

    /* What the verdicts mean, in words that the page shows on demand. */
    const MEANINGS = {
        passed: "no run failed",
        failed: "a run failed",
        error: "its runs say nothing about the program: the set-up, the machine or rrtest failed",
        quarantined: "failed, as is known; does not count against the session",
        skipped: "the suite says so",
        unfinished: "stopped before all runs were made; no failure in those there were",
    };

    const totals = Object.fromEntries(VERDICTS.map((v) => [v, 0]));
    let runs = 0;
    for (const {failures} of session.tests) /* each frame is in the page once */
        for (const {stacks} of failures)
            for (const stack of stacks)
                stack.frames = stack.frames.map((n) => session.frames[n]);
    for (const test of session.tests) {
        totals[test.verdict]++;
        runs += test.runs;
    }

    function undelta(column) {
        let sum = 0;

        return Float64Array.from(column, (d) => (sum += d));
    }

    /* Timelines are decoded when they are looked at, once. */
    const decoded = new WeakMap();
    function timeline(failure) {
        const raw = failure.timeline;

        if (!raw)
            return null;
        if (decoded.has(raw))
            return decoded.get(raw);
        const items = raw.items;
        const made = {
            ...raw,
            count: items.kind.length,
            kind: Uint8Array.from(items.kind),
            flags: Uint8Array.from(items.flags),
            task: Uint32Array.from(items.task),
            step: undelta(items.step),
            clock: undelta(items.clock),
            event: undelta(items.event),
            ticks: Float64Array.from(items.ticks),
            text: items.text,
            detail: items.detail,
            place: items.place,
            target: items.target,
            cause: items.cause,
        };

        made.stepEnd = made.step.map((s, i) => s + items.steps[i]);
        made.clockEnd = made.clock.map((c, i) => c + items.clocks[i]);
        decoded.set(raw, made);
        return made;
    }

    function failureHash(test, failure) {
        return `#failure/${encodeURIComponent(test.name)}/${failure.signature}`;
    }

    return {session, totals, runs, VERDICTS, SIGNS, MEANINGS, timeline, failureHash};
})();
