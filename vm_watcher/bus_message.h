/* bus_message.h - inside of bus.h: D-Bus messages of the few shapes that dnsmasq and we exchange.
 *
 * Pure. Little-endian only, as every machine is that we are built for. Specification: D-Bus 0.43,
 * "Message Protocol".
 */
#ifndef VM_WATCHER_BUS_MESSAGE_H
#define VM_WATCHER_BUS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_MESSAGE_MAX (64 * 1024)

enum bus_type { BUS_CALL = 1, BUS_RETURN, BUS_ERROR, BUS_SIGNAL };

struct bus_message {
	enum bus_type type;
	bool no_reply;
	uint32_t serial;
	uint32_t reply_serial; /* 0: none */
	const char *member;    /* as all text, borrowed from the buffer; "" when absent */
	const char *signature;
	const uint8_t *body;
	size_t body_len;
};

/* Length of the message that starts at `data`, 0 when more bytes are needed to tell, or -EPROTO. */
int bus_message_length(const uint8_t *data, size_t len);
/* Parses one whole message of that length. 0 or -EPROTO. */
int bus_message_parse(const uint8_t *data, size_t len, struct bus_message *out);

/* The number that `key` has in the body a{su}; false when it is not there. */
bool bus_message_number(const struct bus_message *m, const char *key, uint32_t *out);
/* A body that is one boolean or number, or begins with one. */
bool bus_message_first(const struct bus_message *m, uint32_t *out);

/* Both write into buf (256 bytes suffice for arguments of up to 64) and return the length.
 * A call of dnsmasq's method `member`, with one string argument or none (NULL). */
size_t bus_message_call(uint8_t *buf, uint32_t serial, const char *member, const char *argument);
/* The bus's own answer to a call: a string, or where that is NULL a number. */
size_t bus_message_answer(
    uint8_t *buf, uint32_t serial, uint32_t reply_serial, const char *text, uint32_t number);

#endif
