/* The names of kinds of work. */
#include "claim/claim.h"

#define CLAIM_TERM_NAME(enumerator, name) name,
static const char* const term_names[] = {CLAIM_TERM_LIST(CLAIM_TERM_NAME)};
#undef CLAIM_TERM_NAME

const char* claim_term_name(enum claim_term term) { return term_names[term]; }
