/* order_words.h - an order of the API's, and the machine in the agent, in a few words beside other
 * things. Pure: JSON in, text out, cleaned of what could drive a terminal. */
#ifndef LIB_FOLLOW_ORDER_WORDS_H
#define LIB_FOLLOW_ORDER_WORDS_H

#include <jansson.h>
#include <stdio.h>

/* How much of it is done; -1: it does not tell. */
int order_percent(const json_t *order);

/* "deploy 45 %", "run: script", "wipe ordered". */
void order_brief(FILE *f, const json_t *order);

/* What a machine does that stands in the agent, by its "agent" and "order": "agent: wipe 43 %",
 * "agent: waits for orders", "agent: starts"; behind ", silent": it was not heard of lately. */
void order_agent_words(FILE *f, const json_t *vm);

#endif
