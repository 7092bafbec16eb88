#include "base/epilogue.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

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

static float* copy_rows(const float* values, int64_t rows) {
    float* copy = memory_allocate(rows, sizeof *copy);
    if (copy == NULL) return NULL;
    for (int64_t r = 0; r < rows; r++) copy[r] = values != NULL ? values[r] : 0.0f;
    return copy;
}

int epilogue_copy(struct epilogue* to, const struct epilogue* from, int64_t rows) {
    const int clips = from->activation == ACTIVATION_CLIP;
    const int has_slope = from->activation == ACTIVATION_PRELU;
    *to = *from;
    to->minimum = clips ? from->minimum : -INFINITY;
    to->maximum = clips ? from->maximum : INFINITY;
    to->bias = copy_rows(from->bias, rows);
    to->slope = has_slope ? copy_rows(from->slope, rows) : NULL;
    return to->bias != NULL && (to->slope != NULL || !has_slope);
}

void epilogue_release(struct epilogue* epilogue) {
    memory_release((void*)epilogue->bias);
    memory_release((void*)epilogue->slope);
}
