/* lldp.h - what a switch says of itself and of the port that a card is plugged into (IEEE 802.1AB).
 * Pure; whoever is on the line may have sent it. */
#ifndef OS_INSTALLER_INVENTORY_LLDP_H
#define OS_INSTALLER_INVENTORY_LLDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LLDP_ETHERTYPE 0x88cc
#define LLDP_FRAME_MAX 1522
#define LLDP_TEXT_SIZE 128

/* Cleaned; "" where it does not say. */
struct lldp {
	char chassis[LLDP_TEXT_SIZE];
	char port[LLDP_TEXT_SIZE];
	char system[LLDP_TEXT_SIZE];
};

/* Reads what follows the Ethernet header. False when it is no announcement: its first three parts
 * have to be chassis, port and how long it holds; or when it says that it ends. */
bool lldp_parse(const uint8_t *data, size_t len, struct lldp *out);

#endif
