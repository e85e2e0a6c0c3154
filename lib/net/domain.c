#include "lib/net/domain.h"

#include <stddef.h>
#include <string.h>

bool domain_valid(const char *domain)
{
	size_t len = strlen(domain);

	if (len < 1 || len > DOMAIN_MAX)
		return false;
	for (const char *label = domain;; label++) {
		size_t n = strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-");
		if (n < 1 || n > 63 || label[0] == '-' || label[n - 1] == '-')
			return false;
		label += n;
		if (*label == '\0')
			return strspn(label - n, "0123456789") < n;
		if (*label != '.')
			return false;
	}
}
