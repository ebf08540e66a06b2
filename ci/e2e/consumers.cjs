// What others read of rrtest's reports, with the parsers and validators that they read them with:
//
//   node consumers.cjs schema SCHEMA FILE...     by ajv: JSON Schema draft 2020-12
//   node consumers.cjs sarif FILE...             by ajv against the schema of SARIF 2.1.0
//   node consumers.cjs tap RESULTS FILE          by tap-parser
//   node consumers.cjs markdown RESULTS FILE     by markdown-it
//
// RESULTS is the results.json that FILE was made from: what a parser sees is compared with it. Packages
// are those of $NODE_PATH. Exit status 1 and what differs if anything does.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');

function readJson(file) {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
}

// As rrtest puts a text on one line.
function oneLine(text) {
    return text.replace(/[\n\t]/g, ' ').replace(/ +$/, '');
}

function validate(ajv, schema, files) {
    const check = ajv.compile(schema);
    for (const file of files) {
        assert.ok(check(readJson(file)), `${file}: ${ajv.errorsText(check.errors)}`);
    }
}

function schema(schemaFile, ...files) {
    const Ajv = require('ajv/dist/2020').default;
    validate(new Ajv({strict: true, allowUnionTypes: true}), readJson(schemaFile), files);
}

function sarif(...files) {
    const Ajv = require('ajv-draft-04').default;
    // The schema has a pattern with an unescaped bracket, which Unicode mode refuses.
    const ajv = new Ajv({strict: false, unicodeRegExp: false});
    require('ajv-formats').default(ajv);
    validate(ajv, readJson(require.resolve('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json')),
             files);
    for (const file of files) {
        const run = readJson(file).runs[0];
        for (const result of run.results) {
            assert.equal(run.tool.driver.rules[result.ruleIndex].id, result.ruleId);
        }
    }
}

function tap(results, file) {
    const {Parser} = require('tap-parser');
    const {tests} = readJson(results);
    const events = Parser.parse(fs.readFileSync(file, 'utf8'));
    const points = events.filter(([kind]) => kind === 'assert').map(([, point]) => point);
    const complete = events.find(([kind]) => kind === 'complete')[1];
    const count = (...verdicts) => tests.filter((test) => verdicts.includes(test.verdict)).length;

    assert.deepEqual(events.filter(([kind]) => kind === 'extra'), []);
    assert.deepEqual(points.map((point) => point.name), tests.map((test) => test.name));
    assert.equal(complete.count, tests.length);
    assert.equal(complete.todo ?? 0, count('quarantined'));
    assert.equal(complete.skip ?? 0, count('skipped', 'unfinished'));
    assert.equal(complete.failures.filter((point) => !point.todo).length, count('failed', 'error'));
    assert.equal(complete.ok, count('failed', 'error') === 0);
    points.forEach((point, i) => {
        const {failures, verdict} = tests[i];

        if (!['failed', 'error', 'quarantined'].includes(verdict)) {
            return;
        }
        assert.deepEqual(point.diag.failures.map((f) => f.message), failures.map((f) => f.title));
        assert.deepEqual(point.diag.failures.map((f) => f.reason), failures.map((f) => f.reason));
        assert.deepEqual(point.diag.failures.map((f) => f.output ?? ''), failures.map((f) => f.output));
        assert.deepEqual(point.diag.failures.map((f) => f.seed), failures.map((f) => f.first_seed));
        assert.deepEqual(point.diag.failures.map((f) => f.rerun), failures.map((f) => f.rerun));
    });
}

// The text of an inline token as a reader sees it.
function textOf(token) {
    return token.children.map((child) => {
        assert.ok(['text', 'text_special', 'softbreak', 'strong_open', 'strong_close'].includes(child.type),
                  `markup in running text: ${child.type} '${child.content}'`);
        return child.content;
    }).join('');
}

function markdown(results, file) {
    const {tests} = readJson(results);
    const tokens = require('markdown-it')({html: true, linkify: false})
        .parse(fs.readFileSync(file, 'utf8'), {});
    const cells = [];
    const fences = tokens.filter((token) => token.type === 'fence').map((token) => token.content);

    tokens.forEach((token, i) => {
        if (token.type === 'html_block') {
            assert.match(token.content.trim(), /^(<details><summary>[A-Za-z0-9 ]+<\/summary>|<\/details>)$/);
        } else if (token.type === 'td_open') {
            cells.push(textOf(tokens[i + 1]));
        } else if (token.type === 'inline') {
            textOf(token);
        }
    });
    const rows = [...tests.filter((test) => test.verdict !== 'passed'),
                  ...tests.filter((test) => test.verdict === 'passed')];
    assert.deepEqual(cells.filter((_, i) => i % 3 === 0), rows.map((test) => test.verdict));
    assert.deepEqual(cells.filter((_, i) => i % 3 === 1), rows.map((test) => oneLine(test.name)));
    for (const failure of tests.flatMap((test) => test.failures)) {
        assert.ok(fences.some((text) => text.includes(failure.rerun)), failure.rerun);
        assert.ok(!failure.output || fences.some((text) => text.trimEnd() === failure.output.trimEnd()),
                  failure.output);
    }
}

const [kind, ...rest] = process.argv.slice(2);
({schema, sarif, tap, markdown})[kind](...rest);
