/* adopt_cmd.c - `vmlab adopt`: strangers get a definition, made of what they showed. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "vmlab/cmd/define_file.h"
#include "vmlab/lab/machine_id.h"
#include "vmlab/lab/command.h"
#include "vmlab/ui/interrupt.h"

#define WATCH_MS 2000
#define WATCH_MAX 500 /* of machines that may be nobody's: someone looks before there are more */

static const struct option adopt_options[] = {{"all", no_argument, NULL, 'a'},
    {"watch", no_argument, NULL, 'w'}, {"profile", required_argument, NULL, 'p'},
    {"set", required_argument, NULL, 's'}, {0}};

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

/* `more` is changed. */
static int declare(struct session *s, const json_t *machines, const json_t *machine, const char *id,
    const char *name, json_t *more, struct err *e)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	char chosen[MACHINE_ID_NAME_SIZE], mac[MAC_TEXT_SIZE];
	const char *fits = json_string_value(json_object_get(machine, "profile"));
	const char *called = json_string_value(json_object_get(machine, "declares_as"));

	machine_id_name(machine, chosen);
	add_shown(more, machines, machine);
	if (fits && !json_object_get(more, "profile"))
		json_object_set_new(more, "profile", json_string(fits));
	struct define_words words = {.name = name     ? name
					     : called ? called
						      : chosen,
	    .mac = mac_of(machine, id, mac),
	    .arch = json_string_value(json_object_get(machine, "arch")),
	    .more = more};
	int r = define_write(s->lab, &words, &path, &text, e);
	if (r == 0)
		printf(
		    "%s:\n%s%s does what this says when it next asks: `vmlab ls %s` shows how far it is\n",
		    path, text, words.name, words.name);
	fflush(stdout);
	return r;
}

static int adopt(struct session *s, const char *id, const char *name, json_t *more, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *machine = NULL;

	int r = api_get(s->api, &answer, e, "/machines");
	if (r == 0)
		r = machine_id_find(json_object_get(answer, "machines"), id, &machine, e);
	if (r < 0)
		return r;
	return declare(s, json_object_get(answer, "machines"), machine, id, name, more, e);
}

/* ---- all that profiles name --------------------------------------------------------------------
 */

struct all {
	struct session session;
	bool open;
	json_t *said; /* {MAC or "": what was said of it last} */
	unsigned adopted, refused;
};

/* While it is watched each is said once. */
static void say(struct all *a, const char *of, const char *text)
{
	const char *before = json_string_value(json_object_get(a->said, of));

	if (before && strcmp(before, text) == 0)
		return;
	json_object_set_new(a->said, of, json_string(text));
	fprintf(stderr, "vmlab: %s%s%s\n", of, *of ? ": " : "", text);
}

static void adopt_named(struct all *a, const json_t *machines)
{
	const json_t *one;
	size_t i;

	a->refused = 0;
	json_array_foreach(machines, i, one) {
		if (interrupt_pending() || a->adopted == WATCH_MAX)
			return;
		_cleanup_json_ json_t *more = json_object();
		const char *mac =
		    json_string_value(json_array_get(json_object_get(one, "macs"), 0));
		const char *problem = json_string_value(json_object_get(one, "problem"));
		bool named = json_string_value(json_object_get(one, "declares_as")) != NULL;
		struct err e = ERR_INIT;
		if (!mac || (!named && !problem) || json_is_true(json_object_get(one, "ignored")))
			continue;
		if (!named) {
			a->refused++;
			say(a, mac, problem);
		} else if (declare(&a->session, machines, one, mac, NULL, more, &e) == 0) {
			a->adopted++;
		} else {
			a->refused++;
			say(a, mac, e.msg);
		}
	}
}

static int open_all(struct all *a, struct lab *lab, struct err *e)
{
	if (a->open)
		return 0;
	int r = session_open(&a->session, lab, e);
	if (r == 0)
		r = session_need_stack(&a->session, e);
	if (r == 0)
		r = lab_need_vms(lab, e);
	a->open = true;
	return r;
}

static void close_all(struct all *a)
{
	session_clear(&a->session);
	a->session = (struct session)SESSION_INIT;
	a->open = false;
}

static int look(struct all *a, struct lab *lab, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;

	int r = open_all(a, lab, e);
	if (r == 0)
		r = api_get(a->session.api, &answer, e, "/machines");
	if (r < 0)
		close_all(a);
	else
		adopt_named(a, json_object_get(answer, "machines"));
	return r;
}

/* A lab that is down or begins anew meanwhile may be back. */
static int adopt_all(struct lab *lab, bool watch)
{
	struct all a = {.session = SESSION_INIT, .said = json_object()};
	struct err e = ERR_INIT;

	if (watch)
		interrupt_install();
	int r = look(&a, lab, &e);
	if (watch && r == 0 && !interrupt_pending())
		fprintf(stderr,
		    "adopting whoever a profile names, until Ctrl-C; `vmlab machines` shows the others\n");
	while (watch && r == 0 && !interrupt_pending() && a.adopted < WATCH_MAX) {
		interrupt_sleep_ms(WATCH_MS);
		if (!interrupt_pending() && look(&a, lab, &e) < 0)
			say(&a, "", e.msg);
		else
			json_object_del(a.said, "");
	}
	close_all(&a);
	json_decref(a.said);
	if (r == 0 && a.adopted == WATCH_MAX)
		r = err_set(&e, EDQUOT,
		    "%d definitions were written: look at them, and start this again for more",
		    WATCH_MAX);
	if (r < 0)
		return command_fail(&e);
	if (a.adopted == 0 && a.refused == 0 && !watch)
		printf("no machine waits that a profile names: `vmlab machines` shows who asked\n");
	return a.refused > 0 && !watch ? STATUS_FAILED : STATUS_OK;
}

/* ------------------------------------------------------------------------------------------- */

static int adopt_one(struct lab *lab, const char *id, const char *name, json_t *more, struct err *e)
{
	_cleanup_session_ struct session s = SESSION_INIT;

	int r = session_open(&s, lab, e);
	if (r == 0)
		r = session_need_stack(&s, e);
	if (r == 0)
		r = lab_need_vms(lab, e);
	if (r == 0)
		r = adopt(&s, id, name, more, e);
	return r;
}

static int adopt_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_json_ json_t *more = json_object();
	struct err e = ERR_INIT;
	bool all = false, watch = false;
	int o;

	while ((o = getopt_long(argc, argv, "", adopt_options, NULL)) != -1) {
		all |= o == 'a' || o == 'w';
		watch |= o == 'w';
		if (o == 'p' && !*optarg)
			return command_usage(&adopt_command,
			    "--profile takes the name of a profile; without --profile it is the one that `vmlab machines` shows");
		if (o == 'p' && json_object_set_new(more, "profile", json_string(optarg)) < 0)
			return command_usage(&adopt_command, "--profile is not UTF-8");
		if (o == '?')
			return command_wrong_option(&adopt_command, argv);
		else if (o == 's' && define_set(more, optarg, &e) < 0)
			return command_usage(&adopt_command, "%s", e.msg);
	}
	if (all && (argc > optind || json_object_size(more) > 0))
		return command_usage(&adopt_command,
		    "--all and --watch take each as its profile says: neither names nor fields go with them");
	if (all)
		return adopt_all(lab, watch);
	if (argc - optind < 1 || argc - optind > 2)
		return command_usage(&adopt_command,
		    "the machine's MAC address, serial number or UUID, and a NAME for it");
	return adopt_one(lab, argv[optind], argv[optind + 1], more, &e) < 0 ? command_fail(&e)
									    : STATUS_OK;
}

const struct command adopt_command = {
    .name = "adopt",
    .args = "MAC|SERIAL|UUID [NAME] [--profile P] [--set FIELD=VALUE] | --all [--watch]",
    .summary = "write a definition for a machine that asked",
    .help =
	"Writes vms/NAME.json with the MAC address, UUID, serial number and architecture that the machine\n"
	"showed, for you to edit. It is named by a MAC address, serial number or UUID of `vmlab machines`.\n"
	"Without NAME it is called as the profile says that fits it, else as its serial number, or its MAC\n"
	"address. One that waits does what the\n"
	"definition says within 10 s: unless that has another \"mode\", its disk is erased and installed.\n"
	"Never overwrites a file.\n"
	"\n"
	"  --all              every stranger that a profile names: one profile's \"match\" fits, and it has\n"
	"                     a \"name\"; 500 at a time\n"
	"  --watch            these, and whoever comes, until Ctrl-C, or 500 are written\n"
	"  --profile P        the profile that the definition names (else the one that `vmlab machines` has)\n"
	"  --set FIELD=VALUE  any other field of one value (`vmlab reference` has them all)\n"
	"\n"
	"Examples:\n"
	"  vmlab adopt 52:54:00:12:34:56\n"
	"  vmlab adopt CZ12345678 db1 --set distro=debian-13\n"
	"  vmlab adopt 52:54:00:12:34:56 old1 --set mode=local\n"
	"  vmlab adopt --watch\n",
    .run = adopt_run,
};
