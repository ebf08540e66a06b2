/* What speedscope, a viewer of the trace event format that others wrote, makes of a timeline:
 * speedscope.mjs FILE prints what it says on its page once the file is loaded: the first task and how
 * many there are. Exit status 1 if it refuses the file; what it complained of is on stderr. */
import {createRequire} from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import {pathToFileURL} from "node:url";

const {chromium} = createRequire(`${process.env.NODE_MODULES}/`)("playwright-core");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--allow-file-access-from-files"];
const viewer = path.join(process.env.NODE_MODULES, "speedscope/dist/release/index.html");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "rrtest-speedscope-"));
const loader = path.join(folder, "profile.js");
const data = fs.readFileSync(process.argv[2]).toString("base64");
const problems = [];
let said = "";

// How its own command line hands a file over: documented in its README, "Offline usage".
fs.writeFileSync(loader, `speedscope.loadFileFromBase64("timeline.json", ${JSON.stringify(data)})`);
const context = await chromium.launchPersistentContext(path.join(folder, "user"),
    {executablePath: "/usr/bin/chromium", args: FLAGS});
try {
    const page = await context.newPage();

    page.on("pageerror", (e) => problems.push(e.message));
    page.on("dialog", (d) => { problems.push(d.message()); d.dismiss(); });
    await page.goto(`${pathToFileURL(viewer).href}#localProfilePath=${loader}`);
    await page.waitForFunction(() => document.title.startsWith("timeline.json"), null, {timeout: 20000})
        .catch(() => problems.push("the file was not loaded"));
    said = await page.evaluate(() => document.body.innerText);
} finally {
    await context.close();
    fs.rmSync(folder, {recursive: true});
}
console.log(said);
for (const problem of problems)
    console.error(problem);
process.exit(problems.length ? 1 : 0);
