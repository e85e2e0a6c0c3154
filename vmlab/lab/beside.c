#include "vmlab/lab/beside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"

/* The text of a file of the folder; caller frees. */
static char *read_beside(const struct beside *b, const char *name, size_t *len)
{
	_cleanup_free_ char *path = NULL;
	struct err ignored = ERR_INIT;
	char *text;

	if (asprintf(&path, "%s/%s", b->folder, name) < 0)
		return path = NULL, NULL;
	return file_read(path, VM_FILE_MAX_BYTES, &text, len, &ignored) == 0 ? text : NULL;
}

static const json_t *find_profile(void *ctx, const char *name, struct err *e)
{
	const struct vm_listener nobody = {0};
	struct beside *b = ctx;
	struct vm_where where;
	struct err why = ERR_INIT;
	json_t *fields;
	char path[VM_LABEL_SIZE + 20];
	size_t len;

	if ((fields = json_object_get(b->profiles, name)))
		return fields;
	snprintf(path, sizeof(path), "_profiles/%s.json", name);
	_cleanup_free_ char *text = read_beside(b, path, &len);
	if (!text)
		err_set(e, ENOENT, "is no profile: there is no %s", path);
	else if (vm_profile_parse_all(text, len, &fields, &where, &nobody, &why) < 0)
		err_set(e, EINVAL, "cannot be used: correct %s first: %s", path, why.msg);
	else if (json_object_set_new(b->profiles, name, fields) < 0)
		err_set(e, ENOMEM, "cannot be used: out of memory");
	else
		return fields;
	return NULL;
}

int beside_open(struct beside *b, const char *folder, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct vm_where where;
	size_t len;

	*b = (struct beside){.folder = strdup(folder), .profiles = json_object()};
	if (!b->folder || !b->profiles)
		return err_set(e, ENOMEM, "out of memory");
	_cleanup_free_ char *text = read_beside(b, "_defaults.json", &len);
	if (text && vm_defaults_parse(text, len, &b->defaults, &where, &ignored) < 0)
		b->defaults = NULL;
	b->base = (struct vm_base){b->defaults, find_profile, b};
	return 0;
}

void beside_close(struct beside *b)
{
	free(b->folder);
	json_decref(b->defaults);
	json_decref(b->profiles);
}
