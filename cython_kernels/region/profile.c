#include "region/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/replacement.h"
#include "region/describe.h"
#include "region/timing.h"

struct entry {
    struct region* region;
    char* name;
};

struct region_profile {
    struct entry* entries;
    int count, room;
};

struct region_profile* region_profile_create(void) {
    return calloc(1, sizeof(struct region_profile));
}

void region_profile_destroy(struct region_profile* profile) {
    if (profile == NULL) return;
    for (int i = 0; i < profile->count; i++) free(profile->entries[i].name);
    free(profile->entries);
    free(profile);
}

int region_profile_add(struct region_profile* profile, struct region* region, const char* name) {
    if (profile->count == profile->room) {
        const int room = 2 * profile->room + 4;
        struct entry* entries = realloc(profile->entries, (size_t)room * sizeof *entries);
        if (entries == NULL) return 0;
        profile->entries = entries;
        profile->room = room;
    }
    char* copy = strdup(name);
    if (copy == NULL || region_time_runs(region) == NULL) {
        free(copy);
        return 0;
    }
    profile->entries[profile->count++] = (struct entry){region, copy};
    return 1;
}

/* --- What is written. */

static void write_microseconds(struct json* json, const char* key, int64_t nanoseconds) {
    json_key(json, key);
    json_decimal(json, (double)nanoseconds / 1e3);
}

static int write_times(struct json* json, const struct region_record* record, int op,
                       struct status* why) {
    struct region_time time;
    if (!region_record_time(record, op, &time)) {
        return status_fail(why, STATUS_NO_MEMORY, "not enough memory");
    }
    json_key(json, "microseconds");
    json_begin(json, '{');
    write_microseconds(json, "median", time.median);
    write_microseconds(json, "minimum", time.minimum);
    write_microseconds(json, "total", time.total);
    json_end(json, '}');
    return 1;
}

static int write_steps(struct json* json, const struct region_record* record,
                       const struct region_plan* plan, struct status* why) {
    json_key(json, "steps");
    json_begin(json, '[');
    for (int op = 0; op < region_plan_op_count(plan); op++) {
        if (!region_plan_has_step(plan, op)) continue;
        json_begin(json, '{');
        region_describe_step(json, plan, op);
        if (!write_times(json, record, op, why)) return 0;
        json_end(json, '}');
    }
    json_end(json, ']');
    return 1;
}

/* The plan may have been dropped since: the same is made again. */
static int write_record(struct json* json, struct region* region,
                        const struct region_record* record, struct status* why) {
    const struct region_shape* inputs = region_record_inputs(record);
    const struct region_plan* plan = region_plan_hold(region, inputs, why);
    if (plan == NULL) return 0;
    json_begin(json, '{');
    json_key(json, "inputs");
    json_begin(json, '[');
    for (int i = 0; i < plan->graph->input_count; i++) region_describe_shape(json, &inputs[i]);
    json_end(json, ']');
    json_key(json, "runs");
    json_int(json, region_record_runs(record));
    const int enough = write_times(json, record, region_plan_op_count(plan), why) &&
                       write_steps(json, record, plan, why);
    json_end(json, '}');
    region_plan_release(region, plan);
    return enough;
}

static int write_region(struct json* json, const struct entry* entry, struct status* why) {
    const struct region_timing* timing = region_time_runs(entry->region);
    json_begin(json, '{');
    json_key(json, "name");
    json_string(json, entry->name);
    json_key(json, "left_out");
    json_int(json, timing->left_out);
    json_key(json, "plans");
    json_begin(json, '[');
    for (int i = 0; i < timing->count; i++) {
        if (!write_record(json, entry->region, timing->records[i], why)) return 0;
    }
    json_end(json, ']');
    json_end(json, '}');
    return 1;
}

static int write_all(struct json* json, const struct region_profile* profile,
                     const struct region_profile_facts* facts, struct status* why) {
    json_begin(json, '{');
    json_key(json, "format");
    json_int(json, REGION_PROFILE_FORMAT);
    json_key(json, "runtime");
    json_string(json, facts->runtime);
    json_key(json, "isa");
    json_string(json, facts->isa);
    json_key(json, "regions");
    json_begin(json, '[');
    for (int i = 0; i < profile->count; i++) {
        if (!write_region(json, &profile->entries[i], why)) return 0;
    }
    json_end(json, ']');
    json_end(json, '}');
    return 1;
}

int region_profile_write(const struct region_profile* profile, const char* path,
                         const struct region_profile_facts* facts, struct status* status) {
    struct replacement replacement;
    if (!replacement_begin(&replacement, path, status)) {
        return status_prefix(status, "profile of regions %.256s: ", path);
    }
    struct json json = {replacement.file, 0};
    const int written = write_all(&json, profile, facts, status);
    if (!written) {
        replacement_abandon(&replacement);
    } else if (replacement_end(&replacement, status)) {
        return 1;
    }
    return status_prefix(status, "profile of regions %.256s: ", path);
}
