#include "microkernels/microkernel.h"

#define DECLARE_SET(name, architecture, features, supported) \
    ISA_IF_##architecture(extern const struct microkernel_set microkernels_##name;)
ISA_LIST(DECLARE_SET)
#undef DECLARE_SET

#define SET(name, architecture, features, supported) ISA_IF_##architecture(&microkernels_##name, )
static const struct microkernel_set* const table[] = {ISA_LIST(SET) NULL};
#undef SET

#define FAMILY_NAME(enumerator, name) name,
static const char* const family_names[] = {MICROKERNEL_FAMILY_LIST(FAMILY_NAME)};
#undef FAMILY_NAME

const struct microkernel_set* const* microkernel_table(void) { return table; }

const struct microkernel_set* microkernel_set_of(const struct isa* isa) {
    for (int i = 0; table[i] != NULL; i++) {
        if (table[i]->isa == isa->id) return table[i];
    }
    return NULL;
}

const struct microkernel* microkernel_find(const struct microkernel_set* set,
                                           enum microkernel_family family, int64_t block_rows,
                                           int vectors) {
    for (int i = 0; i < set->count; i++) {
        const struct microkernel* entry = &set->entries[i];
        if (entry->family == family && entry->block_rows == block_rows &&
            entry->vectors == vectors) {
            return entry;
        }
    }
    return NULL;
}

const char* microkernel_family_name(enum microkernel_family family) { return family_names[family]; }
