/* The JSON Schema of suite files, for editors: the tables of keys say which keys there are, this
 * file what their values look like in JSON. `rrtest check --schema` prints it;
 * scenarios/suite.schema.json is a copy. What a schema cannot say (names are unique, programs
 * exist) only the parser checks. */
#include <string.h>

#include "harness/suite/schema.h"
#include "recorder/base/text.h"
#include "recorder/trace/json.h"

/* A scalar as YAML reads it: `command: [x, 4]` means the text "4". */
#define SCALAR "\"type\": [\"string\", \"number\", \"boolean\"]"
#define REF(name) "{\"$ref\": \"#/$defs/" name "\"}"
#define LIST_OF(name) "\"type\": \"array\", \"items\": " REF(name)
/* In a test with a matrix a text may stand for any value. */
#define VARIABLE "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"}"
#define NUMERAL "\"pattern\": \"^(0[xX][0-9A-Fa-f]+|[0-9]+)$|\\\\$\\\\{\""

/* The members of each shape's object. */
static const struct shape {
    const char *name;
    const char *json;
} shapes[] = {
    {"text", SCALAR},
    {"words", SCALAR ", \"minLength\": 1"},
    {"texts", "\"anyOf\": [" REF("text") ", {" LIST_OF("text") ", \"maxItems\": 256}]"},
    {"name", SCALAR
     ", \"minLength\": 1, \"maxLength\": 200, "
     "\"pattern\": \"^[^./\\\\u0000-\\\\u001f\\\\u007f][^/\\\\u0000-\\\\u001f\\\\u007f]*$\""},
    {"version", "\"enum\": [1, \"1\"]"},
    {"paths", LIST_OF("words") ", \"maxItems\": 1000"},
    {"includes", LIST_OF("words") ", \"minItems\": 1, \"maxItems\": 100"},
    {"tests", LIST_OF("test") ", \"minItems\": 1, \"maxItems\": 10000"},
    {"command", "\"type\": \"array\", \"minItems\": 1, \"maxItems\": 4096, \"prefixItems\": [" REF(
                    "words") "], \"items\": " REF("text")},
    {"env", "\"type\": \"object\", \"maxProperties\": 1024, \"propertyNames\": "
            "{\"pattern\": \"^[^=]+$\"}, \"additionalProperties\": " REF("text")},
    {"hook", "\"type\": \"array\", \"maxItems\": 64, \"items\": {\"anyOf\": [" REF(
                 "command") ", " REF("words") "]}"},
    {"labels", "\"type\": \"array\", \"maxItems\": 256, \"items\": "
               "{" SCALAR ", \"pattern\": \"^[^!, \\\\u0000-\\\\u001f\\\\u007f][^, "
               "\\\\u0000-\\\\u001f\\\\u007f]*$\"}"},
    {"runs",
     "\"type\": [\"integer\", \"string\"], \"minimum\": 1, \"maximum\": 1000000000, " NUMERAL},
    {"count", "\"type\": [\"integer\", \"string\"], \"minimum\": 1, " NUMERAL},
    {"number", "\"type\": [\"integer\", \"string\"], \"minimum\": 0, " NUMERAL},
    {"seeds", LIST_OF("number") ", \"minItems\": 1, \"maxItems\": 100000"},
    {"probability", "\"type\": [\"number\", \"string\"], \"minimum\": 0, \"maximum\": 1"},
    {"duration", "\"type\": \"string\", \"pattern\": "
                 "\"^(none|[0-9]+(\\\\.[0-9]+)?(ns|us|ms|s|m|min|h))$|\\\\$\\\\{\""},
    {"size", "\"type\": \"string\", \"pattern\": "
             "\"^(none|[0-9]+(\\\\.[0-9]+)?(B|[KMGT](iB)?))$|\\\\$\\\\{\""},
    {"date", "\"type\": \"string\", \"pattern\": \"^[0-9]{4}-[0-9]{2}-[0-9]{2}$|\\\\$\\\\{\""},
    {"signature", "\"type\": \"string\", \"pattern\": \"^[0-9a-f]{16}$|\\\\$\\\\{\""},
    {"boolean", "\"anyOf\": [{\"enum\": [true, false, \"true\", \"false\"]}, " VARIABLE "]"},
    {"exit", "\"anyOf\": [" REF("status") ", {" LIST_OF(
                 "status") ", \"minItems\": 1, "
                           "\"maxItems\": 256}, {\"enum\": [\"any\", \"nonzero\"]}]"},
    {"status", "\"type\": [\"integer\", \"string\"], \"minimum\": 0, \"maximum\": 255, " NUMERAL},
    {"clock", "\"anyOf\": [{\"enum\": [\"virtual\", \"real\"]}, " VARIABLE "]"},
    {"injections", LIST_OF("injection") ", \"maxItems\": 64"},
    {"matrix",
     "\"type\": \"object\", \"maxProperties\": 17, \"propertyNames\": "
     "{\"maxLength\": 60, \"pattern\": \"^[A-Za-z_][A-Za-z0-9_-]*$\"}, "
     "\"properties\": {\"exclude\": {\"type\": \"array\", \"maxItems\": 1000, \"items\": "
     "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": " REF(
         "text") "}}}, \"additionalProperties\": {" LIST_OF("text") ", \"minItems\": 1, "
                                                                    "\"uniqueItems\": true}"},
    {"skip", "\"anyOf\": [{\"allOf\": [" REF(
                 "words") ", {\"not\": {\"enum\": "
                          "[true, false, \"true\", \"false\"]}}]}, " REF("condition") "]"},
};

/* Mappings: a table of keys, and what the schema says beside them. */
static const struct mapping {
    const char *name;
    const struct node_key *keys;
    const char *json; /* further members; "": none */
} mappings[] = {
    {"test", schema_test_keys,
     ", \"required\": [\"name\"], \"not\": {\"anyOf\": [{\"required\": [\"seed\", \"seeds\"]}, "
     "{\"required\": [\"stdin\", \"stdin_text\"]}]}"},
    {"defaults", schema_defaults_keys,
     ", \"not\": {\"anyOf\": [{\"required\": [\"seed\", \"seeds\"]}, "
     "{\"required\": [\"stdin\", \"stdin_text\"]}]}"},
    {"expect", schema_expect_keys, ", \"not\": {\"required\": [\"exit\", \"signal\"]}"},
    {"injection", schema_inject_keys, ", \"required\": [\"signal\"]"},
    {"limits", schema_limit_keys, ""},
    {"condition", schema_skip_keys, ", \"required\": [\"reason\"]"},
    {"quarantine", schema_quarantine_keys, ", \"required\": [\"reason\", \"until\"]"},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void put_properties(struct bytes *out, const struct node_key *keys, const char *indent)
{
    bool first = true;

    text_append(out, "\"type\": \"object\", \"additionalProperties\": false, \"properties\": {");
    for (; keys->name; keys++) {
        if (!keys->shape) /* told apart for its message alone */
            continue;
        text_append(out, first ? "\n" : ",\n");
        text_append(out, indent);
        json_put_string(out, keys->name);
        text_append(out, ": {\"description\": ");
        json_put_string(out, keys->help);
        text_append(out, ", \"$ref\": \"#/$defs/");
        text_append(out, keys->shape);
        text_append(out, "\"}");
        first = false;
    }
    text_append(out, "}");
}

/* Names come from tables of their own. */
static void put_choice(struct bytes *out, const char *name, const char *const *values)
{
    text_append(out, "    ");
    json_put_string(out, name);
    text_append(out, ": {\"anyOf\": [{\"enum\": [");
    for (size_t i = 0; values[i]; i++) {
        text_append(out, i ? ", " : "");
        json_put_string(out, values[i]);
    }
    text_append(out, "]}, " VARIABLE "]},\n");
}

static void put_definitions(struct bytes *out)
{
    const char *strategies[SUITE_STRATEGY_NAMES];
    const char *patchings[RECORD_PATCHING_COUNT + 1] = {NULL};

    for (size_t i = 0; i < COUNT(mappings); i++) {
        text_append(out, "    ");
        json_put_string(out, mappings[i].name);
        text_append(out, ": {");
        put_properties(out, mappings[i].keys, "      ");
        text_append(out, mappings[i].json);
        text_append(out, "},\n");
    }
    suite_strategy_names(strategies);
    put_choice(out, "strategy", strategies);
    for (int i = 0; i < RECORD_PATCHING_COUNT; i++)
        patchings[i] = record_patching_name((enum record_patching)i);
    put_choice(out, "patching", patchings);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        text_append(out, "    ");
        json_put_string(out, shapes[i].name);
        text_append(out, ": {");
        text_append(out, shapes[i].json);
        text_append(out, i + 1 < COUNT(shapes) ? "},\n" : "}\n");
    }
}

void suite_schema(struct bytes *out)
{
    static const char head[] =
        "{\n"
        "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
        "  \"title\": \"A suite of tests for rrtest\",\n"
        "  \"required\": [\"version\"],\n"
        "  \"anyOf\": [{\"required\": [\"tests\"]}, {\"required\": [\"include\"]}],\n"
        "  \"if\": {\"required\": [\"defaults\"], \"properties\": "
        "{\"defaults\": {\"required\": [\"command\"]}}},\n"
        "  \"else\": {\"properties\": {\"tests\": {\"items\": {\"required\": [\"command\"]}}}},\n"
        "  ";

    text_append(out, head);
    put_properties(out, schema_suite_keys, "    ");
    text_append(out, ",\n  \"$defs\": {\n");
    put_definitions(out);
    text_append(out, "  }\n}\n");
}
