/* ear.h - listens who the network cards are plugged into: a switch says so every half minute. What
 * arrives waits in the kernel until it is asked for. */
#ifndef OS_INSTALLER_AGENT_EAR_H
#define OS_INSTALLER_AGENT_EAR_H

#include <jansson.h>
#include <stdbool.h>

#include "os_installer/inventory/lldp.h"

#define EAR_CARDS_MAX 64

struct ear {
	int fd; /* -1: it cannot listen */
	size_t count;
	struct {
		int index; /* of the card, as the kernel counts */
		struct lldp heard;
	} card[EAR_CARDS_MAX];
};

/* Begins to listen on all cards there are, for as long as the program runs. Without the right to it
 * nothing is heard. */
void ear_open(struct ear *e);

/* Takes in what has arrived. True when a card's neighbour is another than before. */
bool ear_listen(struct ear *e);

/* Writes who was heard into the inventory's "nics". */
void ear_tell(const struct ear *e, json_t *inventory);

#endif
