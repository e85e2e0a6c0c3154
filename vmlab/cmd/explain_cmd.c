/* explain_cmd.c - `vmlab explain`: how far a machine has come, and what is in its way. */
#include <getopt.h>
#include <stdlib.h>

#include "lib/base/cleanup.h"
#include "vmlab/judge/explain.h"
#include "vmlab/lab/command.h"

static json_t *look(struct lab *lab, const char *id, struct err *e)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	struct err why = ERR_INIT;

	int r = session_open(&s, lab, &why);
	if (r < 0 && !s.engine.client)
		return explain_without_engine(id, why.msg, e);
	if (r == 0)
		return explain_machine(&s, id, e);
	*e = why;
	return NULL;
}

static int run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	struct err e = ERR_INIT;
	bool json = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		json |= o == 'j';
		if (o == '?')
			return command_wrong_option(&explain_command, argv);
	}
	if (argc - optind != 1)
		return command_usage(&explain_command, "one NAME, please");
	_cleanup_json_ json_t *told = look(lab, argv[optind], &e);
	if (!told)
		return command_fail(&e);
	if (json) {
		json_dumpf(told, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		explain_print(stdout, told, true);
	}
	return json_is_true(json_object_get(told, "ok")) ? STATUS_OK : STATUS_FAILED;
}

const struct command explain_command = {
    .name = "explain",
    .args = "NAME [--json]",
    .summary = "why a machine does not get on: the first broken link, the evidence, what to do",
    .help =
	"Walks the chain that leads to a running system (stack, definition, image, power, DHCP, loader,\n"
	"script, kernel, config, disk, bootloader, first boot, orders) and names the first link that is\n"
	"broken, what was seen of it, when and from whom, and what to do about it. Where nothing is broken\n"
	"it says where the machine is. NAME may be a stranger's MAC address, UUID or serial number, too.\n"
	"What only this host knows is taken in: the engine, the VM's end, and what its screen says.\n"
	"\n"
	"  --json    {\"name\",\"ok\",\"where\",\"broken\":{\"rule\",\"link\",\"sentence\",\"hint\",\n"
	"            \"evidence\"},\"also\":[...],\"links\":[...],\"facts\":{...}}\n"
	"\n"
	"Exit status: 0 nothing is broken, 1 something is, or there is no such machine.\n"
	"\n"
	"Example:\n"
	"  vmlab explain web1\n",
    .run = run,
    .operands = OPERANDS_VM,
};
