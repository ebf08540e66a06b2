/* Light, dark, or as the system has it. */
const theme = (() => {
    const NEXT = {auto: "light", light: "dark", dark: "auto"};
    const button = document.getElementById("theme");
    const listeners = [];

    /* Pages opened from files may have no storage. */
    function stored() {
        try {
            return localStorage.getItem("rrtest-theme");
        } catch {
            return null;
        }
    }

    function set(name) {
        document.documentElement.dataset.theme = name;
        button.textContent = {auto: "Theme: system", light: "Theme: light", dark: "Theme: dark"}[name];
        try {
            localStorage.setItem("rrtest-theme", name);
        } catch {
            /* it then lasts as long as the page */
        }
        listeners.forEach((f) => f());
    }

    button.addEventListener("click", () => set(NEXT[document.documentElement.dataset.theme]));
    for (const query of ["(prefers-color-scheme: dark)", "print"]) /* paper is light */
        matchMedia(query).addEventListener("change", () => listeners.forEach((f) => f()));
    set(stored() in NEXT ? stored() : "auto");
    return {
        onchange: (f) => listeners.push(f),
        color: (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(),
    };
})();
