#include "lib/image/manifest.h"

#include <string.h>

static const char *const formats[] = {
    "tar.zst", "tar.gz", "tar.xz", "tar", "raw.zst", "raw.gz", "raw.xz"};

const char *image_format_word(size_t i)
{
	return i < sizeof(formats) / sizeof(*formats) ? formats[i] : NULL;
}

bool image_format_is_disk(const char *format)
{
	return format && strncmp(format, "raw.", 4) == 0;
}

bool image_provides(const json_t *manifest, const char *word)
{
	const json_t *list = json_object_get(manifest, "provides"), *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), word) == 0)
			return true;
	return false;
}
