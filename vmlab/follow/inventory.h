/* inventory.h - what a machine is made of, for a person: one of the API's inventories as lines.
 * Pure. */
#ifndef VMLAB_FOLLOW_INVENTORY_H
#define VMLAB_FOLLOW_INVENTORY_H

#include <jansson.h>
#include <stdio.h>

/* `inventory`: the document itself. What it does not tell is left out. */
void inventory_print(FILE *f, const json_t *inventory);

#endif
