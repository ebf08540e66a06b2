/* The part of a timeline that is in view, and how it maps to pixels. Two axes: virtual time, which
 * jumps and stands still, and the order in which things happened. */
const timelineScale = (() => {
    const AXES = {
        step: {name: "Order", unit: "steps", start: "step", end: "stepEnd", least: 4},
        clock: {name: "Virtual time", unit: "ns", start: "clock", end: "clockEnd", least: 40},
    };

    function nice(rough) {
        const power = 10 ** Math.floor(Math.log10(rough));
        const rest = rough / power;

        return (rest > 5 ? 10 : rest > 2 ? 5 : rest > 1 ? 2 : 1) * power;
    }

    function make(data) {
        const scale = {axis: "step", from: 0, to: 1, left: 0, width: 100};
        const total = () => Math.max(scale.axis === "step" ? data.steps + 1 : data.duration, AXES[scale.axis].least);
        const MARGIN = 0.03; /* of what is in view, for marks at the very ends */
        const most = () => total() / (1 - 2 * MARGIN);

        function set(from, to) {
            const width = Math.min(Math.max(to - from, AXES[scale.axis].least), most());
            const start = from + (to - from - width) / 2;

            scale.from = Math.min(Math.max(start, -MARGIN * width), total() + MARGIN * width - width);
            scale.to = scale.from + width;
        }

        Object.assign(scale, {
            set,
            total,
            fit: () => set(total() / 2 - most(), total() / 2 + most()),
            /* The last part, `width` of it; the first with toStart. */
            toEnd: (width) => set(total() * 2, total() * 2 + width),
            toStart: (width) => set(-total() * 2, width - total() * 2),
            isFit: () => scale.to - scale.from >= most() * 0.999,
            x: (value) => scale.left + ((value - scale.from) / (scale.to - scale.from)) * scale.width,
            value: (x) => scale.from + ((x - scale.left) / scale.width) * (scale.to - scale.from),
            zoom(factor, x) {
                const middle = scale.value(x === undefined ? scale.left + scale.width / 2 : x);

                set(middle - (middle - scale.from) * factor, middle + (scale.to - middle) * factor);
            },
            pan(pixels) {
                const by = (pixels / scale.width) * (scale.to - scale.from);

                set(scale.from + by, scale.to + by);
            },
            /* The item whole and in the middle, if it is not in view. */
            reveal(start, end) {
                const width = scale.to - scale.from;

                if (start >= scale.from + width * 0.05 && end <= scale.to - width * 0.05)
                    return;
                if (end - start > width * 0.9)
                    set(start - (end - start) * 0.1, end + (end - start) * 0.1);
                else
                    set((start + end - width) / 2, (start + end + width) / 2);
            },
            /* Keeps what is in view when the axis changes: that between the first and last step. */
            turn(axis) {
                const old = AXES[scale.axis];
                const fresh = AXES[axis];
                let from = Infinity;
                let to = -Infinity;

                for (let i = 0; i < data.count; i++) {
                    if (data[old.start][i] < scale.from || data[old.start][i] > scale.to)
                        continue;
                    from = Math.min(from, data[fresh.start][i]);
                    to = Math.max(to, data[fresh.start][i]);
                }
                scale.axis = axis;
                if (from > to)
                    return scale.fit();
                const room = Math.max((to - from) * 0.03, fresh.least / 8);
                return set(from - room, to + room);
            },
            ticks() {
                const step = Math.max(nice(((scale.to - scale.from) / scale.width) * 110), 1);
                const list = [];

                for (let v = Math.ceil(Math.max(scale.from, 0) / step) * step; v <= Math.min(scale.to, total()); v += step)
                    list.push(v);
                return {step, list};
            },
            /* A tick's label: as many digits as tell it from its neighbours. */
            label(value, step) {
                if (scale.axis === "step")
                    return format.count(Math.round(value));
                if (value === 0)
                    return "0";
                const [size, unit] = value >= 1e9 ? [1e9, "s"] : value >= 1e6 ? [1e6, "ms"] : value >= 1e3 ? [1e3, "µs"] : [1, "ns"];
                const digits = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));

                return `${(value / size).toFixed(Math.min(digits, 9))} ${unit}`;
            },
        });
        return scale;
    }

    return {AXES, make};
})();
