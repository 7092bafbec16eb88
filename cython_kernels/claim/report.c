#include "claim/report.h"

#include <errno.h>
#include <string.h>

#include "base/cache.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/replacement.h"
#include "region/describe.h"

/* --- What crosses the borders of regions. */

struct borders {
    int* nodes;   /* by region, those of each in topological order */
    int* begins;  /* of each region in `nodes`, and the end of the last one */
    char* leaves; /* of each value: whether its producer's region hands it on */
    int* seen;    /* of each value: the last region whose inputs list it */
};

static void release_borders(struct borders* borders) {
    memory_release(borders->nodes);
    memory_release(borders->begins);
    memory_release(borders->leaves);
    memory_release(borders->seen);
}

static int region_of(const struct claim* claim, int node) {
    return node == MODEL_NO_NODE ? CLAIM_NO_REGION : claim->nodes[node].region;
}

/* Puts the nodes of each region side by side. */
static void sort_nodes(struct borders* borders, const struct model* model,
                       const struct claim* claim) {
    memset(borders->begins, 0, ((size_t)claim->region_count + 1) * sizeof *borders->begins);
    for (int i = 0; i < model->node_count; i++) {
        if (claim->nodes[i].region != CLAIM_NO_REGION) borders->begins[claim->nodes[i].region]++;
    }
    int end = 0;
    for (int r = 0; r <= claim->region_count; r++) {
        end += borders->begins[r];
        borders->begins[r] = end;
    }
    for (int i = model->node_count - 1; i >= 0; i--) {
        int region = claim->nodes[i].region;
        if (region != CLAIM_NO_REGION) borders->nodes[--borders->begins[region]] = i;
    }
}

static void find_leaving(struct borders* borders, const struct model* model,
                         const struct claim* claim) {
    for (int v = 0; v < model->value_count; v++) {
        borders->leaves[v] = model->values[v].leaves != 0;
        borders->seen[v] = CLAIM_NO_REGION;
    }
    for (int i = 0; i < model->node_count; i++) {
        const struct model_node* node = &model->nodes[i];
        for (int k = 0; k < node->input_count; k++) {
            int value = node->inputs[k];
            if (value == MODEL_NO_VALUE) continue;
            int from = region_of(claim, model->values[value].producer);
            if (from != claim->nodes[i].region) borders->leaves[value] = 1;
        }
    }
}

/* Returns 0 where memory is short; release_borders in either case. */
static int find_borders(struct borders* borders, const struct model* model,
                        const struct claim* claim) {
    borders->nodes = memory_allocate(model->node_count, sizeof *borders->nodes);
    borders->begins = memory_allocate((int64_t)claim->region_count + 1, sizeof *borders->begins);
    borders->leaves = memory_allocate(model->value_count, sizeof *borders->leaves);
    borders->seen = memory_allocate(model->value_count, sizeof *borders->seen);
    if (borders->nodes == NULL || borders->begins == NULL || borders->leaves == NULL ||
        borders->seen == NULL) {
        return 0;
    }
    sort_nodes(borders, model, claim);
    find_leaving(borders, model, claim);
    return 1;
}

/* --- What is written. */

static void write_member(struct json* json, const char* key, const char* text) {
    json_key(json, key);
    json_string(json, text);
}

static void write_values(struct json* json, const char* key, const struct model* model,
                         const int* values, int count) {
    json_key(json, key);
    json_begin(json, '[');
    for (int i = 0; i < count; i++) {
        json_string(json, values[i] == MODEL_NO_VALUE ? "" : model->values[values[i]].name);
    }
    json_end(json, ']');
}

static void write_node(struct json* json, const struct model* model, const struct claim* claim,
                       int index) {
    const struct model_node* node = &model->nodes[index];
    const struct claim_node* found = &claim->nodes[index];
    json_begin(json, '{');
    write_member(json, "name", node->name);
    write_member(json, "op", node->op_type);
    write_member(json, "domain", node->domain);
    json_key(json, "region");
    if (found->region == CLAIM_NO_REGION) {
        json_null(json);
    } else {
        json_int(json, found->region);
    }
    write_member(json, "reason", found->reason);
    write_values(json, "inputs", model, node->inputs, node->input_count);
    write_values(json, "outputs", model, node->outputs, node->output_count);
    json_end(json, '}');
}

static void write_region_inputs(struct json* json, const struct model* model,
                                const struct claim* claim, struct borders* borders, int region) {
    json_key(json, "inputs");
    json_begin(json, '[');
    for (int i = borders->begins[region]; i < borders->begins[region + 1]; i++) {
        const struct model_node* node = &model->nodes[borders->nodes[i]];
        for (int k = 0; k < node->input_count; k++) {
            int index = node->inputs[k];
            if (index == MODEL_NO_VALUE || borders->seen[index] == region) continue;
            const struct model_value* value = &model->values[index];
            if (value->constant.given || region_of(claim, value->producer) == region) continue;
            borders->seen[index] = region;
            json_string(json, value->name);
        }
    }
    json_end(json, ']');
}

static void write_region_outputs(struct json* json, const struct model* model,
                                 const struct borders* borders, int region) {
    json_key(json, "outputs");
    json_begin(json, '[');
    for (int i = borders->begins[region]; i < borders->begins[region + 1]; i++) {
        const struct model_node* node = &model->nodes[borders->nodes[i]];
        for (int k = 0; k < node->output_count; k++) {
            int value = node->outputs[k];
            if (value == MODEL_NO_VALUE || !borders->leaves[value]) continue;
            json_string(json, model->values[value].name);
        }
    }
    json_end(json, ']');
}

static void write_cost(struct json* json, const struct claim_cost* cost) {
    json_key(json, "cost");
    json_begin(json, '{');
    json_key(json, "regions");
    json_decimal(json, cost->region);
    json_key(json, "dense");
    if (cost->dense < 0) {
        json_null(json);
    } else {
        json_decimal(json, cost->dense);
    }
    json_key(json, "custom_ops");
    json_decimal(json, cost->custom_ops);
    json_end(json, '}');
}

static void write_work(struct json* json, const char* key, const struct claim_work* work) {
    json_key(json, key);
    json_begin(json, '{');
    for (int i = 0; i < CLAIM_TERM_COUNT; i++) {
        json_key(json, claim_term_name((enum claim_term)i));
        json_decimal(json, work->amount[i]);
    }
    json_end(json, '}');
}

static void write_region(struct json* json, const struct model* model, const struct claim* claim,
                         struct borders* borders, int id) {
    const struct claim_region* region = &claim->regions[id];
    json_begin(json, '{');
    json_key(json, "id");
    json_int(json, id);
    json_key(json, "claimed");
    json_bool(json, region->claimed);
    write_member(json, "reason", region->reason);
    json_key(json, "nodes");
    json_int(json, region->node_count);
    write_region_inputs(json, model, claim, borders, id);
    write_region_outputs(json, model, borders, id);
    write_cost(json, &region->cost);
    json_key(json, "work");
    json_begin(json, '{');
    write_work(json, "region", &region->region_work);
    write_work(json, "runtime", &region->runtime_work);
    json_end(json, '}');
    json_key(json, "steps");
    if (region->plan != NULL) {
        region_describe_steps(json, region->plan);
    } else {
        json_null(json);
    }
    json_end(json, '}');
}

static void write_head(struct json* json, const struct claim_report_facts* facts) {
    json_begin(json, '{');
    json_key(json, "format");
    json_int(json, CLAIM_REPORT_FORMAT);
    write_member(json, "mode", facts->mode);
    write_member(json, "runtime", facts->runtime);
    write_member(json, "isa", facts->isa);
    json_key(json, "l2_bytes");
    json_int(json, cache_l2_bytes());
    json_key(json, "graphs");
    json_begin(json, '[');
}

static void write_graph(struct json* json, const struct model* model, const struct claim* claim,
                        const char* name, struct borders* borders) {
    json_begin(json, '{');
    write_member(json, "name", name);
    json_key(json, "nodes");
    json_begin(json, '[');
    for (int i = 0; i < model->node_count; i++) write_node(json, model, claim, i);
    json_end(json, ']');
    json_key(json, "regions");
    json_begin(json, '[');
    for (int r = 0; r < claim->region_count; r++) write_region(json, model, claim, borders, r);
    json_end(json, ']');
    json_end(json, '}');
}

/* What every report ends with, behind its last graph. */
static const char tail[] = "]}\n";

/* --- The file. */

/* Copies a report without its tail. Returns how many bytes that were: 0 where there is no such
 * file, and -1 where it cannot be read or is no report. */
static int64_t copy_graphs(const char* source, FILE* file) {
    FILE* old = fopen(source, "re");
    if (old == NULL) return errno == ENOENT ? 0 : -1;
    enum { TAIL = sizeof tail - 1 };
    char buffer[TAIL + (1 << 13)];
    size_t held = 0, bytes; /* the last TAIL bytes so far are held back */
    int64_t copied = 0;
    while ((bytes = fread(buffer + held, 1, sizeof buffer - held, old)) > 0) {
        held += bytes;
        if (held <= TAIL) continue;
        size_t sure = held - TAIL;
        fwrite(buffer, 1, sure, file);
        memmove(buffer, buffer + sure, TAIL);
        held = TAIL;
        copied += (int64_t)sure;
    }
    int failed = ferror(old);
    fclose(old);
    if (failed) return -1;
    errno = EBADMSG;
    return held == TAIL && memcmp(buffer, tail, TAIL) == 0 ? copied : -1;
}

/* Returns 0 where there is something to append to that cannot be read, or is no report. */
static int write_report(FILE* file, const char* target, int append, const struct model* model,
                        const struct claim* claim, const struct claim_report_facts* facts,
                        struct borders* borders) {
    struct json json = {file, 0};
    int64_t copied = append ? copy_graphs(target, file) : 0;
    if (copied < 0) return 0;
    if (copied > 0) {
        json.follows = 1;
    } else {
        write_head(&json, facts);
    }
    write_graph(&json, model, claim, facts->graph_name, borders);
    fputs(tail, file);
    return 1;
}

static int replace_report(const char* path, int append, const struct model* model,
                          const struct claim* claim, const struct claim_report_facts* facts,
                          struct borders* borders, struct status* status) {
    struct replacement replacement;
    if (!replacement_begin(&replacement, path, status)) return 0;
    errno = 0;
    if (write_report(replacement.file, replacement.target, append, model, claim, facts, borders)) {
        return replacement_end(&replacement, status);
    }
    const int reason = errno;
    replacement_abandon(&replacement);
    return status_fail(status, STATUS_INVALID, "cannot be written: %s", strerror(reason));
}

int claim_report_write(const char* path, int append, const struct model* model,
                       const struct claim* claim, const struct claim_report_facts* facts,
                       struct status* status) {
    struct borders borders = {0};
    const int written =
        find_borders(&borders, model, claim)
            ? replace_report(path, append, model, claim, facts, &borders, status)
            : status_fail(status, STATUS_NO_MEMORY, "not enough memory to report regions");
    release_borders(&borders);
    return written || status_prefix(status, "report of regions %.256s: ", path);
}
