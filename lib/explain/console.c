#include "lib/explain/console.h"

#include <stdlib.h>
#include <string.h>

#define SCREEN_WIDTH 80
#define IPXE_ENOMEM 0x31
#define IPXE_ETIMEDOUT 0x4c
#define IPXE_EPLATFORM 0x7f
#define IPXE_OUT_OF_RESOURCES 0x89

/* What earlier lines told is not so any more: of loaders, of which the kernel needs nothing more,
 * or anything. */
enum ending { GOES_ON, ENDS_LOADERS, ENDS_ALL };

/* Of iPXE's errors, the number tells. */
#define BY_NUMBER EXPLAIN_SIGN_COUNT

/* The first that a line has. */
static const struct {
	const char *words;
	enum explain_sign sign;
	enum ending ends;
} sayings[] = {
    {"iPXE initialising devices", 0, ENDS_ALL},
    {"Linux version ", 0, ENDS_ALL},
    {"UEFI firmware (version", 0, ENDS_ALL},
    {">>Start PXE over IPv4", 0, ENDS_ALL},
    {"SeaBIOS (version", 0, ENDS_ALL},
    {" login: ", 0, ENDS_ALL},
    {"initrd: Linux ", 0, ENDS_LOADERS},

    {"Access Denied", EXPLAIN_CONSOLE_DENIED, GOES_ON},
    {"Security Violation", EXPLAIN_CONSOLE_DENIED, GOES_ON},
    {"bad shim signature", EXPLAIN_CONSOLE_DENIED, GOES_ON},
    /* With an address it waits for a file: EDK2's word for it, and Intel's for its beginning and
     * the rest. */
    {"PXE-E18", EXPLAIN_CONSOLE_TFTP, GOES_ON},
    {"PXE-E32", EXPLAIN_CONSOLE_TFTP, GOES_ON},
    {"PXE-E35", EXPLAIN_CONSOLE_TFTP, GOES_ON},
    {"PXE-E", EXPLAIN_CONSOLE_PXE, GOES_ON},
    {"ipxe.org/", BY_NUMBER, GOES_ON},
    {"EFI_OUT_OF_RESOURCES", EXPLAIN_CONSOLE_MEMORY, GOES_ON},
    {"Unable to mount root fs", EXPLAIN_CONSOLE_NO_ROOT, GOES_ON},
    {"Gave up waiting for root", EXPLAIN_CONSOLE_NO_ROOT, GOES_ON},
    {"Kernel panic", EXPLAIN_CONSOLE_PANIC, GOES_ON},
    {"Out of memory: Killed process", EXPLAIN_CONSOLE_KILLED, GOES_ON},
    {"Initramfs unpacking failed: write error", EXPLAIN_CONSOLE_KILLED, GOES_ON},
    {"No bootable device", EXPLAIN_CONSOLE_NO_BOOT, GOES_ON},
    {"No bootable option or device", EXPLAIN_CONSOLE_NO_BOOT, GOES_ON},
    {"not a bootable disk", EXPLAIN_CONSOLE_NO_BOOT, GOES_ON},
    {"grub rescue>", EXPLAIN_CONSOLE_NO_BOOT, GOES_ON},
};

static const struct {
	enum explain_sign sign;
	enum ending by;
} told[] = {
    {EXPLAIN_CONSOLE_DENIED, ENDS_LOADERS},
    {EXPLAIN_CONSOLE_PXE, ENDS_LOADERS},
    {EXPLAIN_CONSOLE_TFTP, ENDS_LOADERS},
    {EXPLAIN_CONSOLE_MEMORY, ENDS_LOADERS},
    {EXPLAIN_CONSOLE_IPXE, ENDS_LOADERS},
    {EXPLAIN_CONSOLE_NO_BOOT, ENDS_LOADERS},
    {EXPLAIN_CONSOLE_PANIC, ENDS_ALL},
    {EXPLAIN_CONSOLE_KILLED, ENDS_ALL},
    {EXPLAIN_CONSOLE_NO_ROOT, ENDS_ALL},
};

static void forget(struct explain_facts *f, enum ending ends)
{
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
		if (told[i].by <= ends)
			f->seen[told[i].sign].count = 0;
}

/* Bits 24 to 30 are POSIX's number; or 0x7f, and the lowest 8 are the platform's, of UEFI with its
 * highest bit (iPXE's include/errno.h). */
static enum explain_sign ipxe_sign(const char *line)
{
	const char *number = strstr(line, "ipxe.org/") + strlen("ipxe.org/");
	unsigned long n;

	if (strncmp(number, "err/", 4) == 0)
		number += 4;
	n = strtoul(number, NULL, 16);
	if ((n >> 24 & 0x7f) == IPXE_ENOMEM ||
	    ((n >> 24 & 0x7f) == IPXE_EPLATFORM && (n & 0xff) == IPXE_OUT_OF_RESOURCES))
		return EXPLAIN_CONSOLE_MEMORY;
	if ((n >> 24 & 0x7f) == IPXE_ETIMEDOUT && strstr(line, "tftp://"))
		return EXPLAIN_CONSOLE_TFTP;
	return EXPLAIN_CONSOLE_IPXE;
}

/* Firmware draws with escape sequences, of which no word is part, and iPXE takes back what it has
 * counted down. */
static void drop_escapes(char *line)
{
	char *to = line;

	for (const char *p = line; *p;) {
		if (p[0] == '\033' && p[1] == '[') {
			p += 2;
			p += strspn(p, "0123456789;?=");
			p += *p != '\0';
		} else if (*p == '\033') {
			p += p[1] ? 2 : 1;
		} else if (*p == '\b') {
			to -= to > line;
			p++;
		} else if (*p == '\r') {
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
		enum explain_sign sign = sayings[i].sign;
		if (!strstr(line, sayings[i].words))
			continue;
		if (sayings[i].ends != GOES_ON)
			forget(f, sayings[i].ends);
		else
			explain_see(f, sign == BY_NUMBER ? ipxe_sign(line) : sign, 0, NULL,
			    "console", line + strspn(line, " "));
		return;
	}
}

/* A BIOS breaks lines at its screen's width, in the middle of a word. */
void explain_console(struct explain_facts *f, char *text)
{
	char *line, *whole = NULL;
	size_t len = 0;

	while ((line = strsep(&text, "\n"))) {
		drop_escapes(line);
		size_t width = strlen(line);
		if (!whole) {
			whole = line;
			len = 0;
		}
		memmove(whole + len, line, width + 1);
		len += width;
		if (width == SCREEN_WIDTH && text)
			continue;
		take_line(f, whole);
		whole = NULL;
	}
}

/* "dnsmasq-tftp: failed sending FILE to ADDRESS", "dnsmasq-tftp: error N TEXT received from
 * ADDRESS": what follows the program's name, or NULL. */
static const char *failed_transfer(const char *line, const char *address)
{
	const char *end = strrchr(line, ' '), *said = strstr(line, "dnsmasq-tftp");
	const char *text = said ? strstr(said, ": ") : NULL;

	if (!text || strcmp(end + 1, address) != 0)
		return NULL;
	return strstr(text, ": failed sending ") || strstr(text, " received from ") ? text + 2
										    : NULL;
}

void explain_stack_log(struct explain_facts *f, char *text)
{
	const struct explain_seen *address = &f->seen[EXPLAIN_ADDRESS];
	char *line;

	while ((line = strsep(&text, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		const char *said = address->count ? failed_transfer(line, address->about) : NULL;
		if (said)
			explain_see(f, EXPLAIN_TFTP_FAILED, address->at_ms + 1, NULL,
			    "the stack's log", said);
	}
}
