/* Any bytes as a D-Bus message of dnsmasq's: whatever is accepted is read within its bounds. */
#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "vm_watcher/bus_message.h"

/* Ends before the message does. */
static void check_text(const char *text, const uint8_t *data, size_t len)
{
	const uint8_t *at = (const uint8_t *)text;

	PROMISE(!text[0] ||
		(at > data && at < data + len && memchr(at, '\0', (size_t)(data + len - at))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus_message m;
	uint32_t number;

	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1); /* a look past its end is noticed */
	PROMISE(copy);
	memcpy(copy, data, size);
	int len = bus_message_length(copy, size);
	PROMISE(len <= (int)size && len <= BUS_MESSAGE_MAX);
	if (len <= 0 || (size_t)len != size || bus_message_parse(copy, size, &m) < 0)
		return 0;
	check_text(m.member, copy, size);
	check_text(m.signature, copy, size);
	PROMISE(m.body >= copy && m.body + m.body_len == copy + size);
	(void)bus_message_first(&m, &number);
	(void)bus_message_number(&m, "dhcp_ack", &number);
	return 0;
}
