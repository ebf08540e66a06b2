/* Which page the address names: "" all tests, "failure/TEST/SIGNATURE" one failure. */
(() => {
    const main = document.getElementById("main");
    const {session} = model;

    /* Addresses are typed and cut by people and mailers: what is no text names nothing. */
    function decoded(text) {
        try {
            return decodeURIComponent(text);
        } catch {
            return null;
        }
    }

    function find(hash) {
        const [kind, name, signature] = hash.replace(/^#/, "").split("/");

        if (kind !== "failure")
            return null;
        const wanted = decoded(name || "");
        const test = session.tests.find((t) => t.name === wanted);
        const found = test && test.failures.find((f) => f.signature === signature);

        return found ? [test, found] : null;
    }

    let scroll = 0;
    let here = null;
    function route() {
        if (location.hash === "#main")
            return;
        const found = find(location.hash);
        const next = found ? location.hash : "";

        if (next === here)
            return;
        if (here === "")
            scroll = window.scrollY;
        here = next;
        timeline.leave();
        main.replaceChildren(found ? failure.show(...found) : overview.show());
        document.title = found ? `${found[1].title} · ${found[0].name}` : `${format.baseName(session.suite)} · rrtest report`;
        timeline.entered();
        window.scrollTo(0, found ? 0 : scroll);
        if (found)
            main.focus({preventScroll: true});
    }

    document.getElementById("bar-suite").textContent = session.suite;
    document.getElementById("footer").textContent =
        `Made by rrtest ${session.version}. Failure rates with 95 % confidence intervals (Clopper-Pearson). ` +
        "This file needs no network and sends nothing.";
    window.addEventListener("hashchange", route);
    route();
})();
