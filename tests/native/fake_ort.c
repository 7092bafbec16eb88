/* The runtime itself: its table of calls, its statuses, and what sessions are told. */
#include "fake_ort.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_calls.h"

/* --- Objects that the library owns until it releases them. */

static atomic_long live_objects;

void* fake_create_object(size_t size) {
    void* object = calloc(1, size);
    if (object != NULL) atomic_fetch_add(&live_objects, 1);
    return object;
}

void fake_release_object(void* object) {
    if (object == NULL) return;
    atomic_fetch_sub(&live_objects, 1);
    free(object);
}

long fake_live_objects(void) { return atomic_load(&live_objects); }

/* --- Statuses. */

static OrtStatus out_of_memory = {ORT_FAIL, "out of memory"};

static const char* get_message(const OrtStatus* status) { return status->message; }

static OrtStatus* create_status(int code, const char* message) {
    if (code == 0) abort();
    OrtStatus* status = fake_create_object(sizeof *status);
    if (status == NULL) return &out_of_memory;
    status->code = code;
    snprintf(status->message, sizeof status->message, "%s", message);
    return status;
}

void fake_release(OrtStatus* status) {
    if (status != &out_of_memory) fake_release_object(status);
}

OrtStatus* fake_fail(const char* message) { return create_status(ORT_FAIL, message); }

OrtStatus* fake_fail_for_memory(void) { return &out_of_memory; }

/* --- Registration. */

struct OrtCustomOpDomain {
    const OrtCustomOp* op;
};

static OrtStatus* create_domain(const char* name, OrtCustomOpDomain** out) {
    MAY_FAIL;
    if (!is_same(name, "ort_sparse")) return fake_fail("unexpected domain");
    *out = fake_create_object(sizeof **out);
    return *out == NULL ? fake_fail_for_memory() : NULL;
}

static void release_domain(OrtCustomOpDomain* domain) { fake_release_object(domain); }

static OrtStatus* domain_add(OrtCustomOpDomain* domain, const OrtCustomOp* op) {
    MAY_FAIL;
    domain->op = op;
    return NULL;
}

static OrtStatus* add_domain(OrtSessionOptions* options, OrtCustomOpDomain* domain) {
    MAY_FAIL;
    options->op = domain->op;
    return NULL;
}

/* --- The configuration of a session. */

OrtStatus* fake_copy_text(const char* text, char* out, size_t* size) {
    size_t needed = strlen(text) + 1, room = *size;
    *size = needed;
    if (out == NULL) return NULL;
    if (room < needed) return fake_fail("the buffer is too small");
    memcpy(out, text, needed);
    return NULL;
}

static const char* find_config(const OrtSessionOptions* options, const char* key) {
    for (size_t i = 0; i < options->config_count; i++) {
        if (is_same(options->config[i].key, key)) return options->config[i].value;
    }
    return NULL;
}

void fake_configure(OrtSessionOptions* options, const char* key, const char* value) {
    if (options->config_count == FAKE_MAX_CONFIG) abort();
    struct fake_config* added = &options->config[options->config_count++];
    snprintf(added->key, sizeof added->key, "%s", key);
    snprintf(added->value, sizeof added->value, "%s", value);
}

static OrtStatus* add_config(OrtSessionOptions* options, const char* key, const char* value) {
    MAY_FAIL;
    fake_configure(options, key, value);
    return NULL;
}

static OrtStatus* has_config(const OrtSessionOptions* options, const char* key, int* out) {
    MAY_FAIL;
    *out = find_config(options, key) != NULL;
    return NULL;
}

static OrtStatus* get_config(const OrtSessionOptions* options, const char* key, char* out,
                             size_t* size) {
    MAY_FAIL;
    const char* value = find_config(options, key);
    return value == NULL ? fake_fail("no such entry") : fake_copy_text(value, out, size);
}

/* --- The table. */

enum { MOST_RUNTIMES = 64, NEWEST_API = 24 };

static OrtApi table = {
    .CreateStatus = create_status,
    .CreateCustomOpDomain = create_domain,
    .CustomOpDomain_Add = domain_add,
    .AddCustomOpDomain = add_domain,
    .GetErrorMessage = get_message,
    .ReleaseStatus = fake_release,
    .ReleaseCustomOpDomain = release_domain,
    .AddSessionConfigEntry = add_config,
    .HasSessionConfigEntry = has_config,
    .GetSessionConfigEntry = get_config,
};

__attribute__((constructor)) static void complete_table(void) {
    fake_add_tensor_calls(&table);
    fake_add_node_calls(&table);
    fake_add_run_calls(&table);
    fake_add_graph_calls(&table);
}

const OrtApi* fake_api(void) { return &table; }

struct runtime {
    char version[16];
    OrtApi api;
};
static struct runtime runtimes[MOST_RUNTIMES];
static int runtime_count;
static _Thread_local const struct runtime* current; /* for this thread */

static const OrtApi* get_api(uint32_t version) {
    return version <= NEWEST_API ? &current->api : NULL;
}

static const char* version_string(void) { return current->version; }

static const struct runtime* find_runtime(const char* version) {
    for (int i = 0; i < runtime_count; i++) {
        if (is_same(runtimes[i].version, version)) return &runtimes[i];
    }
    if (runtime_count == MOST_RUNTIMES) abort();
    struct runtime* added = &runtimes[runtime_count++];
    snprintf(added->version, sizeof added->version, "%s", version);
    added->api = table;
    return added;
}

const OrtApiBase* fake_ort(const char* version) {
    static const OrtApiBase base = {.GetApi = get_api, .GetVersionString = version_string};
    current = find_runtime(version);
    return &base;
}
