/* What a sparse layer must compute, written plainly in double precision: the oracle of all tests
 * in C, as oracle.py is of those in Python. The library's headers give it the types that describe a
 * layer; none of the library's code runs here. */
#ifndef ORACLE_H
#define ORACLE_H

#include "base/block_csr.h"
#include "base/epilogue.h"
#include "spmm/spmm.h"

double oracle_activate(const struct epilogue*, int64_t row, double);

/* The largest error of Y: that of an element is |Y - expected| as a share of the magnitudes that
 * were added to make it. It is infinite where a NaN or an infinity must be and is not, or must not
 * be and is. The bias may be NULL. Of the shape, the output's size is not read but worked out. */
double oracle_worst_error(const struct block_csr*, const struct epilogue*, const struct spmm_shape*,
                          const struct spmm_operands*);

#endif
