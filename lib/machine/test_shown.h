/* test_shown.h - what fuzz targets ask of all that a machine shows of itself, whoever read it. */
#ifndef LIB_MACHINE_TEST_SHOWN_H
#define LIB_MACHINE_TEST_SHOWN_H

#include <string.h>

#include "lib/base/test_promise.h"
#include "lib/machine/shown.h"
#include "lib/machine/smbios_id.h"

static inline void promise_shown(const struct shown *s)
{
	PROMISE(s->uuid[strspn(s->uuid, "0123456789abcdef-")] == '\0');
	PROMISE(!s->serial[0] || smbios_serial_valid(s->serial));
	promise_clean(s->arch, sizeof(s->arch));
	promise_clean(s->platform, sizeof(s->platform));
	promise_clean(s->version, sizeof(s->version));
	promise_clean(s->manufacturer, sizeof(s->manufacturer));
	promise_clean(s->product, sizeof(s->product));
	promise_clean(s->asset, sizeof(s->asset));
}

#endif
