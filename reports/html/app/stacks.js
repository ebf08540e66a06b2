/* The stacks of a failed run's tasks. */
const stacks = (() => {
    const {element} = dom;

    function frame(f, number) {
        const [short, full] = format.source(f.file, f.line, f.module, f.moduleOffset);
        const title = `${full}${f.column ? `:${f.column}` : ""}${f.module ? ` in ${f.module}` : ""} at ${f.address}`;

        return element(`li.frame${f.isInlined ? ".is-inlined" : ""}${f.isOwn && f.function !== "_start" ? ".is-own" : ""}`, null,
            element("span.frame-number", {"aria-hidden": "true"}, `#${number}`),
            element("span.frame-function", null,
                f.function ? element("span", {title: f.function}, format.shortFunction(f.function)) : element("span.muted", null, "unknown function"),
                f.isInlined ? element("span.tag", {title: "inlined into the next frame"}, "inlined") : null),
            element("span.frame-source", {title}, short,
                f.file && f.module ? element("span.muted", null, ` ${format.baseName(f.module)}`) : null));
    }

    function stack(s, hasTimeline) {
        return element(s.isCause ? "details.stack.is-cause" : "details.stack", {open: true},
            element("summary", null,
                element("span.stack-name", null, `Task ${s.role}`),
                element("span.muted", null, `${s.name || "unnamed"}, tid ${s.tid}${s.pid === s.tid ? "" : ` of ${s.pid}`}`),
                s.isCause ? element("span.tag.is-failed", null, "ended the run") : null,
                hasTimeline ? element("button.link.stack-show", {
                    type: "button",
                    onclick: (e) => { e.preventDefault(); timeline.showTask(s.role); },
                }, "Last seen in the timeline") : null,
                element("span.stack-state", null, s.state)),
            s.frames.length > 0
                ? element("ol.frames", null, s.frames.map(frame))
                : element("p.muted", null, "Its stack could not be read."),
            s.isCut && s.frames.length > 0
                ? element("p.muted", null, "There are more frames, or they could not be read.") : null);
    }

    function show(failure) {
        if (failure.stacks.length === 0)
            return element("p.muted", null, "No stacks were read of this failure.");
        const ordered = [...failure.stacks].sort((a, b) => b.isCause - a.isCause);
        const all = ordered.map((s) => stack(s, Boolean(failure.timeline)));

        return element("div.stacks", null,
            all.length > 1
                ? element("div.stack-buttons", null,
                    element("button.quiet", {type: "button", onclick: () => all.forEach((s) => { s.open = true; })}, "Open all"),
                    element("button.quiet", {type: "button", onclick: () => all.forEach((s) => { s.open = false; })}, "Close all"))
                : null,
            all);
    }

    return {show};
})();
