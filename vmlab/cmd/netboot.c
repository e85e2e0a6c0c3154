/* netboot.c - `vmlab netboot`: whether a machine boots from the network at all. */
#include <string.h>

#include "lib/boot/boot.h"
#include "vmlab/lab/command.h"

static int order(struct lab *lab, const char *name, const char *word, json_t **vm, struct err *e)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	int r = session_open(&s, lab, e);

	if (r == 0)
		r = session_check_name(&s, name, e);
	if (r == 0)
		r = session_need_stack(&s, e);
	return r < 0 ? r : api_post(s.api, vm, e, "/vms/%s/netboot/%s", name, word);
}

static int netboot_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_json_ json_t *vm = NULL;
	struct err e = ERR_INIT;

	if (argc != 3 || (strcmp(argv[2], "on") != 0 && strcmp(argv[2], "off") != 0))
		return command_usage(&netboot_command, "it takes a VM's name, and on or off");
	if (order(lab, argv[1], argv[2], &vm, &e) < 0)
		return command_fail(&e);
	const char *mode = json_string_value(json_object_get(vm, "mode"));
	if (strcmp(argv[2], "off") == 0)
		printf(
		    "%s gets an address and no loader from now on: it boots what its firmware tries next\n",
		    argv[1]);
	else if (mode && strcmp(mode, boot_mode_off.name) == 0)
		printf("%s still gets no loader: its definition says \"mode\": \"off\"\n", argv[1]);
	else
		printf("%s boots from the network again\n", argv[1]);
	return STATUS_OK;
}

const struct command netboot_command = {
    .name = "netboot",
    .args = "NAME on|off",
    .summary = "allow or forbid a machine to boot from the network",
    .help =
	"off: from now on DHCP gives the machine an address and no boot loader, so that its firmware goes\n"
	"on to the next boot device. That stays so, also when the lab is restarted, until it is on again.\n"
	"Nothing is restarted. In a definition the same is \"mode\": \"off\".\n"
	"\n"
	"Examples:\n"
	"  vmlab netboot web1 off\n"
	"  vmlab netboot web1 on\n",
    .run = netboot_run,
    .operands = OPERANDS_VM,
};
