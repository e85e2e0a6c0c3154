#include "os_installer/backup/used.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct used_kind *const kinds[] = {
    &used_btrfs, &used_ext4, &used_swap, &used_vfat, &used_xfs};

const struct used_kind *used_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		for (size_t n = 0; kinds[i]->names[n]; n++)
			if (strcmp(kinds[i]->names[n], name) == 0)
				return kinds[i];
	return NULL;
}

int used_state_new(const struct used_source *s, size_t size, size_t more, void **out, struct err *e)
{
	*out = calloc(1, size + more);
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(*out, s, sizeof(*s));
	return 0;
}
