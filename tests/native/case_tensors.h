/* Numbers in the tensors of a case. */
#ifndef CASE_TENSORS_H
#define CASE_TENSORS_H

#include "fake_ort.h"

struct random {
    uint64_t state;
};
uint32_t draw(struct random*);

/* An element of any type that the operator knows. */
double float_at(const OrtValue*, int64_t);
int64_t int_at(const OrtValue*, int64_t);
void set_int(OrtValue*, int64_t, int64_t value);

/* Exactly as many bytes as there are elements, so that any byte beyond is out of bounds. */
void allocate_data(OrtValue*);
/* Allocates too; special numbers are infinite, NaN, huge or tiny ones among others. */
void fill_floats(OrtValue*, struct random*, int special);

#endif
