/* Opens a report in headless Chromium, offline, and checks one thing: page.mjs CHECK PAGE SCREENSHOTS.
 * Exit status 0, or 1 with what was wrong. Errors on the console, exceptions, and any request but for
 * the page itself fail every check. */
import {createRequire} from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import {pathToFileURL} from "node:url";

const {chromium} = createRequire(`${process.env.NODE_MODULES}/`)("playwright-core");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"];
const [check, file, screenshots] = process.argv.slice(2);
const address = pathToFileURL(path.resolve(file)).href;
const problems = [];

function expect(holds, text) {
    if (!holds)
        problems.push(text);
}

async function open(context, options = {}) {
    const page = await context.newPage();

    page.on("console", (m) => expect(m.type() !== "error" && m.type() !== "warning", `console: ${m.text()}`));
    page.on("pageerror", (e) => problems.push(`exception: ${e.message}`));
    page.on("dialog", (d) => { problems.push(`dialog: ${d.message()}`); d.dismiss(); });
    page.on("request", (r) => expect(r.url().split("#")[0] === address || r.url() === "data:,", `request: ${r.url()}`));
    await page.setViewportSize(options.size || {width: 1280, height: 900});
    await page.emulateMedia({colorScheme: options.scheme || "light"});
    await page.goto(address + (options.hash || ""));
    return page;
}

async function openFailure(page, test) {
    await page.click(`tbody[data-test="${test}"] a.failure-link`);
    await page.waitForSelector("article.failure");
    await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
}

const texts = (page, selector) => page.$$eval(selector, (all) => all.map((e) => e.textContent));
const names = (page) => texts(page, "tbody .test-name");
const view = (page) => page.getAttribute(".lane-frame", "aria-description");

/* Moves over the timeline until a tooltip has the text; returns the tooltip and where it was. */
async function findTip(page, text) {
    const canvas = page.locator("canvas.lanes");

    await canvas.scrollIntoViewIfNeeded();
    const box = await canvas.boundingBox();
    for (let y = box.y + 32; y < box.y + box.height; y += 10) {
        for (let x = box.x + 2; x < box.x + box.width; x += 7) {
            await page.mouse.move(x, y);
            const tip = await page.$eval(".tip", (e) => (e.hidden ? "" : e.innerText));

            if (tip.includes(text))
                return {tip, x, y};
        }
    }
    problems.push(`no tooltip has '${text}'`);
    return {tip: "", x: box.x, y: box.y};
}

async function layout(context, name, tests) {
    for (const width of [360, 768, 1600]) {
        for (const scheme of ["light", "dark"]) {
            const page = await open(context, {size: {width, height: width < 500 ? 780 : 1000}, scheme});
            const look = async (what) => {
                expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${what} overflows at ${width} px`);
                await page.screenshot({path: `${screenshots}/html-${name}-${what}-${width}-${scheme}.png`, fullPage: true});
            };

            await look("overview");
            const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
            const isLight = background.match(/\d+/g).slice(0, 3).every((v) => Number(v) > 128);

            expect(isLight === (scheme === "light"), `${scheme}: ${background}`);
            for (const test of tests) {
                await openFailure(page, test);
                await look(test);
                await page.goBack();
                await page.waitForSelector(".overview");
            }
            await page.close();
        }
    }
}

const checks = {
    async overview(context) {
        const page = await open(context);
        const all = await names(page);

        expect(all.length >= 7, `tests: ${all}`);
        expect(/\d of \d+ tests failed/.test(await page.textContent("h1")), "the headline");
        expect((await page.textContent(".remarks")).includes("time budget"), "what the results go without");
        expect((await page.textContent('tbody[data-test="parser-basics"]')).includes("at most"), "the rate of a test that passed");
        await page.fill("#search", "pthread_join_common");
        expect((await names(page)).join() === "queue-close", `search by a stack's file: ${await names(page)}`);
        await page.fill("#search", "no such thing");
        expect((await names(page)).length === 0, "a search for nothing");
        await page.fill("#search", "");
        await page.click(".chip.is-skipped");
        expect((await names(page)).join() === "needs-root", `skipped tests: ${await names(page)}`);
        await page.click(".chip.is-skipped");
        await page.click(".label >> nth=0");
        expect((await names(page)).join() === "queue-close", `tests with a label: ${await names(page)}`);
        await page.selectOption('select[aria-label="Label"]', "");
        await page.selectOption('select[aria-label="Order"]', "name");
        expect((await names(page)).join() === [...all].sort().join(), `by name: ${await names(page)}`);
    },

    /* Text of the program is text: no markup in it is obeyed. */
    async failure(context) {
        const page = await open(context);

        await openFailure(page, "queue-close");
        expect((await page.textContent("#output pre")).includes("</script><!-- <script>alert(1)</script>"), "the output as it is");
        expect((await texts(page, ".frame.is-inlined")).join().includes("load"), "the inlined frame");
        expect((await page.textContent(".stack.is-cause summary")).includes("ended the run"), "the cause");
        expect((await page.textContent("#stacks")).includes("unknown function"), "a frame without a name");
        expect((await page.textContent("#timeline")).includes("No trace"), "why there is no timeline");
        await page.click("text=Close all");
        expect((await page.$$("details[open]")).length === 0, "closed stacks");
        const hash = await page.evaluate(() => location.hash);
        const again = await open(context, {hash});
        expect((await again.textContent("h1")).includes("SIGSEGV"), "the failure's own address");
        await again.click(".crumbs a");
        expect((await names(again)).length >= 7, "the way back");
        await openFailure(again, "gone");
        expect(/cannot|no such/i.test(await again.textContent("#timeline")), `a trace that is gone: ${await again.textContent("#timeline")}`);
    },

    async copy(context) {
        const page = await open(context);

        await openFailure(page, "signal");
        await context.grantPermissions(["clipboard-read", "clipboard-write"]).catch(() => {});
        await page.click("#commands .copy >> nth=0");
        await page.waitForFunction(() => document.querySelector("#commands .copy").textContent === "Copied");
        expect(/rrtest replay /.test(await page.evaluate(() => navigator.clipboard.readText())), "the copied command");
    },

    async timeline(context) {
        const page = await open(context);

        await openFailure(page, "signal");
        const {tip, x, y} = await findTip(page, "Injected signal");
        expect(tip.includes("SIGUSR1"), `the signal: ${tip}`);
        expect(tip.includes("on_status"), `the handler: ${tip}`);
        expect(/signal_reentrancy\.c:\d+/.test(tip), `its source: ${tip}`);
        expect(/step \d+.*event \d+/.test(tip), `its position: ${tip}`);
        await page.screenshot({path: `${screenshots}/html-tooltip.png`});
        await page.mouse.click(x, y);
        expect((await page.textContent(".pin")).includes("Injected signal"), "a click pins");
        expect((await page.textContent("#live")).includes("Injected signal"), "a pin is announced");
        const before = await view(page);
        await page.mouse.wheel(0, -240);
        await page.waitForFunction((old) => document.querySelector(".lane-frame").getAttribute("aria-description") !== old, before);
        const inside = await findTip(page, "Injected signal");
        expect(inside.tip !== "", "the wheel zooms to where the pointer is");
        await page.focus(".lane-frame");
        await page.keyboard.press("0");
        await page.waitForFunction(() => /step 0 to/.test(document.querySelector(".lane-frame").getAttribute("aria-description")));
        await page.keyboard.press("+");
        await page.keyboard.press("ArrowRight");
        await page.waitForFunction(() => !/step 0 to/.test(document.querySelector(".lane-frame").getAttribute("aria-description")));
        await page.keyboard.press("Escape");
        expect(await page.$eval(".pin", (e) => e.hidden), "escape unpins");
        const announced = new Set();
        for (let i = 0; i < 5; i++) {
            await page.keyboard.press("n");
            announced.add(await page.textContent("#live"));
        }
        expect(announced.size === 5, `n goes from item to item: ${[...announced]}`);
        await page.click("text=Virtual time");
        await page.waitForFunction(() => /\d (ns|µs|ms|s) to/.test(document.querySelector(".lane-frame").getAttribute("aria-description")));
        await page.click(".key >> text=signal");
        expect((await page.getAttribute(".key:has-text('signal')", "aria-pressed")) === "false", "a kind can be hidden");
    },

    async search(context) {
        const page = await open(context);

        await openFailure(page, "deadlock");
        await page.fill(".tools input", "still waits end");
        expect((await page.textContent(".tools .found")) === "2 found", `found: ${await page.textContent(".tools .found")}`);
        await page.keyboard.press("Enter");
        const pin = await page.textContent(".pin");
        expect(pin.includes("to the end of the run") && pin.includes("futex("), `the pinned wait: ${pin}`);
        expect(/pthread_mutex_lock|lll_lock_wait|libc/.test(pin), `where it waits: ${pin}`);
        await page.keyboard.press("Enter");
        expect((await page.textContent(".tools .found")) === "2 of 2", "the next one");
        await page.fill(".tools input", "");
        expect(await page.$eval(".item-list", (e) => e.hidden), "no search, no list");
    },

    /* Wakes lead from task to task: an item's panel has a link to what ended it. */
    async causes(context) {
        const page = await open(context);

        await openFailure(page, "wakes");
        await page.fill(".tools input", "woken");
        await page.keyboard.press("Enter");
        await page.click(".pin .link");
        expect((await page.textContent(".pin-head")).includes("Wakes"), `what woke it: ${await page.textContent(".pin-head")}`);
        expect((await page.textContent(".pin")).includes("Let go on"), "and whom it let go on");
        await page.click(".stack.is-cause .stack-show");
        expect(/End of the run|Ends/.test(await page.textContent(".pin-head")), `the cause's last item: ${await page.textContent(".pin-head")}`);
    },

    /* The first screen says who was stopped where, and who went on instead; its lines lead to the timeline. */
    async story(context) {
        const page = await open(context);

        await openFailure(page, "deadlock");
        const told = await page.textContent("#story");
        expect(/Task 0(\.\d)? was stopped in .* and Task 0(\.\d)? went on instead/.test(told), `the forced switch: ${told}`);
        expect((await page.textContent(".turn.is-end")).includes("deadlock: every task waits"), "the end");
        expect((await texts(page, ".turn:not(.is-end)")).filter((t) => t.includes("waits in futex")).length >= 2, `the waits: ${told}`);
        await page.click(".turn.is-forced .turn-task >> nth=0");
        expect((await page.textContent(".pin-head")).includes("Executes"), "a turn leads to the timeline");
        expect((await page.textContent(".pin")).includes("preempted"), "and to why it ended");
        const own = await texts(page, ".frame.is-own .frame-function");
        expect(own.some((t) => t.includes("transfer")) && !own.some((t) => /lock|futex|_start/.test(t)), `the program's own frames: ${own}`);
        const injected = await open(context);
        await openFailure(injected, "signal");
        expect(/The last signal that rrtest injected: Task 0 got SIGUSR1/.test(await injected.textContent("#story")), "the injected signal");
        const sample = await open(context, {hash: "#failure/%/x"});
        expect((await names(sample)).length > 0, "an address that is no text names nothing");
    },

    async many(context) {
        const page = await open(context);

        expect((await names(page)).length === 300, "a part of the rows at first");
        expect(/^failed|^✕/.test((await page.textContent("tbody .badge")).trim()), "failed tests first");
        await page.click(".more");
        expect((await names(page)).length === 600, "more rows");
        await page.fill("#search", "test-1999");
        expect((await names(page)).join() === "test-1999", "a search looks at all");
        expect(await page.$eval(".more", (e) => e.hidden), "no more rows");
    },

    layout: (context) => layout(context, "sample", ["queue-close", "gone"]),
    real: (context) => layout(context, "session", ["signal", "deadlock", "wakes"]),

    async theme(context) {
        const page = await open(context, {scheme: "light"});
        const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const before = await background();

        await page.click("#theme");
        expect((await page.textContent("#theme")).includes("light"), "the first switch");
        await page.click("#theme");
        expect((await background()) !== before, "dark is another colour");
        await page.reload();
        expect((await page.textContent("#theme")).includes("dark"), "the choice is kept");
        await page.click("#theme");
    },
};

const profile = fs.mkdtempSync(path.join(os.tmpdir(), "rrtest-page-"));
try {
    const context = await chromium.launchPersistentContext(profile, {executablePath: "/usr/bin/chromium", headless: true, args: FLAGS});

    context.setDefaultTimeout(10000);
    await context.setOffline(true);
    await checks[check](context).catch((e) => problems.push(e.stack));
    await context.close();
} finally {
    fs.rmSync(profile, {recursive: true, force: true});
}
problems.slice(0, 10).forEach((p) => console.log(p));
process.exit(problems.length > 0 ? 1 : 0);
