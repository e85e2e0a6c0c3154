#include "boot_handler/sources/image_made.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"

#define WORD_MAX_BYTES 16384

void image_made_why(const char *folder, const struct adopted *source, struct image_missing *out)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	char path[PATH_MAX];
	size_t len;

	int n = snprintf(path, sizeof(path), "%s.json", folder);
	json_t *word = n > 0 && n < (int)sizeof(path) &&
			       file_read(path, WORD_MAX_BYTES, &text, &len, &ignored) == 0
			   ? json_loadb(text, len, 0, NULL)
			   : NULL;
	const char *missing = json_string_value(json_object_get(word, "missing"));
	const char *advice = json_string_value(json_object_get(word, "advice"));
	if (missing && advice) {
		snprintf(out->what, sizeof(out->what), "%s", missing);
		snprintf(out->advice, sizeof(out->advice), "%s", advice);
	} else {
		snprintf(out->what, sizeof(out->what), "its %s is yet to be read", source->file);
		snprintf(
		    out->advice, sizeof(out->advice), "it goes on by itself, in a minute or two");
	}
	json_decref(word);
}
