#include "lib/image/kernel_version.h"

#include <ctype.h>
#include <string.h>

static int weight(unsigned char c)
{
	if (c == '~')
		return -1;
	if (c == '\0' || isdigit(c))
		return 0;
	return isalpha(c) ? c : c + 256;
}

static int compare_text(const char **a, const char **b)
{
	for (;;) {
		unsigned char ca = (unsigned char)**a, cb = (unsigned char)**b;
		int diff = weight(ca) - weight(cb);

		if (diff)
			return diff;
		if (!weight(ca))
			return 0;
		++*a;
		++*b;
	}
}

static int compare_number(const char **a, const char **b)
{
	size_t la, lb;
	int diff;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	la = strspn(*a, "0123456789");
	lb = strspn(*b, "0123456789");
	diff = la != lb ? (la < lb ? -1 : 1) : memcmp(*a, *b, la);
	*a += la;
	*b += lb;
	return diff;
}

int kernel_version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		int diff = compare_text(&a, &b);

		if (!diff)
			diff = compare_number(&a, &b);
		if (diff)
			return diff;
	}
	return 0;
}
