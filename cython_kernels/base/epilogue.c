#include "base/epilogue.h"

#include <string.h>

#define ACTIVATION_NAME(enumerator, name) name,
static const char* const names[] = {ACTIVATION_LIST(ACTIVATION_NAME)};
#undef ACTIVATION_NAME

#define ACTIVATION_IN_SENTENCE(enumerator, name) ", " name
static const char all_names[] = ACTIVATION_LIST(ACTIVATION_IN_SENTENCE);
#undef ACTIVATION_IN_SENTENCE

const char* activation_name(enum activation activation) { return names[activation]; }

int activation_from_name(const char* name, enum activation* activation, struct status* status) {
    for (int i = 0; i < ACTIVATION_COUNT; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *activation = (enum activation)i;
        return 1;
    }
    return status_fail(status, STATUS_INVALID, "activation: must be one of %s, but is '%.64s'",
                       all_names + strlen(", "), name);
}
