// validate-suites SCHEMA SUITE.yaml...: what an editor would say of each suite, with a validator and a
// YAML reader that are not ours. One line each: "good FILE" or "bad FILE: WHY".
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_MODULES, "x.js"));
const Ajv = require("ajv/dist/2020").default;
const YAML = require("yaml");

const [schema, ...files] = process.argv.slice(2);
// Not the validator's own opinions on style: unions of types, tuples without a length.
const ajv = new Ajv({ strict: true, strictTypes: false, strictTuples: false, strictRequired: false });
const validate = ajv.compile(JSON.parse(readFileSync(schema, "utf8")));

for (const file of files) {
    try {
        const suite = YAML.parse(readFileSync(file, "utf8"), { version: "1.2", maxAliasCount: -1 });
        const good = validate(suite);
        console.log(good ? `good ${file}` : `bad ${file}: ${ajv.errorsText(validate.errors)}`);
    } catch (error) {
        console.log(`bad ${file}: ${error.message.split("\n")[0]}`);
    }
}
