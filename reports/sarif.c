/* Section numbers are those of the OASIS standard of 27 March 2020. */
#include "reports/sarif.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recorder/stacks/stacks.h"
#include "reports/json_value.h"
#include "reports/model.h"
#include "reports/place.h"
#include "reports/stack_text.h"
#include "reports/text.h"

#define SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"
#define ROOT_NAME "%SRCROOT%"
/* Code scanning takes 10 MB of gzipped SARIF and shows 1 000 locations of a result (GitHub Docs,
 * "SARIF support for code scanning"); whole stacks are in results.json. */
#define TASKS_MAX 16
#define FRAMES_MAX 32

static const struct rule_row {
    const char *kind;
    const char *name;
    const char *text;
} rule_rows[] = {
    {"exit", "UnexpectedExit", "The program exited with a status that was not expected."},
    {"signal", "KilledBySignal", "The program was killed by a signal that was not expected."},
    {"output", "UnexpectedOutput", "The program's output was not what was expected."},
    {"deadlock", "Deadlock", "Every task of the program waits for ever."},
    {"timeout", "Timeout", "The program ran longer than it may."},
    {"virtual-timeout", "VirtualTimeout", "The program ran longer than it may by its own clock."},
    {"limit", "LimitExceeded", "The program used more memory or processes than it may."},
    {"unsupported", "Unsupported", "The program did something that rrtest cannot record."},
    {"recorder", "RecorderError", "rrtest itself failed; the run says nothing about the program."},
    {"setup", "SetupFailed", "What prepares the test failed before the program ran."},
    {"trace", "TraceNotKept", "The run's trace could not be written."},
};

struct writer {
    const struct report_session *session;
    char *root;
    json_t *rules;
    json_t *results;
};

static json_t *message(const char *text)
{
    json_t *object = json_must(json_object());

    json_object_set_new(object, "text", json_text(text));
    return object;
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_must(json_integer((json_int_t)(value & INT64_MAX))));
}

/* Seeds as text: a JSON number of 64 bits is not safe with readers in JavaScript. */
static void set_number_text(json_t *object, const char *key, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    json_object_set_new(object, key, json_text(text));
}

static const struct rule_row *rule_row(const char *kind)
{
    for (size_t i = 0; i < sizeof(rule_rows) / sizeof(*rule_rows); i++)
        if (strcmp(rule_rows[i].kind, kind) == 0)
            return &rule_rows[i];
    return NULL;
}

static char *rule_id(const char *kind)
{
    struct bytes out;

    bytes_init(&out);
    text_format(&out, "rrtest/%s", kind);
    return text_take(&out);
}

/* The index of the kind's rule, which is added at its first use. */
static size_t rule_index(struct writer *w, const struct report_failure *failure)
{
    const struct rule_row *row = rule_row(failure->kind);
    size_t count = json_array_size(w->rules);
    char *id = rule_id(failure->kind);
    json_t *rule;

    for (size_t i = 0; i < count; i++) {
        const json_t *known = json_object_get(json_array_get(w->rules, i), "id");

        if (strcmp(json_string_value(known), id) == 0) {
            free(id);
            return i;
        }
    }
    rule = json_must(json_object());
    json_object_set_new(rule, "id", json_text(id));
    json_object_set_new(rule, "name", json_text(row ? row->name : "Failure"));
    json_object_set_new(rule, "shortDescription", message(row ? row->text : "A test failed."));
    json_object_set_new(rule, "fullDescription", message(row ? row->text : "A test failed."));
    json_object_set_new(
        rule, "defaultConfiguration",
        json_must(json_pack("{s:s}", "level", failure->is_error ? "warning" : "error")));
    json_array_append_new(w->rules, rule);
    free(id);
    return count;
}

/* 3.29 */
static json_t *physical_location(const char *file, uint32_t line, uint32_t column)
{
    json_t *artifact = json_must(json_object());
    json_t *region = json_must(json_object());
    json_t *location = json_must(json_object());
    struct bytes uri;
    char *text;

    bytes_init(&uri);
    place_append_uri(&uri, file);
    text = text_take(&uri);
    json_object_set_new(artifact, "uri", json_text(text));
    free(text);
    if (*file != '/')
        json_object_set_new(artifact, "uriBaseId", json_text(ROOT_NAME));
    json_object_set_new(location, "artifactLocation", artifact);
    if (line) {
        set_number(region, "startLine", line);
        if (column)
            set_number(region, "startColumn", column);
        json_object_set(location, "region", region);
    }
    json_decref(region);
    return location;
}

static void set_address(json_t *location, const struct stack_frame *frame)
{
    json_t *address = json_must(json_object());

    /* 3.32.6: absoluteAddress is an integer, which the top half of the address space does not fit.
     */
    if (frame->address <= INT64_MAX)
        set_number(address, "absoluteAddress", frame->address);
    json_object_set_new(address, "kind", json_text("instruction"));
    if (frame->function)
        json_object_set_new(address, "fullyQualifiedName", json_text(frame->function));
    json_object_set_new(location, "address", address);
}

static json_t *frame_location(const struct writer *w, const struct stack_frame *frame)
{
    json_t *location = json_must(json_object());
    json_t *physical;
    struct bytes line;
    char *text;

    if (frame->file) {
        char *file = place_relative(frame->file, w->root);

        physical = physical_location(file, frame->line, frame->column);
        free(file);
    } else {
        physical = json_must(json_object());
    }
    set_address(physical, frame);
    json_object_set_new(location, "physicalLocation", physical);
    bytes_init(&line);
    stack_text_frame(&line, frame);
    text = text_take(&line);
    json_object_set_new(location, "message", message(text));
    free(text);
    return location;
}

static char *task_line(const struct task_stack *task)
{
    struct bytes line;

    bytes_init(&line);
    stack_text_task(&line, task);
    return text_take(&line);
}

static size_t shown_frames(const struct task_stack *task)
{
    return task->frame_count < FRAMES_MAX ? task->frame_count : FRAMES_MAX;
}

/* 3.44 */
static json_t *stack(const struct writer *w, const struct task_stack *task)
{
    json_t *object = json_must(json_object());
    json_t *frames = json_must(json_array());
    char *line = task_line(task);

    for (size_t i = 0; i < shown_frames(task); i++) {
        json_t *frame = json_must(json_object());

        json_object_set_new(frame, "location", frame_location(w, &task->frames[i]));
        if (task->frames[i].module)
            json_object_set_new(frame, "module", json_text(task->frames[i].module));
        json_object_set_new(frame, "threadId", json_must(json_integer(task->tid)));
        json_array_append_new(frames, frame);
    }
    json_object_set_new(object, "message", message(line));
    json_object_set_new(object, "frames", frames);
    free(line);
    return object;
}

/* 3.37; NULL if no frame has a source: viewers can show places only. */
static json_t *thread_flow(const struct writer *w, const struct task_stack *task)
{
    json_t *locations = json_must(json_array());
    json_t *flow;
    char *line;

    for (size_t i = shown_frames(task); i > 0; i--) {
        json_t *location;

        if (!task->frames[i - 1].file)
            continue;
        location = json_must(json_object());
        json_object_set_new(location, "location", frame_location(w, &task->frames[i - 1]));
        json_array_append_new(locations, location);
    }
    if (json_array_size(locations) == 0) {
        json_decref(locations);
        return NULL;
    }
    flow = json_must(json_object());
    line = task_line(task);
    json_object_set_new(flow, "id", json_text(line));
    json_object_set_new(flow, "message", message(line));
    json_object_set_new(flow, "locations", locations);
    free(line);
    return flow;
}

static void set_stacks(const struct writer *w, const struct report_failure *failure, json_t *result)
{
    json_t *stacks = json_must(json_array());
    json_t *flows = json_must(json_array());
    json_t *code_flow;

    for (size_t i = 0; i < failure->stacks.count && i < TASKS_MAX; i++) {
        json_t *flow = thread_flow(w, &failure->stacks.tasks[i]);

        json_array_append_new(stacks, stack(w, &failure->stacks.tasks[i]));
        if (flow)
            json_array_append_new(flows, flow);
    }
    if (json_array_size(stacks) > 0)
        json_object_set(result, "stacks", stacks);
    if (json_array_size(flows) > 0) {
        code_flow = json_must(json_object());
        json_object_set_new(code_flow, "message", message("Where each task stood"));
        json_object_set(code_flow, "threadFlows", flows);
        json_object_set_new(result, "codeFlows", json_must(json_pack("[o]", code_flow)));
    }
    json_decref(stacks);
    json_decref(flows);
}

/* Code scanning refuses results that lie nowhere: the program's file is better than that. */
static const char *own_module(const struct report_failure *failure)
{
    for (size_t i = 0; i < failure->stacks.count; i++) {
        const struct task_stack *task = &failure->stacks.tasks[i];

        for (size_t n = 0; n < task->frame_count; n++)
            if (stacks_frame_is_own(&task->frames[n]))
                return task->frames[n].module;
    }
    return NULL;
}

static void set_locations(const struct writer *w, const struct report_failure *failure,
                          const struct report_test *test, json_t *result)
{
    struct place place = place_of_failure(failure, test, w->root);
    json_t *logical = json_must(json_object());
    json_t *location = json_must(json_object());

    if (!place.file && own_module(failure))
        place.file = place_relative(own_module(failure), w->root);
    json_object_set_new(logical, "fullyQualifiedName", json_text(test->name));
    json_object_set_new(logical, "kind", json_text("test"));
    if (place.file)
        json_object_set_new(location, "physicalLocation",
                            physical_location(place.file, place.line, place.column));
    json_object_set_new(location, "logicalLocations", json_must(json_pack("[o]", logical)));
    json_object_set_new(result, "locations", json_must(json_pack("[o]", location)));
    place_done(&place);
}

static void set_properties(const struct report_failure *failure, const struct report_test *test,
                           json_t *result)
{
    json_t *properties = json_must(json_object());

    json_object_set_new(properties, "test", json_text(test->name));
    json_object_set_new(properties, "command", json_text(test->command));
    if (failure->first_run > 0) {
        set_number(properties, "run", failure->first_run);
        set_number_text(properties, "seed", failure->first_seed);
        json_object_set_new(properties, "strategy", json_text(failure->strategy));
    }
    set_number(properties, "runs", test->runs);
    json_object_set_new(properties, "output", json_text(failure->output));
    json_object_set_new(properties, "trace", json_text(failure->trace));
    json_object_set_new(properties, "replay", json_text(failure->replay));
    json_object_set_new(properties, "rerun", json_text(failure->rerun));
    json_object_set_new(result, "properties", properties);
}

/* 3.27 */
static json_t *make_result(struct writer *w, const struct report_failure *failure,
                           const struct report_test *test)
{
    json_t *result = json_must(json_object());
    size_t rule = rule_index(w, failure);
    char *id = rule_id(failure->kind);
    const char *details = report_reason_details(failure);
    struct bytes out;
    char *text;

    json_object_set_new(result, "ruleId", json_text(id));
    set_number(result, "ruleIndex", rule);
    free(id);
    json_object_set_new(result, "level", json_text(failure->is_error ? "warning" : "error"));
    bytes_init(&out);
    text_format(&out, "%s: %s%s%s", test->name, failure->title, *details ? "\n" : "", details);
    text = text_take(&out);
    json_object_set_new(result, "message", message(text));
    free(text);
    set_locations(w, failure, test, result);
    json_object_set_new(
        result, "partialFingerprints",
        json_must(json_pack("{s:o}", "rrtestSignature/v1", json_text(failure->signature))));
    if (failure->count > 0)
        set_number(result, "occurrenceCount", failure->count);
    set_stacks(w, failure, result);
    if (test->verdict == REPORT_QUARANTINED)
        json_object_set_new(
            result, "suppressions",
            json_must(json_pack("[{s:s, s:o}]", "kind", "external", "justification",
                                json_text(test->note ? test->note : "quarantined"))));
    set_properties(failure, test, result);
    return result;
}

static void set_time(json_t *object, const char *key, uint64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / 1000000000u);
    struct tm utc;
    char text[64];
    size_t length;

    if (!gmtime_r(&seconds, &utc) || utc.tm_year > 9999 - 1900)
        return;
    length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, sizeof(text) - length, ".%03uZ",
             (unsigned)(unix_ns / 1000000u % 1000u));
    json_object_set_new(object, key, json_text(text));
}

static void add_notification(json_t *notifications, const char *level, const char *text)
{
    json_t *notification = json_must(json_object());

    json_object_set_new(notification, "level", json_text(level));
    json_object_set_new(notification, "message", message(text));
    json_array_append_new(notifications, notification);
}

/* 3.20 */
static json_t *invocation(const struct report_session *session)
{
    json_t *object = json_must(json_object());
    json_t *notifications = json_must(json_array());

    json_object_set_new(object, "executionSuccessful", json_boolean(!session->unfinished));
    if (session->reproduce)
        json_object_set_new(object, "commandLine", json_text(session->reproduce));
    set_time(object, "startTimeUtc", session->started_unix_ns);
    set_time(object, "endTimeUtc", session->started_unix_ns + session->wall_ns);
    if (session->unfinished)
        add_notification(notifications, "warning", session->unfinished);
    for (char **note = session->notes; note && *note; note++)
        add_notification(notifications, "note", *note);
    json_object_set_new(object, "toolExecutionNotifications", notifications);
    return object;
}

static json_t *make_run(struct writer *w)
{
    const struct report_session *session = w->session;
    json_t *run = json_must(json_object());
    json_t *driver = json_must(json_object());
    json_t *properties = json_must(json_object());
    json_t *root = json_must(json_object());
    struct bytes uri;
    char *text;

    json_object_set_new(driver, "name", json_text("rrtest"));
    json_object_set_new(driver, "version", json_text(session->version));
    json_object_set_new(driver, "rules", w->rules);
    json_object_set_new(run, "tool", json_must(json_pack("{s:o}", "driver", driver)));
    json_object_set_new(run, "invocations", json_must(json_pack("[o]", invocation(session))));
    bytes_init(&uri);
    place_append_uri(&uri, w->root);
    text_append(&uri, "/"); /* 3.14.14: the URI of a base ends with a slash */
    text = text_take(&uri);
    json_object_set_new(root, "uri", json_text(text));
    free(text);
    json_object_set_new(run, "originalUriBaseIds", json_must(json_pack("{s:o}", ROOT_NAME, root)));
    json_object_set_new(run, "columnKind", json_text("utf16CodeUnits"));
    json_object_set_new(run, "results", w->results);
    json_object_set_new(properties, "suite", json_text(session->suite));
    set_number_text(properties, "seed", session->seed);
    json_object_set_new(properties, "machine", json_text(session->machine));
    json_object_set_new(run, "properties", properties);
    return run;
}

int sarif_write(const struct report_session *session, struct bytes *out)
{
    struct writer w = {
        .session = session,
        .root = place_root(),
        .rules = json_must(json_array()),
        .results = json_must(json_array()),
    };
    json_t *document = json_must(json_object());

    for (size_t i = 0; i < session->count; i++)
        for (size_t n = 0; n < session->tests[i].failure_count; n++)
            json_array_append_new(
                w.results, make_result(&w, &session->tests[i].failures[n], &session->tests[i]));
    json_object_set_new(document, "$schema", json_text(SCHEMA));
    json_object_set_new(document, "version", json_text("2.1.0"));
    json_object_set_new(document, "runs", json_must(json_pack("[o]", make_run(&w))));
    free(w.root);
    return json_append(out, document);
}
