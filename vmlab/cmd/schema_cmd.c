/* schema_cmd.c - `vmlab schema`, `vmlab reference`: what can be in the files in vms/. */
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/vm.h"
#include "lib/order/order_schema.h"
#include "vmlab/lab/command.h"

static int schema_run(struct lab *lab, int argc, char **argv)
{
	bool profile = argc == 2 && strcmp(argv[1], "profile") == 0;
	bool workflow = argc == 2 && strcmp(argv[1], "workflow") == 0;

	(void)lab;
	if (argc > 1 && !profile && !workflow)
		return command_usage(
		    &schema_command, "it takes no argument but `profile` or `workflow`");
	_cleanup_json_ json_t *schema = profile    ? vm_profile_schema()
					: workflow ? order_schema()
						   : vm_schema();
	if (!schema || json_dumpf(schema, stdout, JSON_INDENT(2)) < 0)
		return STATUS_FAILED;
	putchar('\n');
	return STATUS_OK;
}

const struct command schema_command = {
    .name = "schema",
    .args = "[profile|workflow]",
    .summary = "print the JSON Schema of definitions, profiles or workflows",
    .help = "For editors that complete and check while you type.\n"
	    "\n"
	    "Examples:\n"
	    "  vmlab schema >vms/vm.schema.json\n"
	    "  vmlab schema profile >vms/profile.schema.json\n"
	    "  vmlab schema workflow >vms/workflow.schema.json\n",
    .run = schema_run,
};

static int reference_run(struct lab *lab, int argc, char **argv)
{
	struct err e = ERR_INIT;

	(void)lab;
	(void)argv;
	if (argc > 1)
		return command_usage(&reference_command, "it takes no argument");
	return vm_reference_write(stdout, &e) < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command reference_command = {
    .name = "reference",
    .args = "",
    .summary = "print the reference of a definition's fields",
    .help = "Every field with its meaning, default and an example, as Markdown.\n"
	    "\n"
	    "Example:\n"
	    "  vmlab reference | less\n",
    .run = reference_run,
};
