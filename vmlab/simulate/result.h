/* result.h - what a simulation found, as tables for people. Pure but for writing them. */
#ifndef VMLAB_SIMULATE_RESULT_H
#define VMLAB_SIMULATE_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `result` is inside.h's; "server_ready" is added by who has asked the server: how many are ready
 * by its account. */
void result_print(const json_t *result, FILE *f);

/* Whether nothing failed: no machine, and the server says the same of those that are ready. */
bool result_is_well(const json_t *result);

#endif
