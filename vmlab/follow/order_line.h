/* order_line.h - an order of the API's as lines a person follows. Pure: JSON in, text out, cleaned
 * of what could drive a terminal. */
#ifndef VMLAB_FOLLOW_ORDER_LINE_H
#define VMLAB_FOLLOW_ORDER_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Whether it has ended, and well. */
bool order_has_ended(const json_t *order);
bool order_is_done(const json_t *order);

/* How far it is, in a few words: "copy 45 %, 66 MiB of 148 MiB", or "". */
void order_progress_words(FILE *f, const json_t *order);

/* "deploy: copy 45 %, 66 MiB of 148 MiB", "deploy waits: its agent is not running ...", "deploy
 * failed in copy: ..." with the hint in a line of its own; ends with a newline. */
void order_line(FILE *f, const json_t *order);

#endif
