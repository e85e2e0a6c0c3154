#include "boot_handler/documents/json_clean.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/text.h"

static int clean_text(json_t *value, struct err *e)
{
	_cleanup_free_ char *text = strdup(json_string_value(value));

	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	text_clean_string(text, "");
	return json_string_set(value, text) < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int check_key(const char *key, struct err *e)
{
	if (*key && strlen(key) <= 64 && text_is_ascii(key))
		return 0;
	return err_set(e, EINVAL,
	    "a name in it is empty, longer than 64 bytes, or has other than printable characters");
}

static int clean(json_t *value, int depth, struct err *e)
{
	const char *key;
	json_t *member;
	size_t i;
	int r = 0;

	if (depth > JSON_CLEAN_DEPTH_MAX)
		return err_set(
		    e, EINVAL, "it is nested deeper than %d levels", JSON_CLEAN_DEPTH_MAX);
	if (json_is_string(value))
		return clean_text(value, e);
	json_array_foreach(value, i, member)
		if ((r = clean(member, depth + 1, e)) < 0)
			return r;
	json_object_foreach(value, key, member)
		if ((r = check_key(key, e)) < 0 || (r = clean(member, depth + 1, e)) < 0)
			return r;
	return 0;
}

int json_clean(json_t *value, struct err *e)
{
	return clean(value, 1, e);
}
