#include "lib/base/size.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

int size_parse(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	unsigned shift = 0;
	uint64_t n = 0;

	if (digits == 0 || digits > 19)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	if (*unit) {
		const char *p = strchr(letters, *unit >= 'a' ? *unit - ('a' - 'A') : *unit);
		if (!p)
			return -EINVAL;
		shift = 10 * ((unsigned)(p - letters) + 1);
		unit++;
		if (*unit == 'i' && (unit[1] == 'B' || unit[1] == 'b'))
			unit++;
		if (*unit == 'B' || *unit == 'b')
			unit++;
	}
	if (*unit || n > UINT64_MAX >> shift)
		return -EINVAL;
	*bytes = n << shift;
	return 0;
}

/* The number before its unit, which is the largest that leaves at least `least` below. */
static double scale(uint64_t bytes, double least, unsigned *unit)
{
	double value = (double)bytes;

	for (*unit = 0; value >= least && *unit + 1 < sizeof(units) / sizeof(*units); ++*unit)
		value /= 1024;
	return value;
}

const char *size_text(uint64_t bytes, char *buf)
{
	unsigned unit;
	double value = scale(bytes, 1024, &unit);

	snprintf(
	    buf, SIZE_TEXT_SIZE, unit ? "%.1f %s" : "%.0f %s", value, unit ? units[unit] : "bytes");
	return buf;
}

const char *size_text_short(uint64_t bytes, char *buf)
{
	unsigned unit;
	double value = scale(bytes, 1023.5, &unit);
	bool whole = value - (double)(uint64_t)value < 0.05;

	snprintf(buf, SIZE_TEXT_SIZE, "%.*f %s", unit > 0 && value < 9.95 && !whole ? 1 : 0, value,
	    units[unit]);
	return buf;
}
