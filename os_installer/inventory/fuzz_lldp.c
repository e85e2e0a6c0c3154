/* Arbitrary bytes as an LLDP announcement: what it tells is text that JSON takes. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os_installer/inventory/lldp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lldp told;

	(void)lldp_parse(data, size, &told);
	const char *texts[] = {told.chassis, told.port, told.system};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json_t *s = json_string(texts[i]);
		if (strlen(texts[i]) >= LLDP_TEXT_SIZE || !s)
			abort();
		json_decref(s);
	}
	return 0;
}
