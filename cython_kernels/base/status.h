/* What went wrong, in words for the user.
 *
 * A function that can fail takes a status and returns whether it succeeded; it fills the status in
 * only if it did not. A message names the thing, the rule, and what was found. */
#ifndef ORT_SPARSE_BASE_STATUS_H
#define ORT_SPARSE_BASE_STATUS_H

enum status_code {
    STATUS_INVALID = 1, /* what was given breaks a rule */
    STATUS_NO_MEMORY,
};

struct status {
    enum status_code code;
    char message[512]; /* printable ASCII */
};

/* Fills the status in. Returns 0, so that a function can end with `return status_fail(...)`. */
int status_fail(struct status*, enum status_code, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts words before the message of a failure, such as the name of what failed. Returns 0. */
int status_prefix(struct status*, const char* format, ...) __attribute__((format(printf, 2, 3)));

#endif
