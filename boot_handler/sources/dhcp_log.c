#include "boot_handler/sources/dhcp_log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"

static const struct {
	const char *word;
	enum event_kind kind;
} words[] = {
    {"DHCPDISCOVER(", EVENT_DHCP_DISCOVER},
    {"DHCPOFFER(", EVENT_DHCP_OFFER},
    {"DHCPNAK(", EVENT_DHCP_NAK},
    {"DHCPDECLINE(", EVENT_DHCP_DECLINE},
};

/* The next word, without the blanks around it. */
static size_t next_word(const char **rest, char *out, size_t size)
{
	const char *word = *rest + strspn(*rest, " ");
	size_t len = strcspn(word, " ");

	*rest = word + len + strspn(word + len, " ");
	snprintf(out, size, "%.*s", (int)len, word);
	return len;
}

bool dhcp_log_parse(const char *line, struct dhcp_said *out)
{
	char word[64];
	struct in_addr address;
	size_t i = 0;

	memset(out, 0, sizeof(*out));
	while (i < sizeof(words) / sizeof(*words) &&
	       strncmp(line, words[i].word, strlen(words[i].word)) != 0)
		i++;
	const char *rest = strchr(line, ')');
	if (i == sizeof(words) / sizeof(*words) || !rest)
		return false;
	rest++;
	out->kind = words[i].kind;
	next_word(&rest, word, sizeof(word));
	if (inet_pton(AF_INET, word, &address) == 1) {
		snprintf(out->ip, sizeof(out->ip), "%.15s", word);
		next_word(&rest, word, sizeof(word));
	}
	if (mac_parse(word, strlen(word), &out->mac, NULL) < 0)
		return false;
	text_copy_clean(rest, out->why, sizeof(out->why));
	return true;
}
