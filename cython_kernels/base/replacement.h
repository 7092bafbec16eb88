/* Writing a file as a whole: a new file beside the old one takes its place at the end, so that
 * nobody ever sees half of it. */
#ifndef ORT_SPARSE_BASE_REPLACEMENT_H
#define ORT_SPARSE_BASE_REPLACEMENT_H

#include <limits.h>
#include <stdio.h>

#include "base/status.h"

struct replacement {
    FILE* file;            /* to write to */
    char target[PATH_MAX]; /* the file that the path leads to, through links; it may not be there */
    char temporary[PATH_MAX];
};

/* Opens the new file. Refuses what a rename would destroy. Messages do not have the path. */
int replacement_begin(struct replacement*, const char* path, struct status*);

/* Puts the new file in its place, if all of it could be written; else removes it. */
int replacement_end(struct replacement*, struct status*);

/* Removes the new file instead. */
void replacement_abandon(struct replacement*);

#endif
