/* Numbers and names as people read them. */
const format = (() => {
    const UNITS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

    function count(value) {
        return value.toLocaleString("en-US").replaceAll(",", "\u202f");
    }

    function plural(value, one, many) {
        return `${count(value)} ${value === 1 ? one : many || `${one}s`}`;
    }

    /* Where a group of failures was first seen: set-up and teardown are no run. */
    function firstRun(failure) {
        if (failure.firstRun)
            return `run ${count(failure.firstRun)}`;
        return failure.title.startsWith("teardown:") ? "teardown, after the last run" : "setup, before the first run";
    }

    /* Three digits that mean something: 5.00 s, 379 ms, 46.2 µs. */
    function duration(ns) {
        if (ns >= 60e9) {
            const minutes = Math.floor(ns / 60e9);
            const seconds = Math.round((ns - minutes * 60e9) / 1e9);

            return minutes >= 60
                ? `${Math.floor(minutes / 60)} h ${minutes % 60} min`
                : `${minutes} min ${seconds} s`;
        }
        for (const [size, unit] of UNITS) {
            if (ns >= size || size === 1) {
                const value = ns / size;
                const digits = size === 1 || value >= 100 ? 0 : value >= 10 ? 1 : 2;

                return `${value.toFixed(digits)} ${unit}`;
            }
        }
        return "0 ns";
    }

    function bytes(size) {
        if (size < 1024)
            return `${size} B`;
        return size < 1048576 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1048576).toFixed(1)} MiB`;
    }

    /* Two significant digits, as reports/rate.c has them: limits are rounded outwards. */
    function percent(fraction, round = Math.round) {
        const value = fraction * 100;

        if (!(value > 0))
            return "0 %";
        let digits = 1 - Math.floor(Math.log10(value) + 1e-12);
        const scaled = round(value * 10 ** digits + (round === Math.ceil ? -1e-9 : round === Math.floor ? 1e-9 : 0));
        const shown = scaled / 10 ** digits;

        if (scaled >= 100 && digits > 0)
            digits--;
        return `${shown.toFixed(Math.max(digits, 0))} %`;
    }

    function baseName(path) {
        return path ? path.slice(path.lastIndexOf("/") + 1) : "";
    }

    /* [where in the source or the module, the same in full] */
    function source(file, line, module, address) {
        if (file)
            return [`${baseName(file)}:${line}`, `${file}:${line}`];
        if (module)
            return [`${baseName(module)}+${address}`, `${module}+${address}`];
        return [address, `${address}, which no file backs`];
    }

    /* A C++ function without its parameters and the arguments of its templates, which say little and
     * fill lines: ns::Queue<...>::push. What is no such name stays as it is. */
    function shortFunction(name) {
        let short = "";
        let depth = 0;

        if (/\boperator\b|^<|\blambda\b/.test(name))
            return name;
        for (const c of name.replaceAll("(anonymous namespace)::", "")) {
            if (c === "<" || c === "(") {
                if (depth === 0 && c === "<")
                    short += "<…>";
                depth++;
            } else if (c === ">" || c === ")") {
                depth--;
            } else if (depth === 0) {
                short += c;
            }
        }
        return depth === 0 ? short.replace(/ const$/, "").trim().split(" ").pop() || name : name;
    }

    function date(ms) {
        return ms > 0 ? new Date(ms).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC") : null;
    }

    return {count, plural, firstRun, duration, bytes, percent, baseName, source, shortFunction, date};
})();
