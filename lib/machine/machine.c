#include "lib/machine/machine.h"

#include <errno.h>
#include <string.h>

static const char *const state_names[] = {
    [MACHINE_DECLARED] = "declared",
    [MACHINE_BOOTING] = "booting",
    [MACHINE_INSTALLING] = "installing",
    [MACHINE_INSTALLED] = "installed",
    [MACHINE_READY] = "ready",
    [MACHINE_FAILED] = "failed",
};

static const char *const phase_names[] = {
    [PHASE_NONE] = NULL,
    [PHASE_NETWORK] = "network",
    [PHASE_CONFIG] = "config",
    [PHASE_PLAN] = "plan",
    [PHASE_PARTITION] = "partition",
    [PHASE_FORMAT] = "format",
    [PHASE_ROOTFS] = "rootfs",
    [PHASE_CONFIGURE] = "configure",
    [PHASE_HOOKS] = "hooks",
    [PHASE_BOOTLOADER] = "bootloader",
    [PHASE_REPORT] = "report",
    [PHASE_REBOOT] = "reboot",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int find_word(const char *const *words, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (words[i] && strcmp(words[i], text) == 0)
			return (int)i;
	return -EINVAL;
}

const char *machine_state_name(enum machine_state state)
{
	return state_names[state];
}

bool machine_state_is(const char *word, enum machine_state state)
{
	return word && strcmp(word, state_names[state]) == 0;
}

const char *machine_phase_name(enum machine_phase phase)
{
	return phase_names[phase];
}

int machine_state_parse(const char *text, enum machine_state *out)
{
	int i = find_word(state_names, COUNT(state_names), text);
	if (i < 0)
		return i;
	*out = (enum machine_state)i;
	return 0;
}

int machine_phase_parse(const char *text, enum machine_phase *out)
{
	int i = find_word(phase_names, COUNT(phase_names), text);
	if (i < 0)
		return i;
	*out = (enum machine_phase)i;
	return 0;
}

uint64_t mac_number(const struct mac *mac)
{
	uint64_t n = 0;

	for (int i = 0; i < 6; i++)
		n = n << 8 | mac->octet[i];
	return n;
}

struct mac mac_from_number(uint64_t number)
{
	struct mac mac;

	for (int i = 5; i >= 0; i--) {
		mac.octet[i] = (uint8_t)number;
		number >>= 8;
	}
	return mac;
}
