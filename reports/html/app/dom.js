"use strict";

/* Making elements. Text only ever enters the page as text, never as markup. */
const dom = (() => {
    /* element("a.name", {href: "#", onclick: f}, "text", child, [more], null) */
    function element(tag, attributes, ...children) {
        const [name, ...classes] = tag.split(".");
        const made = document.createElement(name);

        if (classes.length > 0)
            made.className = classes.join(" ");
        for (const [key, value] of Object.entries(attributes || {})) {
            if (value === null || value === undefined || value === false)
                continue;
            if (key.startsWith("on"))
                made.addEventListener(key.slice(2), value);
            else
                made.setAttribute(key, value === true ? "" : String(value));
        }
        made.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
        return made;
    }

    function announce(text) {
        document.getElementById("live").textContent = text;
    }

    /* file: pages have no navigator.clipboard in some browsers; the old way needs a selection. */
    async function copy(text) {
        try {
            await navigator.clipboard.writeText(text);
            return true;
        } catch {
            const area = element("textarea.visually-hidden", {"aria-hidden": "true"});

            area.value = text;
            document.body.append(area);
            area.select();
            const done = document.execCommand("copy");
            area.remove();
            return done;
        }
    }

    /* A shell command with its copy button. */
    function command(label, text) {
        const button = element("button.copy", {
            type: "button",
            "aria-label": `Copy the command: ${label}`,
            onclick: async () => {
                const done = await copy(text);

                button.textContent = done ? "Copied" : "Select it by hand";
                announce(done ? "Copied" : "Copying is not allowed here");
                setTimeout(() => { button.textContent = "Copy"; }, 1600);
            },
        }, "Copy");

        return element("div.command", null,
            element("span.command-label", null, label),
            element("code", {tabindex: "0"}, text),
            button);
    }

    return {element, announce, command};
})();
