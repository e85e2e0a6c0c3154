/* adopt_cmd.c - `vmlab adopt`: a stranger gets a definition, made of what it showed. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "vmlab/cmd/define_file.h"
#include "vmlab/cmd/machine_id.h"
#include "vmlab/lab/command.h"

static const struct option adopt_options[] = {
    {"profile", required_argument, NULL, 'p'}, {"set", required_argument, NULL, 's'}, {0}};

/* What was shown beside the MAC address, unless the user has said it, or several machines show it.
 */
static void add_shown(json_t *more, const json_t *machines, const json_t *machine)
{
	static const char *const fields[] = {"uuid", "serial"};
	struct err ignored = ERR_INIT;
	const json_t *found;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		json_t *value = json_object_get(machine, fields[i]);
		if (json_is_string(value) && !json_object_get(more, fields[i]) &&
		    machine_id_find(machines, json_string_value(value), &found, &ignored) == 0)
			json_object_set(more, fields[i], value);
	}
}

/* The one that was named, else the one it asked with last. */
static const char *mac_of(const json_t *machine, const char *id, char text[MAC_TEXT_SIZE])
{
	struct mac mac;

	if (mac_parse(id, strlen(id), &mac, NULL) == 0)
		return mac_format(&mac, text);
	return json_string_value(json_array_get(json_object_get(machine, "macs"), 0));
}

static int adopt(struct session *s, const char *id, const char *name, json_t *more, struct err *e)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	_cleanup_json_ json_t *answer = NULL;
	char chosen[MACHINE_ID_NAME_SIZE], mac[MAC_TEXT_SIZE];
	const json_t *machine = NULL;

	int r = api_get(s->api, &answer, e, "/machines");
	if (r == 0)
		r = machine_id_find(json_object_get(answer, "machines"), id, &machine, e);
	if (r < 0)
		return r;
	const char *fits = json_string_value(json_object_get(machine, "profile"));
	const char *called = json_string_value(json_object_get(machine, "declares_as"));
	machine_id_name(machine, chosen);
	add_shown(more, json_object_get(answer, "machines"), machine);
	if (fits && !json_object_get(more, "profile"))
		json_object_set_new(more, "profile", json_string(fits));
	struct define_words words = {.name = name     ? name
					     : called ? called
						      : chosen,
	    .mac = mac_of(machine, id, mac),
	    .arch = json_string_value(json_object_get(machine, "arch")),
	    .more = more};
	r = define_write(s->lab, &words, &path, &text, e);
	if (r == 0)
		printf(
		    "%s:\n%s%s does what this says when it next asks: `vmlab ls %s` shows how far it is\n",
		    path, text, words.name, words.name);
	return r;
}

static int adopt_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	_cleanup_json_ json_t *more = json_object();
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", adopt_options, NULL)) != -1) {
		if (o == 'p')
			json_object_set_new(more, "profile", json_string(optarg));
		else if (o != 's')
			return command_wrong_option(&adopt_command, argv);
		else if (define_set(more, optarg, &e) < 0)
			return command_usage(&adopt_command, "%s", e.msg);
	}
	if (argc - optind < 1 || argc - optind > 2)
		return command_usage(&adopt_command,
		    "the machine's MAC address or serial number, and a NAME for it");
	int r = session_open(&s, lab, &e);
	if (r == 0)
		r = session_need_stack(&s, &e);
	if (r == 0)
		r = lab_need_vms(lab, &e);
	if (r == 0)
		r = adopt(&s, argv[optind], argv[optind + 1], more, &e);
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command adopt_command = {
    .name = "adopt",
    .args = "MAC|SERIAL [NAME] [--profile P] [--set FIELD=VALUE]",
    .summary = "write a definition for a machine that asked",
    .help =
	"Writes vms/NAME.json with the MAC address, UUID, serial number and architecture that the machine\n"
	"showed, for you to edit. It is named by a MAC address, serial number or UUID of `vmlab machines`.\n"
	"Without NAME it is called as the profile says that fits it, else as its serial number, or its MAC\n"
	"address. One that waits does what the\n"
	"definition says within 10 s: unless that has another \"mode\", its disk is erased and installed.\n"
	"Never overwrites a file.\n"
	"\n"
	"  --profile P        the profile that the definition names (else the one that `vmlab machines` has)\n"
	"  --set FIELD=VALUE  any other field of one value (`vmlab reference` has them all)\n"
	"\n"
	"Examples:\n"
	"  vmlab adopt 52:54:00:12:34:56\n"
	"  vmlab adopt CZ12345678 db1 --set distro=debian-13\n"
	"  vmlab adopt 52:54:00:12:34:56 old1 --set mode=local\n",
    .run = adopt_run,
};
