#include "lib/boot/stranger.h"

#include <errno.h>
#include <string.h>

#define LISTED(row) &row,
static const struct boot_stranger *const rows[] = {BOOT_STRANGERS(LISTED)};

const struct boot_stranger *boot_stranger_at(size_t i)
{
	return i < sizeof(rows) / sizeof(*rows) ? rows[i] : NULL;
}

int boot_stranger_find(const char *name, const struct boot_stranger **out, struct err *e)
{
	char words[400] = "";
	size_t used = 0;

	for (size_t i = 0; boot_stranger_at(i); i++) {
		if (strcmp(rows[i]->name, name) == 0) {
			*out = rows[i];
			return 0;
		}
		used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s (%s)",
		    i == 0                    ? ""
		    : boot_stranger_at(i + 1) ? ", "
					      : " or ",
		    rows[i]->name, rows[i]->summary);
		if (used >= sizeof(words))
			break;
	}
	return err_set(e, EINVAL, "\"%s\" is nothing that strangers can get: give %s", name, words);
}

void boot_stranger_say_adopt(const struct boot_facts *f, const char *before, struct boot_plan *out)
{
	char mac[MAC_TEXT_SIZE];

	boot_say(out, before, f->mac ? "vmlab adopt " : "vmlab machines, vmlab adopt",
	    f->mac ? mac_format(f->mac, mac) : "");
}

void boot_stranger_plan_verb(
    const struct boot_facts *f, enum boot_verb verb, const char *what, struct boot_plan *out)
{
	out->verb = verb;
	boot_say(out, what);
	boot_stranger_say_adopt(f, "to declare it: ", out);
}

void boot_stranger_plan(const struct boot_facts *f, struct boot_plan *out)
{
	const struct boot_stranger *row = f->stranger ? f->stranger : rows[0];
	char mac[MAC_TEXT_SIZE];

	boot_say(out, "no definition in vms/ has this machine", f->mac ? ": mac " : "",
	    f->mac ? mac_format(f->mac, mac) : "");
	row->plan(f, out);
}
