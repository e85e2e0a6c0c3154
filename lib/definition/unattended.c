/* unattended.c - reader of "unattended". What the file holds is judged by lib/unattended, which
 * stands above: `vmlab validate` tells it.
 */
#include "lib/definition/field.h"

#include <errno.h>
#include <string.h>

int vm_read_unattended(struct json_reader *r, json_t *value)
{
	const char *s = json_string_value(value);

	if (json_is_boolean(value))
		return 0;
	if (!s)
		return json_refuse(r,
		    "must be true, or the name of a file in the folder _unattended, such as \"rack.preseed\"");
	if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
		return json_refuse(r,
		    "\"%s\" in quotes would be the name of a file: write %s without quotes", s, s);
	if (strchr(s, '/'))
		return json_refuse(r,
		    "\"%.60s\" has a slash: write the name of a file that is in the folder _unattended of vms/",
		    s);
	if (!vm_text_is(s, VM_ALNUM "._+-", 1, 100) || s[0] == '.' || s[0] == '-')
		return json_refuse(r,
		    "\"%.60s\" is not the name of a file: write letters, digits, '.', '_', '+' and '-'",
		    s);
	return 0;
}
