#include "lib/definition/mode.h"

#include <string.h>

#define LISTED(mode) &mode,
static const struct boot_mode *const modes[] = {BOOT_MODES(LISTED)};

const struct boot_mode *boot_mode_at(size_t i)
{
	return i < sizeof(modes) / sizeof(*modes) ? modes[i] : NULL;
}

const char *boot_mode_name(size_t i)
{
	return boot_mode_at(i) ? modes[i]->name : NULL;
}

const char *boot_mode_summary(size_t i)
{
	return boot_mode_at(i) ? modes[i]->summary : NULL;
}

const struct boot_mode *boot_mode_find(const char *name)
{
	const struct boot_mode *mode;

	for (unsigned i = 0; (mode = boot_mode_at(i)); i++)
		if (strcmp(mode->name, name) == 0)
			return mode;
	return strcmp(boot_mode_kernel.name, name) == 0 ? &boot_mode_kernel : NULL;
}

bool boot_mode_restarts(const struct boot_mode *mode)
{
	return mode && (mode->verb == BOOT_DISK || mode == &boot_mode_agent);
}
