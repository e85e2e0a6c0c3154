#include "lib/explain/console.h"

#include <string.h>

#define NOTHING EXPLAIN_STATE

/* The first that a line has. `over`: what an earlier line told is not so any more. */
static const struct {
	const char *words;
	enum explain_sign sign;
	bool over;
} sayings[] = {
    /* It begins anew, or gets on. */
    {"iPXE initialising devices", NOTHING, true},
    {"Linux version ", NOTHING, true},
    {"UEFI firmware (version", NOTHING, true},
    {"SeaBIOS (version", NOTHING, true},
    {" login: ", NOTHING, true},
    {"initrd: Linux ", NOTHING, true},

    {"Access Denied", EXPLAIN_CONSOLE_DENIED, false},
    {"Security Violation", EXPLAIN_CONSOLE_DENIED, false},
    {"bad shim signature", EXPLAIN_CONSOLE_DENIED, false},
    {"PXE-E", EXPLAIN_CONSOLE_PXE, false},
    /* ENOMEM has the number 31 in iPXE's errors, whichever its text. */
    {"ipxe.org/31", EXPLAIN_CONSOLE_MEMORY, false},
    {"ipxe.org/err/31", EXPLAIN_CONSOLE_MEMORY, false},
    {"ipxe.org/", EXPLAIN_CONSOLE_IPXE, false},
    {"EFI_OUT_OF_RESOURCES", EXPLAIN_CONSOLE_MEMORY, false},
    {"Unable to mount root fs", EXPLAIN_CONSOLE_NO_ROOT, false},
    {"Gave up waiting for root", EXPLAIN_CONSOLE_NO_ROOT, false},
    {"Kernel panic", EXPLAIN_CONSOLE_PANIC, false},
    {"Out of memory: Killed process", EXPLAIN_CONSOLE_KILLED, false},
    {"Initramfs unpacking failed: write error", EXPLAIN_CONSOLE_KILLED, false},
    {"No bootable device", EXPLAIN_CONSOLE_NO_BOOT, false},
    {"No bootable option or device", EXPLAIN_CONSOLE_NO_BOOT, false},
    {"not a bootable disk", EXPLAIN_CONSOLE_NO_BOOT, false},
    {"grub rescue>", EXPLAIN_CONSOLE_NO_BOOT, false},
};

static const enum explain_sign told[] = {EXPLAIN_CONSOLE_DENIED, EXPLAIN_CONSOLE_PXE,
    EXPLAIN_CONSOLE_MEMORY, EXPLAIN_CONSOLE_IPXE, EXPLAIN_CONSOLE_PANIC, EXPLAIN_CONSOLE_KILLED,
    EXPLAIN_CONSOLE_NO_BOOT, EXPLAIN_CONSOLE_NO_ROOT};

static void forget(struct explain_facts *f)
{
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
		f->seen[told[i]].count = 0;
}

/* Firmware draws with escape sequences, of which no word is part. */
static void drop_escapes(char *line)
{
	char *to = line;

	for (const char *p = line; *p;) {
		if (p[0] == '\033' && p[1] == '[') {
			p += 2;
			p += strspn(p, "0123456789;?=");
			p += *p != '\0';
		} else if (*p == '\033' || *p == '\r') {
			p++;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
}

static void take_line(struct explain_facts *f, const char *line)
{
	for (size_t i = 0; i < sizeof(sayings) / sizeof(*sayings); i++) {
		if (!strstr(line, sayings[i].words))
			continue;
		if (sayings[i].over)
			forget(f);
		else
			explain_see(
			    f, sayings[i].sign, 0, NULL, "console", line + strspn(line, " "));
		return;
	}
}

void explain_console(struct explain_facts *f, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		drop_escapes(line);
		take_line(f, line);
	}
}

/* "dnsmasq-tftp: failed sending FILE to ADDRESS", "dnsmasq-tftp: error N TEXT received from
 * ADDRESS". */
static bool is_failed_transfer(const char *line, const char *address)
{
	const char *end = strrchr(line, ' ');

	return end && strcmp(end + 1, address) == 0 && strstr(line, "dnsmasq-tftp") &&
	       (strstr(line, ": failed sending ") || strstr(line, " received from "));
}

void explain_stack_log(struct explain_facts *f, char *text)
{
	const struct explain_seen *address = &f->seen[EXPLAIN_ADDRESS];
	char *line;

	while ((line = strsep(&text, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		const char *said = strstr(line, "dnsmasq-tftp");
		if (address->count && is_failed_transfer(line, address->about))
			explain_see(f, EXPLAIN_TFTP_FAILED, address->at_ms + 1, NULL,
			    "the stack's log", strstr(said, ": ") + 2);
	}
}
