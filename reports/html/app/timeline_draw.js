/* Painting a timeline on canvas: lanes, spans, marks, arrows, and the small map of the whole. Only
 * what is in view is looked at, and no two marks of a kind on the same pixels. */
const timelineDraw = (() => {
    const RULER = 26;
    const GUTTER = 190;
    const SPANS = new Set(["run", "wait", "lock", "merged"]);

    /* Marks have shapes of their own: colour alone tells nothing. */
    const SHAPES = {
        call(c) { c.rect(-1, -5, 2, 10); },
        wake(c) { c.arc(0, 0, 4.5, 0, 7); },
        preempt(c) { c.moveTo(-5.5, -5); c.lineTo(5.5, -5); c.lineTo(0, 5.5); c.closePath(); },
        signal(c) { c.moveTo(0, -6.5); c.lineTo(6, 0); c.lineTo(0, 6.5); c.lineTo(-6, 0); c.closePath(); },
        fault(c) {
            for (const [x, y] of [[-2, -5], [0, -2], [2, -5], [5, -2], [2, 0], [5, 2], [2, 5], [0, 2], [-2, 5], [-5, 2], [-2, 0], [-5, -2]])
                c.lineTo(x, y);
            c.closePath();
        },
        clone(c) { c.moveTo(-4.5, -5.5); c.lineTo(5, 0); c.lineTo(-4.5, 5.5); c.closePath(); },
        exec(c) { c.moveTo(0, -5.5); c.lineTo(5.5, 5); c.lineTo(-5.5, 5); c.closePath(); },
        exit(c) { c.rect(-4, -4, 8, 8); },
        output(c) { c.moveTo(-6, -5); c.lineTo(6, -5); c.lineTo(6, 3); c.lineTo(1, 3); c.lineTo(-2, 6); c.lineTo(-2, 3); c.lineTo(-6, 3); c.closePath(); },
        patch(c) { c.rect(-4, -1.5, 8, 3); },
        instruction(c) { c.arc(0, 0, 2, 0, 7); },
        stray(c) { c.moveTo(-4, -4); c.lineTo(4, 4); c.moveTo(4, -4); c.lineTo(-4, 4); },
        end(c) { c.moveTo(-1, -7); c.lineTo(7, -3.5); c.lineTo(1, 0); c.lineTo(1, 7); c.lineTo(-1, 7); c.closePath(); },
    };
    SHAPES.killed = SHAPES.fault; /* an end that was no exit */
    const FAILED = 8;
    const HOLLOW = new Set(["wake", "stray"]);

    function mark(c, kind, x, y, colors, filled) {
        c.save();
        c.translate(x, y);
        c.beginPath();
        SHAPES[kind](c);
        c.lineWidth = 1.5;
        c.strokeStyle = c.fillStyle = colors[kind];
        if (filled)
            c.fill();
        else {
            c.fillStyle = colors.panel;
            c.fill();
            c.stroke();
        }
        c.restore();
    }

    function palette() {
        const names = ["run", "wait", "lock", "merged", ...Object.keys(SHAPES), "onRun", "panel", "stripe", "line", "text", "muted", "accent", "found"];

        return Object.fromEntries(names.map((n) => [n, theme.color(`t-${n}`) || theme.color(n)]));
    }

    /* Hatching that tells waiting from executing without colour. */
    function hatch(context, color, panel) {
        const tile = document.createElement("canvas");
        const c = tile.getContext("2d");

        tile.width = tile.height = 6;
        c.fillStyle = panel;
        c.fillRect(0, 0, 6, 6);
        c.globalAlpha = 0.22;
        c.fillStyle = color;
        c.fillRect(0, 0, 6, 6);
        c.globalAlpha = 1;
        c.strokeStyle = color;
        c.lineWidth = 1.3;
        c.beginPath();
        for (const d of [-6, 0, 6]) {
            c.moveTo(d, 6);
            c.lineTo(d + 6, 0);
        }
        c.stroke();
        return context.createPattern(tile, "repeat");
    }

    /* Per lane: spans and marks by their beginning, with the furthest end so far for culling. */
    function index(data) {
        const lanes = data.tasks.map(() => ({spans: [], marks: [], handlers: [], reach: {step: [], clock: []}}));

        for (let i = 0; i < data.count; i++) {
            const lane = lanes[data.task[i]];
            const kind = data.kinds[data.kind[i]];

            if (SPANS.has(kind)) {
                const last = lane.spans.length - 1;

                lane.reach.step.push(Math.max(data.stepEnd[i], last < 0 ? 0 : lane.reach.step[last]));
                lane.reach.clock.push(Math.max(data.clockEnd[i], last < 0 ? 0 : lane.reach.clock[last]));
                lane.spans.push(i);
            } else {
                lane.marks.push(i);
                if (kind === "signal" && data.stepEnd[i] > data.step[i])
                    lane.handlers.push(i);
            }
        }
        return lanes;
    }

    /* The first position of a sorted list whose value is at least `least`. */
    function lower(length, valueAt, least) {
        let low = 0;
        let high = length;

        while (low < high) {
            const middle = (low + high) >> 1;

            if (valueAt(middle) < least)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    function spansInView(view, lane, from, to, each) {
        const {data, scale} = view;
        const {start} = timelineScale.AXES[scale.axis];
        const reach = lane.reach[scale.axis];

        for (let n = lower(reach.length, (k) => reach[k], from); n < lane.spans.length; n++) {
            const i = lane.spans[n];

            if (data[start][i] > to)
                break;
            each(i);
        }
    }

    function marksInView(view, lane, from, to, each) {
        const {data, scale} = view;
        const {start} = timelineScale.AXES[scale.axis];

        for (let n = lower(lane.marks.length, (k) => data[start][lane.marks[k]], from); n < lane.marks.length; n++) {
            const i = lane.marks[n];

            if (data[start][i] > to)
                break;
            if (!view.hidden.has(data.kinds[data.kind[i]]))
                each(i);
        }
    }

    const laneTop = (view, task) => RULER + view.rows[task] * view.lane - view.scroll;
    const markY = (view, task) => laneTop(view, task) + view.lane - 36;
    const spanY = (view, task) => laneTop(view, task) + view.lane - 25;
    const SPAN_HEIGHT = 17;

    /* In a span that is wide enough: where the task stopped executing, or what it waits in. */
    function spanText(view, c, i, from, to, y) {
        const {data, colors} = view;
        const isRun = data.kinds[data.kind[i]] === "run";
        const text = isRun ? data.places[data.place[i]][0] : data.strings[data.text[i]].split("(")[0];

        if (!text)
            return;
        c.font = view.fonts.small;
        const width = c.measureText(text).width;
        if (width + 12 > to - from)
            return;
        c.textBaseline = "middle";
        if (isRun) { /* at its right end: that is where it stopped */
            c.fillStyle = colors.onRun;
            c.fillText(text, to - width - 6, y + SPAN_HEIGHT / 2 + 0.5);
            return;
        }
        c.fillStyle = colors.panel;
        c.fillRect(from + 4, y + 1, width + 6, SPAN_HEIGHT - 2);
        c.fillStyle = colors.text;
        c.fillText(text, from + 7, y + SPAN_HEIGHT / 2 + 0.5);
    }

    function spans(view, c, task) {
        const {data, scale, colors} = view;
        const {start, end} = timelineScale.AXES[scale.axis];
        const y = spanY(view, task);
        const drawn = {};

        spansInView(view, view.lanes[task], scale.from, scale.to, (i) => {
            const kind = data.kinds[data.kind[i]];
            const from = Math.max(scale.x(data[start][i]), scale.left - 2);
            const to = Math.min(scale.x(data[end][i]), scale.left + scale.width + 2);

            if (to <= drawn[kind] || view.hidden.has(kind))
                return;
            drawn[kind] = Math.max(to, from + 1.5);
            c.fillStyle = kind === "run" ? colors.run : view.hatches[kind];
            c.fillRect(from, kind === "run" ? y : y + 2, Math.max(to - from, 1.5), kind === "run" ? SPAN_HEIGHT : SPAN_HEIGHT - 4);
            if (view.found.has(i)) {
                c.fillStyle = colors.found;
                c.fillRect(from, y - 3, Math.max(to - from, 3), 3);
            }
            if (data.flags[i] & 4 && kind !== "run") { /* never ended: no right edge, but a bar */
                c.fillStyle = colors[kind];
                c.fillRect(Math.max(to - 3, from), y, 3, SPAN_HEIGHT);
            }
            if (kind === "run" && to - from > 3) { /* neighbours stay apart */
                c.fillStyle = colors.panel;
                c.fillRect(to - 0.75, y, 0.75, SPAN_HEIGHT);
            }
            if (to - from > 36)
                spanText(view, c, i, from, to, y);
        });
        for (const i of view.lanes[task].handlers) {
            if (data[end][i] < scale.from || data[start][i] > scale.to)
                continue;
            c.fillStyle = colors.signal;
            c.fillRect(scale.x(data[start][i]), y + SPAN_HEIGHT + 1, Math.max(scale.x(data[end][i]) - scale.x(data[start][i]), 2), 2.5);
        }
    }

    function marks(view, c, task) {
        const {data, scale, colors} = view;
        const {start} = timelineScale.AXES[scale.axis];
        const y = markY(view, task);
        const room = scale.value(scale.left + 8) - scale.from;
        const drawn = {};

        marksInView(view, view.lanes[task], scale.from - room, scale.to + room, (i) => {
            const kind = data.kinds[data.kind[i]];
            const x = scale.x(data[start][i]);

            if (x - drawn[kind] < 2 && !view.found.has(i))
                return;
            drawn[kind] = x;
            if (view.found.has(i)) {
                c.beginPath();
                c.arc(x, y, 10, 0, 7);
                c.fillStyle = colors.found;
                c.fill();
            }
            mark(c, kind === "exit" && data.flags[i] & FAILED ? "killed" : kind, x, y, colors, !HOLLOW.has(kind) && (kind !== "signal" || (data.flags[i] & 2) !== 0));
        });
    }

    function arrow(view, c, i, strong) {
        const {data, scale, colors} = view;
        const {start, end} = timelineScale.AXES[scale.axis];
        const from = data.cause[i] - 1;
        const isWait = data.kinds[data.kind[i]] !== "run";
        const x1 = scale.x(data[start][from]);
        const x2 = scale.x(isWait ? data[end][i] : data[start][i]);
        const y1 = markY(view, data.task[from]) + 6;
        const y2 = spanY(view, data.task[i]) + SPAN_HEIGHT / 2;
        const bend = Math.max(14, Math.abs(x2 - x1) / 2);

        c.globalAlpha = strong ? 1 : 0.45;
        c.strokeStyle = c.fillStyle = colors.wake;
        c.lineWidth = strong ? 2 : 1.2;
        c.beginPath();
        c.moveTo(x1, y1);
        c.bezierCurveTo(x1 + bend / 3, y1 + (y2 - y1) / 2, x2 - bend, y2, x2 - 5, y2);
        c.stroke();
        c.beginPath();
        c.moveTo(x2, y2);
        c.lineTo(x2 - 7, y2 - 4);
        c.lineTo(x2 - 7, y2 + 4);
        c.fill();
        c.globalAlpha = 1;
    }

    function arrows(view, c) {
        const {data, scale} = view;
        const {start, end} = timelineScale.AXES[scale.axis];
        const hasLanes = (i) => view.rows[data.task[i]] >= 0 && view.rows[data.task[data.cause[i] - 1]] >= 0;
        const visible = view.caused.filter((i) => hasLanes(i) &&
            data[end][i] >= scale.from && data[start][data.cause[i] - 1] <= scale.to);

        if (visible.length <= 120)
            visible.forEach((i) => arrow(view, c, i, false));
        for (const i of view.caused) {
            if (hasLanes(i) && (i === view.pinned || data.cause[i] - 1 === view.pinned || i === view.hovered))
                arrow(view, c, i, true);
        }
    }

    function outline(view, c, i, width) {
        const {data, scale, colors} = view;
        const {start, end} = timelineScale.AXES[scale.axis];
        const isSpan = SPANS.has(data.kinds[data.kind[i]]);
        const x = scale.x(data[start][i]);
        const y = isSpan ? spanY(view, data.task[i]) - 2 : markY(view, data.task[i]) - 9;
        const span = isSpan ? Math.max(scale.x(data[end][i]) - x, 2) + 4 : 18;

        c.strokeStyle = colors.accent;
        c.lineWidth = width;
        c.strokeRect(isSpan ? x - 2 : x - 9, y, span, isSpan ? SPAN_HEIGHT + 4 : 18);
    }

    function labels(view, c, shown) {
        const {data, colors} = view;

        c.textBaseline = "middle";
        for (const task of shown) {
            const t = data.tasks[task];
            const y = laneTop(view, task);
            const title = `Task ${t.role}`;
            const rest = `${t.name || "unnamed"} · ${t.tid > 0 ? `tid ${t.tid}` : "tid not known"}`;

            c.font = view.fonts.strong;
            c.fillStyle = colors.text;
            if (view.gutter) {
                const indent = Math.min(t.role.split(".").length - 1, 4) * 10;

                c.fillText(title, 12 + indent, y + view.lane / 2 - 8, GUTTER - 20 - indent);
                c.font = view.fonts.small;
                c.fillStyle = colors.muted;
                c.fillText(rest, 12 + indent, y + view.lane / 2 + 9, GUTTER - 20 - indent);
            } else {
                c.font = view.fonts.small;
                c.fillStyle = colors.muted;
                c.fillText(`${title} · ${rest}`, 6, y + 9, scaleEnd(view) - 12);
            }
        }
    }

    const scaleEnd = (view) => view.scale.left + view.scale.width;

    function ruler(view, c, height) {
        const {scale, colors} = view;
        const {step, list} = scale.ticks();

        c.font = view.fonts.small;
        c.textBaseline = "middle";
        for (const value of list) {
            const x = Math.round(scale.x(value)) + 0.5;

            c.strokeStyle = colors.line;
            c.lineWidth = 1;
            c.beginPath();
            c.moveTo(x, RULER - 6);
            c.lineTo(x, height);
            c.stroke();
            c.fillStyle = colors.muted;
            c.textAlign = x > scaleEnd(view) - 40 ? "right" : x < scale.left + 20 ? "left" : "center";
            c.fillText(scale.label(value, step), x, 11);
        }
        c.textAlign = "left";
    }

    function merged(view, c, height) {
        const {data, scale, colors} = view;

        if (!data.merged)
            return;
        const edge = view.mergedEdge[scale.axis];
        const x = Math.min(scale.x(edge), scaleEnd(view));

        if (x <= scale.left)
            return;
        c.fillStyle = colors.stripe;
        c.fillRect(scale.left, RULER, x - scale.left, height - RULER);
        if (x - scale.left > 150) {
            c.font = view.fonts.small;
            c.fillStyle = colors.muted;
            c.textAlign = "right";
            c.fillText("merged: not shown one by one", x - 8, RULER + 6);
            c.textAlign = "left";
        }
    }

    /* Where the run ended, through all lanes. */
    function failureLine(view, c, height) {
        const {data, scale, colors} = view;
        const last = data.count - 1;

        if (data.kinds[data.kind[last]] !== "end")
            return;
        const x = Math.round(scale.x(data[timelineScale.AXES[scale.axis].start][last])) + 0.5;

        c.save();
        c.strokeStyle = colors.end;
        c.lineWidth = 1.5;
        c.setLineDash([4, 3]);
        c.beginPath();
        c.moveTo(x, RULER);
        c.lineTo(x, height);
        c.stroke();
        c.restore();
    }

    function main(view) {
        const {canvas, scale, colors, data} = view;
        const c = canvas.getContext("2d");
        const ratio = window.devicePixelRatio || 1;
        const {width, height} = view.size;

        c.setTransform(ratio, 0, 0, ratio, 0, 0);
        c.fillStyle = colors.panel;
        c.fillRect(0, 0, width, height);
        const first = Math.max(0, Math.floor(view.scroll / view.lane));
        const shown = view.order.slice(first, Math.ceil((view.scroll + height) / view.lane));

        for (const task of shown) {
            c.fillStyle = view.rows[task] % 2 ? colors.panel : colors.stripe;
            c.fillRect(0, laneTop(view, task), width, view.lane);
        }
        merged(view, c, height);
        c.save();
        c.beginPath();
        c.rect(scale.left, 0, scale.width, height);
        c.clip();
        c.fillStyle = colors.panel;
        ruler(view, c, height);
        const {start, end} = timelineScale.AXES[scale.axis];
        for (const task of shown) {
            const t = data.tasks[task];
            const x = scale.x(t[start]);

            c.fillStyle = colors.line;
            c.fillRect(x, spanY(view, task) + SPAN_HEIGHT / 2 - 0.5, scale.x(t[end]) - x, 1);
            spans(view, c, task);
            marks(view, c, task);
        }
        failureLine(view, c, height);
        arrows(view, c);
        if (view.hovered >= 0)
            outline(view, c, view.hovered, 1.5);
        if (view.pinned >= 0)
            outline(view, c, view.pinned, 2.5);
        if (view.selection) {
            c.fillStyle = colors.found;
            c.globalAlpha = 0.5;
            c.fillRect(Math.min(...view.selection), 0, Math.abs(view.selection[1] - view.selection[0]), height);
            c.globalAlpha = 1;
        }
        c.restore();
        /* lanes that scrolled under the ruler */
        c.fillStyle = colors.panel;
        c.fillRect(0, 0, width, RULER - 6);
        c.save();
        c.beginPath();
        c.rect(scale.left, 0, scale.width, RULER);
        c.clip();
        ruler(view, c, RULER);
        c.restore();
        c.save();
        c.beginPath();
        c.rect(0, RULER - (view.gutter ? 6 : 0), width, height);
        c.clip();
        labels(view, c, shown);
        c.restore();
        if (view.gutter) {
            c.fillStyle = colors.line;
            c.fillRect(scale.left - 1, 0, 1, height);
        }
    }

    /* The whole run, a thin row per task, and the part that is in view. */
    function map(view) {
        const {mapCanvas, scale, colors, data} = view;
        const c = mapCanvas.getContext("2d");
        const ratio = window.devicePixelRatio || 1;
        const {width} = view.size;
        const height = view.mapHeight;
        const rows = Math.min(data.tasks.length, 16);
        const row = Math.min((height - 8) / rows, 11);
        const top = (height - row * rows) / 2;
        const {start, end} = timelineScale.AXES[scale.axis];
        const x = (value) => (value / scale.total()) * width;
        const drawn = {};

        c.setTransform(ratio, 0, 0, ratio, 0, 0);
        c.fillStyle = colors.stripe;
        c.fillRect(0, 0, width, height);
        for (let i = 0; i < data.count; i++) {
            const kind = data.kinds[data.kind[i]];

            if (kind !== "run" && kind !== "merged")
                continue;
            const at = Math.floor((data.task[i] * rows) / data.tasks.length);
            const from = x(data[start][i]);
            const to = Math.max(x(data[end][i]), from + 1);

            if (to <= drawn[at])
                continue;
            drawn[at] = to;
            c.fillStyle = colors[kind];
            c.fillRect(from, top + at * row, to - from, Math.max(row - 1, 1));
        }
        const from = x(Math.max(scale.from, 0));
        const to = x(Math.min(scale.to, scale.total()));

        c.fillStyle = colors.panel;
        c.globalAlpha = 0.6;
        c.fillRect(0, 0, from, height);
        c.fillRect(to, 0, width - to, height);
        c.globalAlpha = 1;
        c.strokeStyle = colors.accent;
        c.lineWidth = 2;
        c.strokeRect(from + 1, 1, Math.max(to - from - 2, 4), height - 2);
    }

    /* The item at a point: a mark near it, else the span under it; -1. */
    function hit(view, x, y) {
        const {data, scale} = view;
        const {start, end} = timelineScale.AXES[scale.axis];
        const task = view.order[Math.floor((y - RULER + view.scroll) / view.lane)];

        if (y < RULER || task === undefined || x < scale.left)
            return -1;
        const lane = view.lanes[task];
        const near = scale.value(scale.left + 8) - scale.from;
        const at = scale.value(x);
        let best = -1;

        if (y < spanY(view, task) - 1) {
            marksInView(view, lane, at - near, at + near, (i) => {
                if (best < 0 || Math.abs(data[start][i] - at) < Math.abs(data[start][best] - at))
                    best = i;
            });
            return best;
        }
        const pixel = scale.value(scale.left + 2) - scale.from;
        spansInView(view, lane, at - pixel, at + pixel, (i) => {
            if (data[end][i] >= at - pixel && !view.hidden.has(data.kinds[data.kind[i]]) &&
                (best < 0 || data[start][i] <= at))
                best = i;
        });
        return best;
    }

    return {RULER, GUTTER, SPANS, SHAPES, HOLLOW, mark, palette, hatch, index, main, map, hit, markY, spanY};
})();
