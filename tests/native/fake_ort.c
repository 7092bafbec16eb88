#include "fake_ort.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_status {
    char message[FAKE_MESSAGE_BYTES];
};

/* --- Failures on demand. */

static atomic_long calls_left, allocations_left, live_objects;
static atomic_int has_failed;

void fake_fail_call(long n) {
    atomic_store(&calls_left, n);
    atomic_store(&has_failed, 0);
}

void fake_fail_allocation(long n) {
    atomic_store(&allocations_left, n);
    atomic_store(&has_failed, 0);
}

int fake_has_failed(void) { return atomic_load(&has_failed); }

static int is_due(atomic_long* left) {
    if (atomic_load(left) == 0 || atomic_fetch_sub(left, 1) != 1) return 0;
    atomic_store(&has_failed, 1);
    return 1;
}

void* __real_malloc(size_t);
void* __real_calloc(size_t, size_t);
void* __real_aligned_alloc(size_t, size_t);
void* __wrap_malloc(size_t);
void* __wrap_calloc(size_t, size_t);
void* __wrap_aligned_alloc(size_t, size_t);

void* __wrap_malloc(size_t size) { return is_due(&allocations_left) ? NULL : __real_malloc(size); }

void* __wrap_calloc(size_t count, size_t size) {
    return is_due(&allocations_left) ? NULL : __real_calloc(count, size);
}

void* __wrap_aligned_alloc(size_t alignment, size_t size) {
    return is_due(&allocations_left) ? NULL : __real_aligned_alloc(alignment, size);
}

/* --- Statuses and other objects that the library owns until it releases them. */

static fake_status out_of_memory = {"out of memory"};

static void* create_object(size_t size) {
    void* object = calloc(1, size);
    if (object != NULL) atomic_fetch_add(&live_objects, 1);
    return object;
}

static void release_object(void* object) {
    if (object == NULL) return;
    atomic_fetch_sub(&live_objects, 1);
    free(object);
}

long fake_live_objects(void) { return atomic_load(&live_objects); }

static fake_status* create_status(int code, const char* message) {
    if (code == 0) abort();
    fake_status* status = create_object(sizeof *status);
    if (status == NULL) return &out_of_memory;
    snprintf(status->message, sizeof status->message, "%s", message);
    return status;
}

const char* fake_message(const fake_status* status) { return status->message; }

void fake_release(fake_status* status) {
    if (status != &out_of_memory) release_object(status);
}

static fake_status* fail(const char* message) { return create_status(1, message); }

/* The first statement of every call that may fail. */
#define MAY_FAIL \
    if (is_due(&calls_left)) return fail("this call was made to fail")

/* libFuzzer looks into every strcmp, which takes a tenth of the time. */
static int is_same(const char* a, const char* b) {
    while (*a != 0 && *a == *b) a++, b++;
    return *a == *b;
}

/* --- Registration. */

struct domain {
    const struct fake_custom_op* op;
};

static fake_status* create_domain(const char* name, struct domain** out) {
    MAY_FAIL;
    if (!is_same(name, "ort_sparse")) return fail("unexpected domain");
    *out = create_object(sizeof **out);
    return *out == NULL ? &out_of_memory : NULL;
}

static void release_domain(struct domain* domain) { release_object(domain); }

static fake_status* domain_add(struct domain* domain, const struct fake_custom_op* op) {
    MAY_FAIL;
    domain->op = op;
    return NULL;
}

static fake_status* add_domain(struct fake_session_options* options, struct domain* domain) {
    MAY_FAIL;
    options->op = domain->op;
    return NULL;
}

static const char* find_config(const struct fake_session_options* options, const char* key) {
    for (size_t i = 0; i < options->config_count; i++) {
        if (is_same(options->config[i].key, key)) return options->config[i].value;
    }
    return NULL;
}

void fake_configure(struct fake_session_options* options, const char* key, const char* value) {
    if (options->config_count == FAKE_MAX_CONFIG) abort();
    struct fake_config* added = &options->config[options->config_count++];
    snprintf(added->key, sizeof added->key, "%s", key);
    snprintf(added->value, sizeof added->value, "%s", value);
}

static fake_status* add_config(struct fake_session_options* options, const char* key,
                               const char* value) {
    MAY_FAIL;
    fake_configure(options, key, value);
    return NULL;
}

static fake_status* has_config(const struct fake_session_options* options, const char* key,
                               int* out) {
    MAY_FAIL;
    *out = find_config(options, key) != NULL;
    return NULL;
}

/* ONNX Runtime's rule for texts: sets *size to what is needed, and fails if there is less. */
static fake_status* copy_text(const char* text, char* out, size_t* size) {
    size_t needed = strlen(text) + 1, room = *size;
    *size = needed;
    if (out == NULL) return NULL;
    if (room < needed) return fail("the buffer is too small");
    memcpy(out, text, needed);
    return NULL;
}

static fake_status* get_config(const struct fake_session_options* options, const char* key,
                               char* out, size_t* size) {
    MAY_FAIL;
    const char* value = find_config(options, key);
    return value == NULL ? fail("no such entry") : copy_text(value, out, size);
}

/* --- Tensors and their types. */

int64_t fake_element_count(const struct fake_tensor* tensor) {
    int64_t count = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] == 0) return 0;
    }
    for (size_t i = 0; i < tensor->rank; i++) count *= tensor->dims[i];
    return count;
}

size_t fake_element_size(int element_type) {
    switch (element_type) {
        case FAKE_UINT8:
            return 1;
        case FAKE_UINT16:
        case FAKE_FLOAT16:
            return 2;
        case FAKE_FLOAT:
        case FAKE_INT32:
            return 4;
        default:
            return 8;
    }
}

static fake_status* get_data(struct fake_tensor* value, void** out) {
    MAY_FAIL;
    *out = value->data;
    return NULL;
}

static fake_status* copy_info(const struct fake_tensor* from, struct fake_tensor** out) {
    *out = create_object(sizeof **out);
    if (*out == NULL) return &out_of_memory;
    **out = *from;
    return NULL;
}

static fake_status* get_type_and_shape(const struct fake_tensor* value, struct fake_tensor** out) {
    MAY_FAIL;
    return copy_info(value, out);
}

static fake_status* cast_type_info(const struct fake_tensor* info, const struct fake_tensor** out) {
    MAY_FAIL;
    *out = info;
    return NULL;
}

static fake_status* create_info(struct fake_tensor** out) {
    MAY_FAIL;
    return copy_info(&(struct fake_tensor){0}, out);
}

static fake_status* set_element_type(struct fake_tensor* info, int element_type) {
    MAY_FAIL;
    info->element_type = element_type;
    return NULL;
}

static fake_status* set_dims(struct fake_tensor* info, const int64_t* dims, size_t count) {
    MAY_FAIL;
    if (count > FAKE_MAX_RANK) return fail("too many dimensions");
    info->rank = count;
    memcpy(info->dims, dims, count * sizeof *dims);
    return NULL;
}

static fake_status* get_element_type(const struct fake_tensor* info, int* out) {
    MAY_FAIL;
    *out = info->element_type;
    return NULL;
}

static fake_status* get_rank(const struct fake_tensor* info, size_t* out) {
    MAY_FAIL;
    *out = info->rank;
    return NULL;
}

static fake_status* get_dims(const struct fake_tensor* info, int64_t* out, size_t count) {
    MAY_FAIL;
    if (count > info->rank) count = info->rank;
    memcpy(out, info->dims, count * sizeof *out);
    return NULL;
}

static fake_status* get_symbolic_dims(const struct fake_tensor* info, const char** out,
                                      size_t count) {
    MAY_FAIL;
    for (size_t i = 0; i < count && i < info->rank; i++) out[i] = "";
    return NULL;
}

static fake_status* set_symbolic_dims(struct fake_tensor* info, const char** names, size_t count) {
    MAY_FAIL;
    if (count != info->rank) return fail("another number of dimensions");
    for (size_t i = 0; i < count; i++) (void)strlen(names[i]);
    return NULL;
}

static void release_info(struct fake_tensor* info) { release_object(info); }

/* --- A node. */

static const struct fake_attribute* find(const struct fake_node* node, const char* name) {
    for (size_t i = 0; i < node->attribute_count; i++) {
        if (is_same(node->attributes[i].name, name)) return &node->attributes[i];
    }
    return NULL;
}

static const struct fake_attribute* find_kind(const struct fake_node* node, const char* name,
                                              enum fake_kind kind) {
    const struct fake_attribute* found = find(node, name);
    return found != NULL && found->kind == kind ? found : NULL;
}

static fake_status* attribute_float(const struct fake_node* node, const char* name, float* out) {
    MAY_FAIL;
    const struct fake_attribute* found = find_kind(node, name, FAKE_ATTRIBUTE_FLOAT);
    if (found == NULL) return fail("no such attribute");
    *out = found->number;
    return NULL;
}

static fake_status* attribute_int(const struct fake_node* node, const char* name, int64_t* out) {
    MAY_FAIL;
    const struct fake_attribute* found = find_kind(node, name, FAKE_ATTRIBUTE_INT);
    if (found == NULL) return fail("no such attribute");
    *out = found->ints[0];
    return NULL;
}

static fake_status* attribute_text(const struct fake_node* node, const char* name, char* out,
                                   size_t* size) {
    MAY_FAIL;
    const struct fake_attribute* found = find_kind(node, name, FAKE_ATTRIBUTE_STRING);
    return found == NULL ? fail("no such attribute") : copy_text(found->text, out, size);
}

/* As in ONNX Runtime, an attribute of another type looks like an empty list. */
static fake_status* list_attribute(const struct fake_node* node, const char* name,
                                   enum fake_kind kind, const struct fake_attribute** found,
                                   size_t* count, size_t room) {
    *found = find(node, name);
    if (*found == NULL) return fail("no such attribute");
    *count = (*found)->kind == kind ? (*found)->count : 0;
    return room < *count ? fail("the buffer is too small") : NULL;
}

static fake_status* attribute_ints(const struct fake_node* node, const char* name, int64_t* out,
                                   size_t* count) {
    MAY_FAIL;
    const struct fake_attribute* found;
    size_t room = out == NULL ? SIZE_MAX : *count;
    fake_status* status = list_attribute(node, name, FAKE_ATTRIBUTE_INTS, &found, count, room);
    if (status == NULL && out != NULL) memcpy(out, found->ints, *count * sizeof *out);
    return status;
}

static fake_status* attribute_floats(const struct fake_node* node, const char* name, float* out,
                                     size_t* count) {
    MAY_FAIL;
    const struct fake_attribute* found;
    size_t room = out == NULL ? SIZE_MAX : *count;
    fake_status* status = list_attribute(node, name, FAKE_ATTRIBUTE_FLOATS, &found, count, room);
    if (status == NULL && out != NULL) memset(out, 0, *count * sizeof *out);
    return status;
}

static fake_status* node_input_count(const struct fake_node* node, size_t* out) {
    MAY_FAIL;
    *out = node->input_count;
    return NULL;
}

static fake_status* node_input_name(const struct fake_node* node, size_t index, char* out,
                                    size_t* size) {
    MAY_FAIL;
    if (index >= node->input_count) return fail("no such input");
    return copy_text(node->inputs[index].given ? "input" : "", out, size);
}

static fake_status* node_input_type(const struct fake_node* node, size_t index,
                                    struct fake_tensor** out) {
    MAY_FAIL;
    if (index >= node->input_count) return fail("no such input");
    return copy_info(&node->inputs[index].tensor, out);
}

static fake_status* node_name(const struct fake_node* node, char* out, size_t* size) {
    MAY_FAIL;
    return copy_text(node->name, out, size);
}

static fake_status* constant_input(const struct fake_node* node, size_t index, int* is_constant,
                                   const struct fake_tensor** out) {
    MAY_FAIL;
    if (index >= node->input_count) return fail("no such input");
    *is_constant = node->inputs[index].constant;
    *out = *is_constant ? &node->inputs[index].tensor : NULL;
    return NULL;
}

/* --- Shape inference. */

static fake_status* infer_input(const struct fake_node* node, size_t index,
                                const struct fake_tensor** out) {
    MAY_FAIL;
    if (index >= node->input_count || !node->inputs[index].given) return fail("no such input");
    *out = &node->inputs[index].tensor; /* stays the context's */
    return NULL;
}

static fake_status* infer_attribute(const struct fake_node* node, const char* name,
                                    const struct fake_attribute** out) {
    MAY_FAIL;
    *out = find(node, name);
    return *out == NULL ? fail("no such attribute") : NULL;
}

static fake_status* read_attribute(const struct fake_attribute* attribute, int kind, void* data,
                                   size_t size, size_t* out) {
    MAY_FAIL;
    enum { ORT_ATTR_INT = 1, ORT_ATTR_INTS = 2 };
    size_t count = attribute->count;
    if (kind == ORT_ATTR_INT && attribute->kind == FAKE_ATTRIBUTE_INT) {
        count = 1;
    } else if (kind != ORT_ATTR_INTS || attribute->kind != FAKE_ATTRIBUTE_INTS) {
        return fail("the attribute has another type");
    }
    *out = count * sizeof(int64_t);
    if (size < *out) return fail("the buffer is too small");
    memcpy(data, attribute->ints, *out);
    return NULL;
}

static fake_status* set_inferred(struct fake_node* node, size_t index,
                                 const struct fake_tensor* info) {
    MAY_FAIL;
    if (index != 0) return fail("no such output");
    node->inferred = *info;
    return NULL;
}

/* --- A run. */

static fake_status* run_input(const struct fake_run* run, size_t index,
                              const struct fake_tensor** out) {
    MAY_FAIL;
    if (index >= run->input_count) return fail("no such input");
    *out = run->inputs[index];
    return NULL;
}

static fake_status* run_output(struct fake_run* run, size_t index, const int64_t* dims,
                               size_t count, struct fake_tensor** out) {
    MAY_FAIL;
    if (index != 0 || count > FAKE_MAX_RANK) return fail("no such output");
    run->y = (struct fake_tensor){.element_type = FAKE_FLOAT, .rank = count};
    memcpy(run->y.dims, dims, count * sizeof *dims);
    int64_t elements = fake_element_count(&run->y);
    if (elements > 0) {
        run->y.data = run->take_output(run, (size_t)elements * sizeof(float));
        if (run->y.data == NULL) return fail("no memory for an output");
    }
    *out = &run->y;
    return NULL;
}

struct share {
    void (*task)(void*, size_t);
    void* data;
    size_t total;
    atomic_size_t next;
};

static void* run_share(void* argument) {
    struct share* share = argument;
    for (size_t i; (i = atomic_fetch_add(&share->next, 1)) < share->total;) {
        share->task(share->data, i);
    }
    return NULL;
}

static fake_status* parallel_for(const struct fake_run* run, void (*task)(void*, size_t),
                                 size_t total, size_t batches, void* data) {
    MAY_FAIL;
    (void)batches;
    enum { MOST_THREADS = 8 };
    pthread_t threads[MOST_THREADS];
    int started = 0;
    struct share share = {.task = task, .data = data, .total = total};
    if (run->threads == 0) {
        while (total > 0) task(data, --total);
        return NULL;
    }
    while (started < run->threads - 1 && started < MOST_THREADS &&
           pthread_create(&threads[started], NULL, run_share, &share) == 0) {
        started++;
    }
    run_share(&share);
    while (started > 0) pthread_join(threads[--started], NULL);
    return NULL;
}

/* --- The table. */

enum { SLOTS = 320, MOST_RUNTIMES = 64 };
static void* slots[SLOTS];

__attribute__((constructor)) static void fill_slots(void) {
    static const struct {
        int slot;
        void* function;
    } functions[] = {
        {0, create_status},       {26, create_domain},      {27, domain_add},
        {28, add_domain},         {51, get_data},           {55, cast_type_info},
        {57, create_info},        {58, set_element_type},   {59, set_dims},
        {60, get_element_type},   {61, get_rank},           {62, get_dims},
        {63, get_symbolic_dims},  {65, get_type_and_shape}, {85, attribute_float},
        {86, attribute_int},      {87, attribute_text},     {90, run_input},
        {91, run_output},         {93, fake_release},       {98, release_info},
        {99, release_info},       {101, release_domain},    {130, add_config},
        {162, attribute_floats},  {163, attribute_ints},    {230, node_input_count},
        {232, node_input_name},   {234, node_input_type},   {237, has_config},
        {238, get_config},        {244, node_name},         {249, constant_input},
        {268, infer_input},       {269, infer_attribute},   {270, set_inferred},
        {271, set_symbolic_dims}, {272, read_attribute},    {274, parallel_for},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        slots[functions[i].slot] = functions[i].function;
    }
}

struct runtime {
    char version[16];
    void* slots[SLOTS];
};
static struct runtime runtimes[MOST_RUNTIMES];
static int runtime_count;
static _Thread_local const struct runtime* current; /* for this thread */

const void* fake_api(void) { return slots; }

static const void* get_api(uint32_t version) { return version <= 18 ? current->slots : NULL; }

static const char* version_string(void) { return current->version; }

static const struct runtime* find_runtime(const char* version) {
    for (int i = 0; i < runtime_count; i++) {
        if (is_same(runtimes[i].version, version)) return &runtimes[i];
    }
    if (runtime_count == MOST_RUNTIMES) abort();
    struct runtime* added = &runtimes[runtime_count++];
    snprintf(added->version, sizeof added->version, "%s", version);
    memcpy(added->slots, slots, sizeof slots);
    return added;
}

const struct fake_api_base* fake_ort(const char* version) {
    static const struct fake_api_base base = {get_api, version_string};
    current = find_runtime(version);
    return &base;
}
