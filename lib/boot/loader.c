#include "lib/boot/loader.h"

#include <string.h>

#define LOADERS(LOADER)                                                                            \
	LOADER(boot_loader_ipxe)                                                                   \
	LOADER(boot_loader_grub)

#define DECLARED(loader) extern const struct boot_loader loader;
#define LISTED(loader) &loader,
LOADERS(DECLARED)
static const struct boot_loader *const loaders[] = {LOADERS(LISTED)};

const struct boot_loader *boot_loader_find(const char *name)
{
	for (size_t i = 0; i < sizeof(loaders) / sizeof(*loaders); i++)
		if (strcmp(loaders[i]->name, name) == 0)
			return loaders[i];
	return NULL;
}
