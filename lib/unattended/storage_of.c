#include "lib/unattended/storage_of.h"

void storage_of(const struct vm *vm, struct storage *out)
{
	const json_t *value = json_object_get(vm->more, "storage");
	struct json_path bad;

	storage_default(out);
	if (json_is_object(value) && storage_parse(value, out, &bad, NULL) < 0)
		storage_default(out);
}
