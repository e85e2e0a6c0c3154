/* unattended.c - reader of "unattended". */
#include "lib/definition/field.h"

#include <errno.h>

int vm_read_unattended(struct json_reader *r, json_t *value)
{
	return json_read_flag(r, value);
}
