#include "base/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ISA_ROW(name, architecture, features, supported) {ISA_##name, #name, features},
static const struct isa isas[ISA_COUNT] = {ISA_LIST(ISA_ROW)};
#undef ISA_ROW

static const struct isa* supported_isas[ISA_COUNT];
static const char* supported_names[ISA_COUNT + 1];

/* When the library is loaded, so that no two threads do it at once. */
__attribute__((constructor)) static void find_supported(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    int count = 0;
#define ISA_FIND(name, architecture, features, supported) \
    ISA_IF_##architecture(if (supported) supported_isas[count++] = &isas[ISA_##name];)
    ISA_LIST(ISA_FIND)
#undef ISA_FIND
    for (int i = 0; i < count; i++) supported_names[i] = supported_isas[i]->name;
}

const struct isa* isa_of(enum isa_id id) { return &isas[id]; }

const char* const* isa_supported_names(void) { return supported_names; }

static int is_known(const char* name) {
    for (int i = 0; i < ISA_COUNT; i++) {
        if (strcmp(isas[i].name, name) == 0) return 1;
    }
    return 0;
}

const struct isa* isa_request(const char* name, struct status* status) {
    const char* named_by = "isa";
    if (name == NULL) {
        name = getenv("ORT_SPARSE_ISA");
        named_by = "ORT_SPARSE_ISA";
    }
    if (name == NULL || name[0] == 0) return supported_isas[0];
    char names[128] = "";
    size_t used = 0;
    for (int i = 0; supported_names[i] != NULL; i++) {
        if (strcmp(supported_names[i], name) == 0) return supported_isas[i];
        used += (size_t)snprintf(names + used, sizeof names - used, " %s", supported_names[i]);
    }
    status_fail(status, STATUS_INVALID,
                "%s: must be an instruction set of this CPU, but is '%.64s', which %s; "
                "this CPU has%s",
                named_by, name, is_known(name) ? "it lacks" : "nobody knows", names);
    return NULL;
}
