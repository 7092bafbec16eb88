/* Writing JSON, without spaces or line breaks. */
#ifndef ORT_SPARSE_BASE_JSON_H
#define ORT_SPARSE_BASE_JSON_H

#include <stdint.h>
#include <stdio.h>

/* Commas are put by themselves. Whether writing failed is for the owner of the file to ask. */
struct json {
    FILE* file;
    int follows; /* whether something stands before, on the same level */
};

/* '{' or '[', and the end of it. */
void json_begin(struct json*, char bracket);
void json_end(struct json*, char bracket);

/* The key of an object's next member. */
void json_key(struct json*, const char*);

/* Text of any bytes: each that is no part of a character in UTF-8 becomes U+FFFD. */
void json_string(struct json*, const char*);
void json_int(struct json*, int64_t);
void json_bool(struct json*, int);
void json_null(struct json*);

/* Three digits after the point, whatever the locale; null unless the absolute value is below 1e15.
 */
void json_decimal(struct json*, double);

#endif
