/* cloud_init.h - what a guest's cloud-init told of itself, as the API has it, in words. Pure. */
#ifndef LIB_FOLLOW_CLOUD_INIT_H
#define LIB_FOLLOW_CLOUD_INIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum cloud_init_verdict { CLOUD_INIT_WELL, CLOUD_INIT_WARNINGS, CLOUD_INIT_ERRORS };

/* `vm` is an object of the API's. Errors of the first boot count for ever: what failed then is not
 * tried again. */
enum cloud_init_verdict cloud_init_judge(const json_t *vm);

/* What follows the state's word: ", with errors" and its like. */
const char *cloud_init_words(enum cloud_init_verdict verdict);

/* The first error, or NULL. */
const char *cloud_init_error(const json_t *vm);

/* Where it is on its way, "booting" or the name of a stage; NULL when it is not. */
const char *cloud_init_stage(const json_t *vm);

/* True when the machine tells of each of its boots, not only of the first. */
bool cloud_init_tells(const json_t *vm);

/* A line for each error and warning, and where there is more; nothing when all went well. */
void cloud_init_print(FILE *f, const json_t *vm);

#endif
