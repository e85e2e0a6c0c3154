#include "os_installer/inventory/smbios.h"

#include <stdlib.h>
#include <string.h>

#include "os_installer/inventory/below.h"

#define HEADER_BYTES 4U

struct smbios_table smbios_read(const char *root)
{
	struct smbios_table t = {malloc(SMBIOS_MAX_BYTES), 0};
	ssize_t n =
	    t.bytes ? below_bytes(t.bytes, SMBIOS_MAX_BYTES, "%s/sys/firmware/dmi/tables/DMI", root)
		    : 0;

	t.len = n < 0 ? 0 : (size_t)n;
	return t;
}

void smbios_clear(struct smbios_table *t)
{
	free(t->bytes);
	*t = (struct smbios_table){0};
}

bool smbios_next(const struct smbios_table *t, size_t *at, struct smbios_entry *out)
{
	const uint8_t *begin = t->bytes + *at;
	size_t left = t->len - *at;

	if (left < HEADER_BYTES || begin[1] < HEADER_BYTES || begin[1] > left ||
	    begin[0] == SMBIOS_END)
		return false;
	*out = (struct smbios_entry){
	    .type = begin[0],
	    .fields = begin,
	    .fields_len = begin[1],
	    .strings = begin + begin[1],
	    .strings_len = left - begin[1],
	};
	/* Strings end with an empty one; without any there are two NULs. */
	for (size_t i = 0; i + 1 < out->strings_len; i++)
		if (!out->strings[i] && !out->strings[i + 1]) {
			out->strings_len = i + 2;
			break;
		}
	*at += out->fields_len + out->strings_len;
	return true;
}

uint64_t smbios_number(const struct smbios_entry *s, size_t offset, size_t bytes)
{
	uint64_t number = 0;

	if (offset + bytes > s->fields_len)
		return 0;
	for (size_t i = bytes; i-- > 0;)
		number = number << 8 | s->fields[offset + i];
	return number;
}

const char *smbios_text(const struct smbios_entry *s, size_t offset, char *buf, size_t size)
{
	uint64_t wanted = smbios_number(s, offset, 1);
	const uint8_t *p = s->strings, *end = s->strings + s->strings_len;

	buf[0] = '\0';
	for (uint64_t n = 1; n <= wanted && p < end && *p; n++) {
		const uint8_t *nul = memchr(p, 0, (size_t)(end - p));
		size_t len = (size_t)((nul ? nul : end) - p);
		if (n == wanted) {
			len = len < size ? len : size - 1;
			memcpy(buf, p, len);
			buf[len] = '\0';
			below_clean(buf);
		}
		p = nul ? nul + 1 : end;
	}
	return buf;
}
