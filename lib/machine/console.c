#include "lib/machine/console.h"

const char *console_name(const struct mac *mac, char out[CONSOLE_NAME_SIZE])
{
	mac_format(mac, out);
	for (char *p = out; *p; p++)
		if (*p == ':')
			*p = '-';
	return out;
}
