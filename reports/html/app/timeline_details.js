/* What is said about one item, in the tooltip and under the timeline. */
const timelineDetails = (() => {
    const {element} = dom;
    const BUFFERED = 1;
    const INJECTED = 2;
    const OPEN = 4;
    const STDERR = 16;

    const TITLES = {
        run: "Executes", wait: "Waits", lock: "Waits for a lock or futex", call: "System call", wake: "Wakes",
        preempt: "Preempted", signal: "Signal", fault: "Fault", clone: "Makes a task", exec: "Starts a program",
        exit: "Ends", output: "Writes", patch: "Patch decision", instruction: "Instruction answered by rrtest",
        stray: "Stray entry", end: "End of the run", merged: "Many things, merged",
    };

    const taskName = (data, task) => `Task ${data.tasks[task].role}`;

    /* [function, where, where in full], or null if the trace does not tell. */
    function place(data, index) {
        if (!index)
            return null;
        const [name, , file, number, inlinedInto, module, address] = data.places[index];
        const [short, full] = format.source(file, number, module, address);
        const inlined = inlinedInto ? ` inlined into ${inlinedInto}` : "";

        return {
            name: name || null,
            short,
            text: `${name ? `${name}${inlined} · ` : ""}${short}`,
            full: `${full}${file && module ? `, ${module}+${address}` : ""}`,
        };
    }

    function title(data, i) {
        const kind = data.kinds[data.kind[i]];
        const flags = data.flags[i];

        if (kind === "signal")
            return flags & INJECTED ? "Injected signal" : "Signal";
        if (kind === "output")
            return flags & STDERR ? "Writes to stderr" : "Writes to stdout";
        if ((kind === "wait" || kind === "lock") && flags & OPEN)
            return `${TITLES[kind]}, to the end of the run`;
        return TITLES[kind];
    }

    function main(data, i) {
        const kind = data.kinds[data.kind[i]];

        if (kind === "run")
            return data.detail[i] ? `then: ${data.strings[data.detail[i]]}` : "";
        return data.strings[data.text[i]];
    }

    function lasting(data, i) {
        const steps = data.stepEnd[i] - data.step[i];
        const time = data.clockEnd[i] - data.clock[i];

        return steps > 0 ? `${format.plural(steps, "step")}, ${format.duration(time)} of virtual time` : null;
    }

    function where(data, i) {
        const kind = data.kinds[data.kind[i]];
        const found = place(data, data.place[i]);

        if (found)
            return found;
        if (data.flags[i] & BUFFERED)
            return {text: "answered inside the program: the place is not in the trace", full: ""};
        return kind === "run" || kind === "merged" || kind === "end" || kind === "exit" || kind === "exec"
            ? null : {text: "the place is not in the trace", full: ""};
    }

    /* [name, value, title, follow]: follow is another item. */
    function rows(data, i, woken) {
        const kind = data.kinds[data.kind[i]];
        const at = where(data, i);
        const handler = place(data, data.target[i]);
        const list = [];

        if (at)
            list.push([kind === "run" ? "Stopped at" : "Where", at.text, at.full]);
        if (handler)
            list.push(["Handler", handler.text, handler.full]);
        if (data.detail[i] && kind !== "run")
            list.push([kind === "output" ? "Text" : kind === "merged" ? "What" : "Note", data.strings[data.detail[i]]]);
        if (lasting(data, i))
            list.push([kind === "signal" ? "Handler ran" : "Lasted", lasting(data, i)]);
        if (data.cause[i]) {
            const from = data.cause[i] - 1;
            const verb = kind === "run" ? "Made by" : "Ended by";

            list.push([verb, `${taskName(data, data.task[from])}: ${data.strings[data.text[from]]}`, null, from]);
        }
        for (const other of woken)
            list.push([data.kinds[data.kind[other]] === "run" ? "Made" : "Let go on",
                taskName(data, data.task[other]), null, other]);
        return list;
    }

    function position(data, i) {
        return `step ${format.count(data.step[i])}, ${format.duration(data.clock[i])}` +
            (data.event[i] ? `, event ${format.count(data.event[i])}` : "") +
            (data.ticks[i] ? `, ${format.plural(data.ticks[i], "tick")}` : "");
    }

    function tooltip(data, i) {
        const text = main(data, i);

        return [
            element("div.tip-title", null, title(data, i), element("span.muted", null, taskName(data, data.task[i]))),
            text ? element("div.tip-text", null, text) : null,
            element("dl", null, rows(data, i, []).map(([name, value]) =>
                [element("dt", null, name), element("dd", null, value)])),
            element("div.tip-position", null, position(data, i)),
        ].filter(Boolean);
    }

    function panel(data, i, woken, go) {
        const text = main(data, i);

        return [
            element("div.pin-head", null,
                element("strong", null, title(data, i)),
                element("span.muted", null, `${taskName(data, data.task[i])} · ${position(data, i)}`)),
            text ? element("code.pin-text", null, text) : null,
            element("dl.pin-rows", null, rows(data, i, woken).map(([name, value, full, follow]) => [
                element("dt", null, name),
                element("dd", {title: full || null},
                    follow === undefined ? value : element("button.link", {type: "button", onclick: () => go(follow)}, value)),
            ])),
        ].filter(Boolean);
    }

    function line(data, i) {
        return [title(data, i), main(data, i), (where(data, i) || {text: ""}).text].filter(Boolean).join(" · ");
    }

    /* All the text of an item that a search looks at; strings and places are lowered once. */
    function searcher(data) {
        const strings = data.strings.map((s) => s.toLowerCase());
        const places = data.places.map((p) => [p[0], p[2], p[4], p[5]].filter(Boolean).join(" ").toLowerCase());
        const tasks = data.tasks.map((t) => `task ${t.role} ${t.name || ""} tid ${t.tid}`.toLowerCase());
        const kinds = data.kinds.map((k) => (TITLES[k] || k).toLowerCase());

        return (words) => {
            const found = [];

            for (let i = 0; i < data.count; i++) {
                const fits = (w) => strings[data.text[i]].includes(w) || strings[data.detail[i]].includes(w) ||
                    places[data.place[i]].includes(w) || places[data.target[i]].includes(w) ||
                    tasks[data.task[i]].includes(w) || kinds[data.kind[i]].includes(w) ||
                    (data.flags[i] & INJECTED && "injected".includes(w));

                if (words.every(fits))
                    found.push(i);
            }
            return found;
        };
    }

    return {TITLES, place, tooltip, panel, line, searcher, taskName};
})();
