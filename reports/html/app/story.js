/* How the run came to its failure, in words: the last turns of its tasks, what each did in its turn and
 * where it was stopped; above them the last switch that rrtest forced, and the last signal it injected. */
const story = (() => {
    const {element} = dom;
    const TURNS = 8;
    const DEEDS = 4;
    const TEXT = 80;
    const INJECTED = 2;
    const FAILED = 8;
    const TOLD = new Set(["clone", "exec", "wake", "signal", "fault", "output", "exit"]);

    const kindOf = (data, i) => data.kinds[data.kind[i]];
    const isOwn = (data, place) => Boolean(place) && data.places[place][7];

    function cut(text) {
        return text.length > TEXT ? `${text.slice(0, TEXT)}…` : text;
    }

    function deed(data, i, caused) {
        const others = caused.filter((k) => data.cause[k] - 1 === i).map((k) => timelineDetails.taskName(data, data.task[k]));
        const text = data.strings[data.text[i]];

        switch (kindOf(data, i)) {
        case "clone":
            return others.length > 0 ? `makes ${others.join(", ")}` : "makes a task";
        case "wake":
            return others.length > 0 ? `lets ${others.join(", ")} go on` : null;
        case "signal":
            return `${data.flags[i] & INJECTED ? `gets ${text}, injected by rrtest` : `gets ${text}`}`;
        case "output":
            return `writes ${cut(data.strings[data.detail[i]])}`;
        case "exec":
            return "starts its program";
        case "exit":
            return data.flags[i] & FAILED ? `is ${text}` : `ends: ${text}`;
        default:
            return cut(text);
        }
    }

    /* The runs of tasks, each with what happened in it: [{run, items}]. */
    function turns(data) {
        const found = [];

        for (let i = data.count - 1; i >= 0 && found.length < TURNS; i--) {
            if (kindOf(data, i) === "run")
                found.unshift({run: i, items: []});
        }
        const first = found.length > 0 ? data.step[found[0].run] : 0;

        for (let i = 0; i < data.count; i++) {
            if (data.step[i] < first || !TOLD.has(kindOf(data, i)))
                continue;
            const turn = found.find(({run}) => data.task[run] === data.task[i] &&
                data.step[i] >= data.step[run] && data.step[i] <= data.stepEnd[run]);

            if (turn)
                turn.items.push(i);
        }
        return found;
    }

    const isForced = (data, run) => data.strings[data.detail[run]].startsWith("preempted");

    function taskLink(data, i, go) {
        return element("button.link.turn-task", {type: "button", title: "Show it in the timeline", onclick: () => go(i)},
            timelineDetails.taskName(data, data.task[i]));
    }

    function where(data, index) {
        const place = timelineDetails.place(data, index);

        if (!place)
            return null;
        return element(isOwn(data, index) ? "span.at.is-own" : "span.at", {title: place.full},
            place.name ? element("code", {title: place.name}, format.shortFunction(place.name)) : null, place.name ? " " : null,
            element("span.at-source", null, place.short));
    }

    function stop(data, turn) {
        const detail = data.strings[data.detail[turn.run]];

        if (detail === "ended" || !detail)
            return null;
        return [detail, data.place[turn.run] ? " in " : null, where(data, data.place[turn.run])];
    }

    function line(data, turn, caused, go) {
        const deeds = turn.items.map((i) => deed(data, i, caused)).filter(Boolean);
        const told = deeds.length > DEEDS ? [`… ${deeds.length - DEEDS + 1} more`, ...deeds.slice(1 - DEEDS)] : deeds;
        const stopped = stop(data, turn);

        return element(isForced(data, turn.run) ? "li.turn.is-forced" : "li.turn", null,
            taskLink(data, turn.run, go),
            element("span.turn-text", null,
                told.join(", "), told.length > 0 && stopped ? ", " : null, stopped,
                told.length === 0 && !stopped ? "runs" : null));
    }

    /* The last forced switch, in a place of the program's own if there was one: [run, the next run]. */
    function lastSwitch(data) {
        let next = -1;
        let other = null;

        for (let i = data.count - 1; i >= 0; i--) {
            if (kindOf(data, i) !== "run")
                continue;
            if (next >= 0 && data.task[next] !== data.task[i] && isForced(data, i)) {
                if (isOwn(data, data.place[i]))
                    return [i, next];
                other = other || [i, next];
            }
            next = i;
        }
        return other;
    }

    function switched(data, go) {
        const found = lastSwitch(data);

        if (!found)
            return null;
        const [run, next] = found;

        return element("p.story-switch", null,
            isOwn(data, data.place[run]) ? "The last switch that rrtest forced in the program’s own code: " : "The last switch that rrtest forced: ",
            taskLink(data, run, go), " was stopped in ", where(data, data.place[run]) || "a place that is not in the trace", ", and ",
            taskLink(data, next, go), " went on instead.");
    }

    function injected(data, go) {
        for (let i = data.count - 1; i >= 0; i--) {
            if (kindOf(data, i) !== "signal" || !(data.flags[i] & INJECTED))
                continue;
            const handler = where(data, data.target[i]);

            return element("p.story-switch.is-signal", null,
                "The last signal that rrtest injected: ", taskLink(data, i, go), ` got ${data.strings[data.text[i]]}`,
                data.place[i] ? [" in ", where(data, data.place[i])] : null,
                handler ? [", and ran ", handler] : null, ".");
        }
        return null;
    }

    /* null: there is nothing to tell, as in a run of one task. */
    function show(failure, go) {
        const data = model.timeline(failure);

        if (!data || data.tasks.length < 2)
            return null;
        const all = turns(data);
        const caused = [...Array(data.count).keys()].filter((i) => data.cause[i]);

        if (all.length < 2)
            return null;
        return [
            switched(data, go),
            injected(data, go),
            element("ol.turns", null, all.map((turn) => line(data, turn, caused, go)),
                element("li.turn.is-end", null, element("span.turn-task", null, "Failure"),
                    element("span.turn-text", null, failure.title))),
        ];
    }

    return {show};
})();
