/* The timeline of a failure: the view, its controls, pointer and keys. */
const timeline = (() => {
    const {element} = dom;
    const {AXES} = timelineScale;
    const {RULER, GUTTER, SPANS} = timelineDraw;
    const NARROW = 640;
    const LANE = 52;
    const LANE_NARROW = 62; /* the task's name stands in the lane */
    const BOX_MAX = 620;
    const LISTED = 200;
    const FEW_TASKS = 12;
    const MOST_AT_FIRST = 1500; /* steps */
    const QUIET_AT_FIRST = ["instruction", "patch"];
    let current = null; /* the view that is on the page */

    function emptyView(failure, data) {
        return {
            data,
            failure,
            scale: timelineScale.make(data),
            lanes: timelineDraw.index(data),
            hidden: new Set(QUIET_AT_FIRST),
            found: new Set(),
            foundList: [],
            foundAt: -1,
            hovered: -1,
            pinned: -1,
            scroll: 0,
            gutter: true,
            lane: LANE,
            selection: null,
            size: {width: 300, height: 200},
            mapHeight: 44,
            caused: [...Array(data.count).keys()].filter((i) => data.cause[i]),
            mergedEdge: {step: data.mergedStep, clock: 0},
            order: data.tasks.map((_, task) => task), /* tasks that have lanes, from the top */
            rows: data.tasks.map((_, task) => task),  /* where; -1: no lane */
        };
    }

    /* ---- painting ---- */

    function inView(view) {
        const {axis, from, to} = view.scale;
        const text = (value) => (axis === "step" ? format.count(Math.round(value)) : format.duration(Math.round(value)));

        return `In view: ${axis === "step" ? "step " : ""}${text(Math.max(from, 0))} to ${text(Math.min(to, view.scale.total()))}`;
    }

    function paintSoon(view) {
        if (view.frame)
            return;
        view.frame = requestAnimationFrame(() => {
            view.frame = 0;
            timelineDraw.main(view);
            timelineDraw.map(view);
            view.frameBox.setAttribute("aria-description", inView(view));
        });
    }

    function takeColors(view) {
        const context = view.canvas.getContext("2d");

        view.colors = timelineDraw.palette();
        view.hatches = Object.fromEntries(["wait", "lock", "merged"].map((k) =>
            [k, timelineDraw.hatch(context, view.colors[k], view.colors.panel)]));
        const family = getComputedStyle(document.body).fontFamily;

        view.fonts = {small: `11px ${family}`, strong: `600 13px ${family}`};
        view.legend.forEach(([kind, canvas]) => paintKey(view, kind, canvas));
        paintSoon(view);
    }

    function resize(view) {
        const ratio = window.devicePixelRatio || 1;
        const width = view.box.clientWidth;

        if (width === 0)
            return;
        view.gutter = width >= NARROW;
        view.lane = view.gutter ? LANE : LANE_NARROW;
        const whole = view.order.length * view.lane + RULER + 6;
        const height = Math.min(whole, BOX_MAX);

        view.box.style.height = `${height}px`;
        view.space.style.height = `${whole - height}px`;
        view.size = {width, height};
        view.scale.left = view.gutter ? GUTTER : 0;
        view.scale.width = width - view.scale.left;
        for (const [canvas, w, h] of [[view.canvas, width, height], [view.mapCanvas, width, view.mapHeight]]) {
            canvas.width = Math.round(w * ratio);
            canvas.height = Math.round(h * ratio);
            canvas.style.width = `${w}px`;
            canvas.style.height = `${h}px`;
        }
        paintSoon(view);
    }

    function paintKey(view, kind, canvas) {
        const ratio = window.devicePixelRatio || 1;
        const c = canvas.getContext("2d");

        canvas.width = canvas.height = 16 * ratio;
        c.setTransform(ratio, 0, 0, ratio, 0, 0);
        if (SPANS.has(kind)) {
            c.fillStyle = kind === "run" ? view.colors.run : view.hatches[kind];
            c.fillRect(1, 4, 14, 8);
        } else {
            timelineDraw.mark(c, kind, 8, 8, view.colors, !timelineDraw.HOLLOW.has(kind));
        }
    }

    /* ---- choosing ---- */

    function start(view, i) {
        return view.data[AXES[view.scale.axis].start][i];
    }

    function end(view, i) {
        return view.data[AXES[view.scale.axis].end][i];
    }

    function revealLane(view, task) {
        if (view.rows[task] < 0)
            setLanes(view, true);
        const top = view.rows[task] * view.lane;
        const room = view.size.height - RULER;

        if (top < view.box.scrollTop)
            view.box.scrollTop = top;
        else if (top + view.lane > view.box.scrollTop + room)
            view.box.scrollTop = top + view.lane - room;
    }

    function pin(view, i, reveal) {
        view.pinned = i;
        view.details.hidden = i < 0;
        if (i >= 0) {
            const kind = view.data.kinds[view.data.kind[i]];
            const woken = view.caused.filter((k) => view.data.cause[k] - 1 === i);

            if (view.hidden.has(kind))
                setHidden(view, kind, false);
            view.details.replaceChildren(
                element("div.pin-buttons", null,
                    element("button.quiet", {type: "button", onclick: () => step(view, -1)}, "← Before"),
                    element("button.quiet", {type: "button", onclick: () => step(view, 1)}, "After →"),
                    element("button.quiet", {type: "button", "aria-label": "Unpin", onclick: () => pin(view, -1)}, "✕")),
                ...timelineDetails.panel(view.data, i, woken, (k) => pin(view, k, true)));
            dom.announce(`${timelineDetails.taskName(view.data, view.data.task[i])}: ${timelineDetails.line(view.data, i)}`);
            if (reveal) {
                view.scale.reveal(start(view, i), SPANS.has(kind) ? end(view, i) : start(view, i));
                revealLane(view, view.data.task[i]);
            }
        }
        paintSoon(view);
    }

    /* The item before or after the pinned one, in its task. */
    function step(view, by) {
        const {data} = view;
        const task = view.pinned >= 0 ? data.task[view.pinned] : 0;
        const isShown = (i) => data.task[i] === task && !view.hidden.has(data.kinds[data.kind[i]]);
        let i = view.pinned;

        if (i < 0) { /* the first that is well in view, or the last */
            const from = view.scale.from + (view.scale.to - view.scale.from) * 0.06;

            i = by > 0 ? -1 : data.count;
            while (by > 0 && i + 1 < data.count && start(view, i + 1) < from)
                i++;
        }
        for (i += by; i >= 0 && i < data.count; i += by) {
            if (isShown(i))
                return pin(view, i, true);
        }
        return undefined;
    }

    function otherLane(view, by) {
        const {data} = view;
        const from = view.pinned >= 0 ? view.rows[data.task[view.pinned]] : by > 0 ? -1 : view.order.length;
        const at = view.pinned >= 0 ? start(view, view.pinned) : view.scale.from;

        for (let row = from + by; row >= 0 && row < view.order.length; row += by) {
            const task = view.order[row];
            let best = -1;

            for (let i = 0; i < data.count; i++) {
                if (data.task[i] === task && !view.hidden.has(data.kinds[data.kind[i]]) &&
                    (best < 0 || Math.abs(start(view, i) - at) < Math.abs(start(view, best) - at)))
                    best = i;
            }
            if (best >= 0)
                return pin(view, best, true);
        }
        return undefined;
    }

    function setHidden(view, kind, hide) {
        if (hide)
            view.hidden.add(kind);
        else
            view.hidden.delete(kind);
        const entry = view.legend.find(([k]) => k === kind);

        if (entry)
            entry[2].setAttribute("aria-pressed", String(!hide));
        paintSoon(view);
    }

    /* ---- search ---- */

    function search(view, text) {
        const words = text.toLowerCase().split(/\s+/).filter(Boolean);

        view.finder = view.finder || timelineDetails.searcher(view.data);
        view.foundList = words.length === 0 ? [] : view.finder(words);
        view.found = new Set(view.foundList);
        view.foundAt = -1;
        view.foundText.textContent = words.length === 0 ? ""
            : view.foundList.length === 0 ? "nothing found" : `${format.count(view.foundList.length)} found`;
        list(view, view.foundList, words.length > 0 ? "Found" : null);
        paintSoon(view);
    }

    function toFound(view, by) {
        const n = view.foundList.length;

        if (n === 0)
            return;
        view.foundAt = view.foundAt < 0 && by < 0 ? n - 1 : (view.foundAt + by + n) % n;
        view.foundText.textContent = `${format.count(view.foundAt + 1)} of ${format.count(n)}`;
        pin(view, view.foundList[view.foundAt], true);
    }

    function list(view, items, name) {
        view.listBox.hidden = !name;
        if (!name)
            return;
        view.listBox.replaceChildren(
            element("p.muted", null, items.length > LISTED
                ? `${name}: ${format.count(items.length)}; the first ${LISTED} are listed`
                : `${name}: ${format.count(items.length)}`),
            element("ol", null, items.slice(0, LISTED).map((i) => element("li", null,
                element("button.link", {type: "button", onclick: () => pin(view, i, true)},
                    element("span.list-task", null, timelineDetails.taskName(view.data, view.data.task[i])),
                    element("span.list-step", null, `step ${format.count(view.data.step[i])}`),
                    element("span.list-text", null, timelineDetails.line(view.data, i)))))));
    }

    function listView(view) {
        const items = [...Array(view.data.count).keys()].filter((i) =>
            end(view, i) >= view.scale.from && start(view, i) <= view.scale.to &&
            !view.hidden.has(view.data.kinds[view.data.kind[i]]));

        list(view, items, "In view");
        view.listBox.scrollIntoView({block: "nearest"});
    }

    /* ---- pointer and keys ---- */

    function showTip(view, x, y) {
        const {tip, box} = view;

        tip.hidden = view.hovered < 0;
        if (tip.hidden)
            return;
        tip.replaceChildren(...timelineDetails.tooltip(view.data, view.hovered));
        const left = x + 16 + tip.offsetWidth > box.clientWidth ? Math.max(4, x - tip.offsetWidth - 12) : x + 16;

        tip.style.left = `${Math.min(left, Math.max(4, box.clientWidth - tip.offsetWidth - 4))}px`;
        tip.style.top = `${y + 18}px`;
    }

    function hover(view, x, y) {
        const i = x === null ? -1 : timelineDraw.hit(view, x, y);

        if (i !== view.hovered) {
            view.hovered = i;
            paintSoon(view);
        }
        view.canvas.style.cursor = i >= 0 ? "pointer" : "grab";
        showTip(view, x, y);
    }

    function local(view, event) {
        const box = view.canvas.getBoundingClientRect();

        return [event.clientX - box.left, event.clientY - box.top];
    }

    function wheel(view, event) {
        const [x] = local(view, event);

        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
            view.scale.pan(event.deltaX || event.deltaY);
        } else if (event.altKey || (event.deltaY > 0 && view.scale.isFit())) {
            return; /* the page scrolls, or the lanes */
        } else {
            view.scale.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006), x);
        }
        event.preventDefault();
        hover(view, null);
        paintSoon(view);
    }

    /* One pointer pans, or with shift or on the ruler marks a part to zoom to; two pinch. */
    function pointers(view) {
        const down = new Map();
        let moved = 0;
        let pinch = 0;

        const spread = () => {
            const [a, b] = [...down.values()];

            return Math.max(Math.abs(a[0] - b[0]), 8);
        };
        view.canvas.addEventListener("pointerdown", (e) => {
            const at = local(view, e);

            view.canvas.setPointerCapture(e.pointerId);
            down.set(e.pointerId, at);
            moved = 0;
            view.selection = down.size === 1 && (e.shiftKey || at[1] < RULER) ? [at[0], at[0]] : null;
            if (down.size === 2)
                pinch = spread();
        });
        view.canvas.addEventListener("pointermove", (e) => {
            const at = local(view, e);
            const before = down.get(e.pointerId);

            if (!before)
                return hover(view, ...at);
            down.set(e.pointerId, at);
            moved += Math.abs(at[0] - before[0]) + Math.abs(at[1] - before[1]);
            if (down.size === 2) {
                const now = spread();

                view.scale.zoom(pinch / now, [...down.values()].reduce((sum, p) => sum + p[0], 0) / 2);
                pinch = now;
            } else if (view.selection) {
                view.selection[1] = at[0];
            } else if (moved > 3) {
                view.scale.pan(before[0] - at[0]);
                if (e.pointerType === "mouse")
                    view.box.scrollTop -= at[1] - before[1];
            }
            view.tip.hidden = true;
            return paintSoon(view);
        });
        const up = (e) => {
            const at = local(view, e);

            if (!down.delete(e.pointerId) || e.type === "pointercancel") {
                view.selection = null;
                return;
            }
            if (view.selection && moved > 6) {
                const [a, b] = view.selection.map(view.scale.value);

                view.scale.set(Math.min(a, b), Math.max(a, b));
            } else if (moved <= 6 && down.size === 0) {
                pin(view, timelineDraw.hit(view, ...at));
                if (e.pointerType !== "mouse")
                    hover(view, null);
            }
            view.selection = null;
            paintSoon(view);
        };
        view.canvas.addEventListener("pointerup", up);
        view.canvas.addEventListener("pointercancel", up);
        view.canvas.addEventListener("pointerleave", () => hover(view, null));
        view.canvas.addEventListener("dblclick", (e) => { view.scale.zoom(0.4, local(view, e)[0]); paintSoon(view); });
        view.box.addEventListener("wheel", (e) => wheel(view, e), {passive: false});
        view.box.addEventListener("scroll", () => { view.scroll = view.box.scrollTop; hover(view, null); paintSoon(view); });
    }

    const KEYS = {
        ArrowLeft: (v) => v.scale.pan(-v.scale.width * 0.15),
        ArrowRight: (v) => v.scale.pan(v.scale.width * 0.15),
        ArrowUp: (v) => otherLane(v, -1),
        ArrowDown: (v) => otherLane(v, 1),
        "+": (v) => v.scale.zoom(0.7),
        "=": (v) => v.scale.zoom(0.7),
        "-": (v) => v.scale.zoom(1 / 0.7),
        0: (v) => v.scale.fit(),
        Home: (v) => v.scale.toStart(v.scale.to - v.scale.from),
        End: (v) => v.scale.toEnd(v.scale.to - v.scale.from),
        n: (v) => step(v, 1),
        p: (v) => step(v, -1),
        Escape: (v) => pin(v, -1),
        "/": (v) => v.searchBox.focus(),
    };

    function key(view, event) {
        const action = KEYS[event.key];

        if (!action || event.ctrlKey || event.metaKey || event.altKey)
            return;
        event.preventDefault();
        action(view);
        paintSoon(view);
    }

    function mapPointer(view) {
        const to = (e) => {
            const box = view.mapCanvas.getBoundingClientRect();
            const middle = ((e.clientX - box.left) / box.width) * view.scale.total();
            const half = (view.scale.to - view.scale.from) / 2;

            view.scale.set(middle - half, middle + half);
            paintSoon(view);
        };

        view.mapCanvas.addEventListener("pointerdown", (e) => { view.mapCanvas.setPointerCapture(e.pointerId); to(e); });
        view.mapCanvas.addEventListener("pointermove", (e) => { if (e.buttons) to(e); });
    }

    /* ---- which tasks, and where to look first ---- */

    /* Lanes for all tasks, or for those that were there in what is in view now. */
    function setLanes(view, all) {
        const {data, scale} = view;
        const there = data.tasks.map((t) => all ||
            (t[AXES[scale.axis].end] >= scale.from && t[AXES[scale.axis].start] <= scale.to));

        view.order = data.tasks.map((_, task) => task).filter((task) => there[task]);
        view.rows = data.tasks.map(() => -1);
        view.order.forEach((task, row) => { view.rows[task] = row; });
        view.laneButton.textContent = all ? "Tasks in view only" : `All ${data.tasks.length} tasks`;
        view.allLanes = all;
        resize(view);
    }

    /* A start is the same in every run; what went wrong comes after the first task was made. */
    function firstLook(view) {
        const {data, scale} = view;
        const clone = data.kind.findIndex((k) => data.kinds[k] === "clone");

        scale.fit();
        if (clone >= 0 && data.step[clone] > data.steps * 0.15)
            scale.toEnd((scale.total() - data.step[clone]) * 1.1);
        if (scale.to - scale.from > MOST_AT_FIRST)
            scale.toEnd(MOST_AT_FIRST * 0.4);
        setLanes(view, data.tasks.length <= FEW_TASKS);
    }

    /* ---- the parts of the page ---- */

    function axisButtons(view) {
        const buttons = Object.entries(AXES).map(([axis, {name}]) => [axis, element("button.choice", {
            type: "button", "aria-pressed": String(axis === view.scale.axis),
            title: axis === "step" ? "each thing that happened takes the same room" : "the program's own clock: it jumps when all tasks sleep",
            onclick: () => {
                view.scale.turn(axis);
                buttons.forEach(([a, b]) => b.setAttribute("aria-pressed", String(a === axis)));
                paintSoon(view);
            },
        }, name)]);

        return element("span.choices", {role: "group", "aria-label": "Horizontal axis"}, buttons.map(([, b]) => b));
    }

    function tools(view) {
        const button = (label, text, action) => element("button.tool", {
            type: "button", "aria-label": label, title: label, onclick: () => { action(); paintSoon(view); },
        }, text);

        view.laneButton = element("button.tool", {
            type: "button", hidden: view.data.tasks.length < 3, onclick: () => { setLanes(view, !view.allLanes); paintSoon(view); },
        });
        view.foundText = element("span.found", {role: "status"});
        view.searchBox = element("input", {
            type: "search", placeholder: "Search the timeline", "aria-label": "Search the timeline",
            oninput: (e) => search(view, e.target.value),
            onkeydown: (e) => {
                if (e.key === "Enter") {
                    e.preventDefault();
                    toFound(view, e.shiftKey ? -1 : 1);
                }
            },
        });
        return element("div.tools", null,
            axisButtons(view),
            element("span.choices", {role: "group", "aria-label": "Zoom"},
                button("Zoom in (+)", "+", () => view.scale.zoom(0.6)),
                button("Zoom out (−)", "−", () => view.scale.zoom(1 / 0.6)),
                button("Show the whole run (0)", "Fit", () => view.scale.fit()),
                button("Go to the end (End)", "End", () => view.scale.toEnd(view.scale.to - view.scale.from)),
                view.laneButton),
            element("span.search", null, view.searchBox,
                button("The one before", "‹", () => toFound(view, -1)),
                button("The next one", "›", () => toFound(view, 1)),
                view.foundText),
            button("List what is in view", "List", () => listView(view)));
    }

    function legend(view) {
        const counts = new Map();

        view.data.kind.forEach((k) => counts.set(view.data.kinds[k], (counts.get(view.data.kinds[k]) || 0) + 1));
        view.legend = view.data.kinds.filter((k) => counts.has(k) && k !== "end").map((kind) => {
            const canvas = element("canvas", {"aria-hidden": "true"});
            const button = element("button.key", {
                type: "button", "aria-pressed": String(!view.hidden.has(kind)),
                title: `${timelineDetails.TITLES[kind]}: ${counts.get(kind)}; show or hide`,
                onclick: () => setHidden(view, kind, !view.hidden.has(kind)),
            }, canvas, kind, element("span.muted", null, format.count(counts.get(kind))));

            return [kind, canvas, button];
        });
        return element("div.legend", {role: "group", "aria-label": "Kinds that are shown"},
            view.legend.map(([, , button]) => button));
    }

    function caveats(data) {
        const lines = [];

        if (data.damage)
            lines.push(`The trace ends early: ${data.damage}`);
        if (data.merged)
            lines.push(`This run was long: ${format.plural(data.merged, "earlier item")}, up to step ${format.count(data.mergedStep)}, ` +
                `${data.merged === 1 ? "is" : "are"} merged into shaded stretches. What follows is complete.`);
        return lines.length === 0 ? null : element("ul.caveats", null, lines.map((l) => element("li", null, l)));
    }

    function build(view) {
        const {data} = view;

        view.canvas = element("canvas.lanes");
        view.mapCanvas = element("canvas.map", {"aria-hidden": "true"});
        view.tip = element("div.tip", {role: "tooltip", hidden: true});
        view.details = element("div.pin", {hidden: true, role: "region", "aria-label": "Pinned item"});
        view.listBox = element("div.item-list", {hidden: true});
        view.space = element("div");
        view.box = element("div.lane-box", null, view.canvas, view.space);
        view.frameBox = element("div.lane-frame", {
            tabindex: "0", role: "application",
            "aria-label": `Timeline of ${format.plural(data.tasks.length, "task")}, ${format.plural(data.steps, "step")}, ` +
                `${format.duration(data.duration)} of virtual time. Left and right pan, plus and minus zoom, n and p go from ` +
                "item to item of a task, up and down to another task, slash searches.",
            onkeydown: (e) => key(view, e),
        }, view.box, view.tip);
        for (let i = 0; i < data.count && data.kinds[data.kind[i]] === "merged"; i++)
            view.mergedEdge.clock = Math.max(view.mergedEdge.clock, data.clockEnd[i]);
        return element("div.timeline", null,
            caveats(data), tools(view), view.frameBox, view.mapCanvas, legend(view),
            element("p.keys.muted", null,
                "Wheel zooms, drag pans, shift and drag zooms to a part, a click pins. Keys: ← → + − 0, n and p from item to item, ↑ ↓ other tasks.",
                data.kind.some((k) => data.kinds[k] === "signal") ? " A filled diamond is an injected signal, a hollow one the program's own." : ""),
            view.details, view.listBox);
    }

    function show(failure) {
        const data = model.timeline(failure);

        if (!data)
            return element("p.muted", null, `There is no timeline. ${failure.noTimeline || ""}`);
        if (data.count === 0)
            return element("p.muted", null, `The trace holds no events. ${data.damage || ""}`);
        current = emptyView(failure, data);
        const made = build(current);

        pointers(current);
        mapPointer(current);
        return made;
    }

    /* Pins an item and brings the timeline into view. */
    function showItem(i) {
        pin(current, i, true);
        current.frameBox.scrollIntoView({block: "center"});
        current.frameBox.focus({preventScroll: true});
    }

    /* The same with the last item of a task. */
    function showTask(role) {
        const {data, hidden} = current;

        for (let i = data.count - 1; i >= 0; i--) {
            if (data.tasks[data.task[i]].role !== role || hidden.has(data.kinds[data.kind[i]]))
                continue;
            showItem(i);
            return;
        }
        dom.announce("The trace tells nothing of this task");
    }

    /* The page is in place: sizes are known. */
    function entered() {
        const view = current;

        if (!view)
            return;
        view.observer = new ResizeObserver(() => resize(view));
        view.observer.observe(view.box);
        resize(view);
        firstLook(view);
        takeColors(view);
    }

    function leave() {
        if (current && current.observer)
            current.observer.disconnect();
        current = null;
    }

    theme.onchange(() => { if (current) takeColors(current); });
    return {show, showItem, showTask, entered, leave};
})();
