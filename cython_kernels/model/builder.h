/* Filling in a model: values are found by their names, nodes come one after the other.
 *
 * Time is in proportion to n log n for n names, whatever they are. */
#ifndef ORT_SPARSE_MODEL_BUILDER_H
#define ORT_SPARSE_MODEL_BUILDER_H

#include "model/model.h"

struct model_builder;

/* For models of this many nodes. Returns NULL where memory is short. */
struct model_builder* model_builder_create(int64_t node_count);
void model_builder_destroy(struct model_builder*); /* with the model; NULL is allowed */

/* What has been built, valid until the next call on the builder. */
struct model* model_builder_model(struct model_builder*);

/* The value of this name, or MODEL_NO_VALUE where there is none. The name must outlive the builder
 * if it is added: then its value is one of unknown type and shape, which no node produces. */
int model_builder_find(const struct model_builder*, const char* name);
int model_builder_add(struct model_builder*, const char* name); /* or memory is short */

/* Parts of a node that has been added, to be filled in. */
struct model_node_parts {
    struct model_node* node;
    int *inputs, *outputs; /* all MODEL_NO_VALUE */
    struct model_attribute* attributes;
};

/* The next node, with room for so many of each. Returns whether memory sufficed. */
int model_builder_add_node(struct model_builder*, int64_t inputs, int64_t outputs,
                           int64_t attributes, struct model_node_parts*);

/* Zeroed memory for what a model borrows, as long as the builder lives; NULL where memory is short.
 */
void* model_builder_allocate(struct model_builder*, int64_t count, size_t size);

#endif
