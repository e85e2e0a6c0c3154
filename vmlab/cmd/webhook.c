/* webhook.c - `vmlab webhook`: who else is told what happens in the lab. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/human.h"
#include "vmlab/lab/command.h"
#include "vmlab/ui/interrupt.h"

#define TEST_MS 25000 /* more than one request takes, and one before it */
#define POLL_MS 200

struct wish {
	const char *filter, *secret_file;
	bool json;
	const char *const *words; /* after the verb */
	int count;
};

static const char *text_of(const json_t *hook, const char *key)
{
	const char *text = json_string_value(json_object_get(hook, key));

	return text ? text : "";
}

/* ---- add --------------------------------------------------------------------------------- */

/* The file's first line. */
static int read_secret(const char *path, char secret[200], struct err *e)
{
	_cleanup_fclose_ FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

	if (!f)
		return err_errno(e, "cannot read %s", path);
	if (!fgets(secret, 200, f))
		secret[0] = '\0';
	if (f == stdin)
		f = NULL;
	secret[strcspn(secret, "\r\n")] = '\0';
	return secret[0] ? 0 : err_set(e, EINVAL, "%s has no secret in its first line", path);
}

static int add(struct session *s, const struct wish *wish, struct err *e)
{
	char secret[200] = "";
	_cleanup_json_ json_t *answer = NULL;

	int r = wish->secret_file ? read_secret(wish->secret_file, secret, e) : 0;
	if (r < 0)
		return r;
	_cleanup_json_ json_t *body = json_pack("{s:s, s:s, s:s*, s:s*}", "name", wish->words[0],
	    "url", wish->words[1], "filter", wish->filter, "secret", *secret ? secret : NULL);
	r = api_post_json(s->api, body, &answer, e, "/webhooks");
	if (r < 0)
		return r;
	if (wish->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		return 0;
	}
	printf("%s is told what happens from now on: `vmlab webhook test %s` tries it\n",
	    wish->words[0], wish->words[0]);
	if (!*secret)
		printf("secret: %s\nIt signs what is sent, and is not shown again.\n",
		    text_of(answer, "secret"));
	return 0;
}

/* ---- ls ---------------------------------------------------------------------------------- */

static void print_one(const json_t *hook)
{
	int64_t at_ms = time_parse(json_string_value(json_object_get(hook, "last_delivery")));
	char age[HUMAN_TEXT_SIZE] = "-";

	if (at_ms >= 0)
		human_age(wall_ms() - at_ms, age);
	printf("%-16s %-8s %8lld %10lld  %-8s  ", text_of(hook, "name"), text_of(hook, "state"),
	    (long long)json_integer_value(json_object_get(hook, "behind")),
	    (long long)json_integer_value(json_object_get(hook, "delivered")), age);
	human_print_clean(stdout, text_of(hook, "url"));
	if (*text_of(hook, "filter")) {
		fputs("  ", stdout);
		human_print_clean(stdout, text_of(hook, "filter"));
	}
	putchar('\n');
	if (*text_of(hook, "error")) {
		fputs("    ", stdout);
		human_print_clean(stdout, text_of(hook, "error"));
		putchar('\n');
	}
	int64_t missed = json_integer_value(json_object_get(hook, "missed"));
	if (missed > 0)
		printf("    %lld events were no longer kept when it was their turn\n",
		    (long long)missed);
}

static int list(struct session *s, const struct wish *wish, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *hook;
	size_t i;

	int r = api_get(s->api, &answer, e, "/webhooks");
	if (r < 0)
		return r;
	const json_t *hooks = json_object_get(answer, "webhooks");
	if (wish->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		return 0;
	}
	if (json_array_size(hooks) == 0) {
		puts("no webhook is there: `vmlab webhook add NAME URL` makes one");
		return 0;
	}
	printf("%-16s %-8s %8s %10s  %-8s  %s\n", "NAME", "STATE", "BEHIND", "DELIVERED", "LAST",
	    "URL AND FILTER");
	json_array_foreach(hooks, i, hook) {
		print_one(hook);
	}
	return 0;
}

/* ---- rm and test ------------------------------------------------------------------------- */

static int drop(struct session *s, const struct wish *wish, struct err *e)
{
	int r = api_delete(s->api, NULL, e, "/webhooks/%s", wish->words[0]);

	if (r == 0)
		printf("%s is told nothing more\n", wish->words[0]);
	return r;
}

static int try_it(struct session *s, const struct wish *wish, struct err *e)
{
	_cleanup_json_ json_t *hook = NULL;
	int64_t until = monotonic_ms() + TEST_MS;

	int r = api_post(s->api, &hook, e, "/webhooks/%s/test", wish->words[0]);
	while (r == 0 && json_is_null(json_object_get(hook, "test"))) {
		if (interrupt_pending() || monotonic_ms() > until)
			return err_set(e, ETIMEDOUT,
			    "nothing came of it yet: `vmlab webhook ls` shows what does");
		interrupt_sleep_ms(POLL_MS);
		json_decref(hook);
		hook = NULL;
		r = api_get(s->api, &hook, e, "/webhooks/%s", wish->words[0]);
	}
	if (r < 0)
		return r;
	const json_t *test = json_object_get(hook, "test");
	if (!json_is_true(json_object_get(test, "taken")))
		return err_set(e, EREMOTEIO, "%s", text_of(test, "error"));
	printf("the receiver of %s answers HTTP %d\n", wish->words[0],
	    (int)json_integer_value(json_object_get(test, "status")));
	return 0;
}

/* ---- verbs ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int words;
	const char *usage;
	int (*run)(struct session *s, const struct wish *wish, struct err *e);
} verbs[] = {
    {"add", 2, "add takes a NAME and a URL", add},
    {"ls", 0, "ls takes no name", list},
    {"list", 0, "list takes no name", list},
    {"rm", 1, "rm takes the NAME of one webhook", drop},
    {"test", 1, "test takes the NAME of one webhook", try_it},
};
#define VERBS (sizeof(verbs) / sizeof(*verbs))

static int go(struct lab *lab, size_t verb, const struct wish *wish, struct err *e)
{
	_cleanup_session_ struct session s = SESSION_INIT;

	int r = session_open(&s, lab, e);
	if (r == 0)
		r = session_need_stack(&s, e);
	return r < 0 ? r : verbs[verb].run(&s, wish, e);
}

/* What of it is a part of the API's path. */
static bool is_name(const char *text)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	return *text && text[strspn(text, letters)] == '\0';
}

static const struct option options[] = {{"filter", required_argument, NULL, 'f'},
    {"secret-file", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'}, {0}};

static int run(struct lab *lab, int argc, char **argv)
{
	struct wish wish = {.filter = NULL};
	struct err e = ERR_INIT;
	size_t verb = 0;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'f')
			wish.filter = optarg;
		if (o == 's')
			wish.secret_file = optarg;
		wish.json |= o == 'j';
		if (o == '?')
			return command_wrong_option(&webhook_command, argv);
	}
	while (verb < VERBS && (optind == argc || strcmp(verbs[verb].name, argv[optind]) != 0))
		verb++;
	if (verb == VERBS)
		return command_usage(&webhook_command, "say add, ls, rm or test");
	wish.words = (const char *const *)argv + optind + 1;
	wish.count = argc - optind - 1;
	if (wish.count != verbs[verb].words)
		return command_usage(&webhook_command, "%s", verbs[verb].usage);
	if (wish.count > 0 && !is_name(wish.words[0]))
		return command_usage(&webhook_command,
		    "a webhook's NAME has letters, digits, hyphens, underscores and dots");
	interrupt_install();
	return go(lab, verb, &wish, &e) < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command webhook_command = {
    .name = "webhook",
    .args = "add NAME URL [--filter F] | ls [--json] | rm NAME | test NAME",
    .summary = "have events told to a URL",
    .help =
	"From `add` on, each event is sent to the URL in a POST request: in order, again until it is taken,\n"
	"over restarts, signed. vmlab/README.md says what is sent and how to verify it.\n"
	"\n"
	"  --filter F         which events, as a query of /api/v1/events: machine=, vm=, kind=, severity=,\n"
	"                     since=, until=, joined by & (default: all)\n"
	"  --secret-file F    sign by the first line of this file (-: of standard input), not by a secret\n"
	"                     that is made\n"
	"  --json             what the API says, of add and ls\n"
	"\n"
	"`ls` shows how many events each has not come to yet, and why its receiver does not take them. `test`\n"
	"sends a delivery without events at once; where that is taken, the others follow at once, too.\n"
	"\n"
	"Examples:\n"
	"  vmlab webhook add ci https://ci.example.org/hooks/lab --filter 'kind=state&severity=info'\n"
	"  vmlab webhook test ci\n"
	"  vmlab webhook ls\n",
    .run = run,
};
