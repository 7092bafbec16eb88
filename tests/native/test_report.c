/* Reports of regions: one model under two names, into a file for test_sanitizers.py to read; then
 * what cannot be written.
 *
 * Usage: test_report FILE. FILE.none must not exist.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claim/report.h"
#include "fake_calls.h"

enum { X, WEIGHTS, A, B, C, D, Y, VALUES };

static char every_byte[256]; /* from 1 to 255 */

static struct model_value values[VALUES] = {
    [X] = {.name = every_byte, .producer = MODEL_NO_NODE},
    [WEIGHTS] = {.name = "w", .producer = MODEL_NO_NODE, .constant = {.given = 1}},
    [A] = {.name = "a", .producer = 0},
    [B] = {.name = "b \"\\\n\t\x7f", .producer = 1},
    [C] = {.name = "\xc3\xa9 \xe2\x82\xac \xe2\x80\xa8 \xf0\x9f\x98\x80", .producer = 2},
    /* Too long, a surrogate, above U+10FFFF, and cut short. */
    [D] = {.name = "\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82", .producer = 3},
    [Y] = {.name = "y", .producer = 4, .leaves = 1},
};

static const int conv_inputs[] = {X, WEIGHTS}, conv_outputs[] = {A};
static const int relu_inputs[] = {A}, relu_outputs[] = {B};
static const int other_inputs[] = {B, MODEL_NO_VALUE, A}, other_outputs[] = {C};
static const int tanh_inputs[] = {C}, tanh_outputs[] = {D, MODEL_NO_VALUE};
static const int add_inputs[] = {D, X, X}, add_outputs[] = {Y};

#define NODE(name, domain, op, lower)      \
    {name,                                 \
     domain,                               \
     op,                                   \
     1,                                    \
     0,                                    \
     sizeof lower##_inputs / sizeof(int),  \
     sizeof lower##_outputs / sizeof(int), \
     0,                                    \
     lower##_inputs,                       \
     lower##_outputs,                      \
     NULL}

static const struct model_node nodes[] = {
    NODE("first", "", "Conv", conv),       NODE("", "", "Relu", relu),
    NODE("other", "far.away", "X", other), NODE("tanh", "", "Tanh", tanh),
    NODE("sum", "", "Sum", add),
};
enum { NODES = sizeof nodes / sizeof *nodes };

static struct claim_region regions[] = {
    {1, "", 2, {12.34567, 20, 1e300}},
    {0, "slower", 2, {NAN, -1, 0.0004}},
    {0, "empty", 0, {-0.5, 0, INFINITY}},
};
static struct claim_node of_nodes[NODES] = {
    {0, ""}, {0, ""}, {CLAIM_NO_REGION, "a reason"}, {1, ""}, {1, ""},
};

static const struct model model = {VALUES, NODES, values, nodes};
static const struct claim claim = {3, regions, of_nodes};

static void require(int holds, const char* what, const struct status* status) {
    if (holds) return;
    fprintf(stderr, "test_report: %s: %s\n", what, status->message);
    exit(1);
}

static void refuse(const char* path, const char* message) {
    struct status status = {0};
    struct claim_report_facts facts = {"g", "all", "1.2.3", "sse2"};
    require(!claim_report_write(path, 0, &model, &claim, &facts, &status), path, &status);
    require(status.code == STATUS_INVALID && strstr(status.message, message) != NULL, message,
            &status);
}

/* Each allocation fails once; nothing is written then. */
static void deny_allocations(const char* path) {
    struct claim_report_facts facts = {"g", "all", "1.2.3", "sse2"};
    for (long n = 1;; n++) {
        struct status status = {0};
        fake_fail_allocation(n);
        int written = claim_report_write(path, 0, &model, &claim, &facts, &status);
        int failed = fake_has_failed();
        fake_fail_allocation(0);
        require(written == !failed, "a denied allocation", &status);
        if (written) break;
        require(status.code == STATUS_NO_MEMORY, "a denied allocation", &status);
        require(fopen(path, "r") == NULL, "a file was written", &status);
    }
    remove(path);
}

/* A file that is no report is left alone. */
static void append_to(const char* text, const char* path) {
    FILE* file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    struct status status = {0};
    struct claim_report_facts facts = {"g", "all", "1.2.3", "sse2"};
    require(!claim_report_write(path, 1, &model, &claim, &facts, &status), "append", &status);
    char found[64] = "";
    file = fopen(path, "r");
    fread(found, 1, sizeof found - 1, file);
    fclose(file);
    require(strcmp(found, text) == 0, "the file changed", &status);
    remove(path);
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    for (int i = 0; i < 255; i++) every_byte[i] = (char)(i + 1);
    struct status status = {0};
    struct claim_report_facts facts = {"first", "auto", "1.31.1", "avx2"};
    for (int i = 0; i < 2; i++) { /* the second one takes the first one's place */
        require(claim_report_write(argv[1], 0, &model, &claim, &facts, &status), "new", &status);
    }
    facts.graph_name = "second";
    require(claim_report_write(argv[1], 1, &model, &claim, &facts, &status), "append", &status);
    char path[4096];
    snprintf(path, sizeof path, "%s.none", argv[1]);
    append_to("", path);
    append_to("]", path);
    append_to("]}", path);
    append_to("{ a file of somebody else }\n", path);
    deny_allocations(path);
    snprintf(path, sizeof path, "%s.none/report", argv[1]);
    refuse(path, strerror(ENOENT));
    refuse("/", "must be an ordinary file");
    refuse("/dev/null", "must be an ordinary file");
    memset(path, 'x', sizeof path - 1);
    refuse(path, strerror(ENAMETOOLONG));
    printf("2 reports written\n");
    return 0;
}
