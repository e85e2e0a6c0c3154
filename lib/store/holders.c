#include "lib/store/holders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define MAX_BYTES (64 * 1024 * 1024)

int vm_holders_read(const char *path, char **text, struct err *e)
{
	size_t len;
	int r = file_read(path, MAX_BYTES, text, &len, e);

	if (r == -ENOENT) {
		*text = NULL;
		return 0;
	}
	return r;
}

int vm_holders_write(const char *path, const struct vm_snapshot *snap, int *cost_ms, struct err *e)
{
	int64_t begin = monotonic_ms();
	_cleanup_free_ char *text = vm_holders_text(snap);

	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	int r = atomic_file_replace(path, text, strlen(text), 0644, e);
	*cost_ms = (int)(monotonic_ms() - begin);
	return r < 0 ? r : 0;
}
