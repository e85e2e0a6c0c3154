#include "vmlab/lab/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/near.h"
#include "lib/base/text.h"
#include "lib/store/holders.h"
#include "vmlab/lab/lab_dir.h"
#include "vmlab/lab/lab_find.h"
#include "vmlab/lab/problems.h"
#include "vmlab/ui/help_text.h"

/* Longer than anything that changes a lab takes, but for starting very many VMs. */
#define LOCK_TIMEOUT_MS (10 * 60 * 1000)

bool command_is_called(const struct command *c, const char *name)
{
	for (size_t i = 0; i < sizeof(c->aliases) / sizeof(*c->aliases); i++)
		if (c->aliases[i] && strcmp(c->aliases[i], name) == 0)
			return true;
	return strcmp(c->name, name) == 0;
}

int command_fail(const struct err *e)
{
	fflush(stdout);
	fprintf(stderr, "vmlab: %s\n", e->msg);
	return STATUS_FAILED;
}

int command_usage(const struct command *c, const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean_string(text, "");
	fprintf(stderr, "vmlab %s: %s", c->name, text);
	fprintf(stderr, "\nusage: vmlab %s %s\n`vmlab %s --help` explains it.\n", c->name, c->args,
	    c->name);
	return STATUS_USAGE;
}

#define OPTIONS_MAX 16

int command_wrong_option(const struct command *c, char **argv)
{
	struct help_option option[OPTIONS_MAX];
	const char *names[OPTIONS_MAX], *page = c->help;
	char word[HELP_WORD_SIZE];
	struct help_line line;
	size_t count = 0;

	while (count < OPTIONS_MAX && help_line_next(&page, &line))
		if (help_option_parse(&line, &option[count])) {
			names[count] = option[count].name;
			count++;
		}
	/* Of letters in one word getopt may not have moved on. */
	const char *typed = argv[optind - 1];
	bool letter = strncmp(typed, "--", 2) != 0;
	if (letter)
		snprintf(word, sizeof(word), "-%c", optopt);
	else
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(typed, "="), typed);
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, letter ? option[i].brief : option[i].name) == 0)
			return command_usage(c, "%s %s", word,
			    *option[i].value ? "needs a value" : "takes no value");
	const char *near = letter ? NULL : near_word(word, names, count);
	return command_usage(c, "there is no option %s%s%s%s", word, near ? "; did you mean " : "",
	    near ? near : "", near ? "?" : "");
}

void command_help(const struct command *c)
{
	printf("usage: vmlab %s%s%s\n\n%s", c->name, *c->args ? " " : "", c->args, c->help);
}

int command_duration(const char *text, int64_t *ms)
{
	char *end;
	errno = 0;
	long n = strtol(text, &end, 10);
	int64_t unit = 1000;

	if (end == text || errno || n < 0 || n > 1000000)
		return -EINVAL;
	if (*end == 'm')
		unit = 60 * 1000;
	else if (*end == 'h')
		unit = 3600 * 1000;
	if (*end && (!strchr("smh", *end) || end[1]))
		return -EINVAL;
	*ms = n * unit;
	return 0;
}

bool command_confirm(bool yes, const char *fmt, ...)
{
	char answer[16];
	va_list ap;

	if (yes)
		return true;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (!isatty(STDIN_FILENO)) {
		fputs("\nvmlab: not done: say -y to confirm without a terminal\n", stderr);
		return false;
	}
	fputs(" [y/N] ", stderr);
	if (!fgets(answer, sizeof(answer), stdin) || (*answer != 'y' && *answer != 'Y')) {
		fputs("vmlab: not done\n", stderr);
		return false;
	}
	return true;
}

int session_open(struct session *s, struct lab *lab, struct err *e)
{
	s->lab = lab;
	int r = engine_find(&s->engine, e);
	if (r == 0)
		r = lab_find(lab, &s->engine, &s->containers, e);
	return r < 0 ? r : api_new(lab->dir, &s->api, e);
}

int session_refresh(struct session *s, struct err *e)
{
	return engine_containers(&s->engine, "vmlab.lab", s->lab->name, &s->containers, e);
}

/* This process's words, as they were typed. */
static void own_words(char *text, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cmdline", "re");
	size_t n = f ? fread(text, 1, size - 1, f) : 0;
	size_t name = strnlen(text, n) + 1;

	text[n] = '\0';
	if (name >= n) {
		*text = '\0';
		return;
	}
	memmove(text, text + name, n - name + 1);
	for (size_t i = 0; i + name + 1 < n; i++)
		if (!text[i])
			text[i] = ' ';
}

static int lock_once(struct session *s, bool create, struct err *e)
{
	char words[200];

	if (!create && s->containers.count == 0 && access(s->lab->dir, F_OK) < 0)
		return 0;
	int r = lab_dir_ensure(s->lab, e);
	if (r < 0)
		return r;
	own_words(words, sizeof(words));
	return lab_dir_lock(s->lab, words, LOCK_TIMEOUT_MS, stderr, &s->lock, e);
}

/* Looks again, also at the settings, as what was seen before may have changed while it waited.
 * LAB_MOVED when the name has become another folder's, and this folder's lab has another one. */
#define LAB_MOVED 1
static int settle_again(struct session *s, struct err *e)
{
	_cleanup_free_ char *name = strdup(s->lab->name);

	if (!name)
		return err_set(e, ENOMEM, "out of memory");
	int r = s->lab->name_given ? lab_rename(s->lab, name, e) : 0;
	if (r == 0)
		r = lab_find(s->lab, &s->engine, &s->containers, e);
	if (r < 0 || strcmp(name, s->lab->name) == 0)
		return r;
	api_free(s->api);
	s->api = NULL;
	r = api_new(s->lab->dir, &s->api, e);
	return r < 0 ? r : LAB_MOVED;
}

int session_lock(struct session *s, bool create, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int r = lock_once(s, create, e);
		if (r == 0 && s->lock >= 0)
			r = settle_again(s, e);
		if (r != LAB_MOVED)
			return r;
		session_unlock(s);
	}
	return err_set(e, EBUSY, "other commands make labs of the same name meanwhile: try again");
}

void session_unlock(struct session *s)
{
	cleanup_close(&s->lock);
	s->lock = -1;
}

void session_clear(struct session *s)
{
	session_unlock(s);
	api_free(s->api);
	container_list_clear(&s->containers);
	engine_clear(&s->engine);
	s->api = NULL;
}

static bool has_errors(struct vm_store *store)
{
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	bool any = false;

	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++)
		any |= !vm_snapshot_problem_at(snap, i)->warning;
	vm_snapshot_unref(snap);
	return any;
}

static char *holders_path(const struct lab *lab)
{
	char *path;

	return lab->dir && asprintf(&path, "%s/holders", lab->dir) >= 0 ? path : NULL;
}

/* What the stack that serves this folder says; NULL: an older one, or it does not answer. */
static char *ask_holders(struct session *s)
{
	_cleanup_json_ json_t *doc = NULL;
	struct err ignored = ERR_INIT;

	if (!s->api || !lab_is_served(s->lab, &s->containers) ||
	    api_get(s->api, &doc, &ignored, "/holders") < 0)
		return NULL;
	const char *text = json_string_value(json_object_get(doc, "holders"));
	return text ? strdup(text) : NULL;
}

void session_keep_holders(struct session *s, bool forget)
{
	_cleanup_free_ char *path = holders_path(s->lab);
	_cleanup_free_ char *text = path && !forget ? ask_holders(s) : NULL;
	struct err ignored = ERR_INIT;

	if (path && forget)
		unlink(path);
	else if (text && atomic_file_replace(path, text, strlen(text), 0600, &ignored) < 0)
		return; /* then the files speak for themselves */
}

/* Opens the folder once more with what the stack remembers, or remembered. */
static int open_again(struct session *s, struct vm_store **store, struct err *e)
{
	_cleanup_free_ char *path = holders_path(s->lab), *holders = ask_holders(s);
	struct err ignored = ERR_INIT;

	if (!holders && (!path || vm_holders_read(path, &holders, &ignored) < 0 || !holders))
		return 0;
	vm_store_close(*store);
	*store = NULL;
	return lab_open_store(s->lab, holders, store, e);
}

int session_open_store(struct session *s, struct vm_store **store, struct err *e)
{
	int r = lab_open_store(s->lab, NULL, store, e);

	return r < 0 || !has_errors(*store) ? r : open_again(s, store, e);
}

int definitions_open(struct lab *lab, struct vm_store **store, struct err *e)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	struct err ignored = ERR_INIT;

	int r = lab_open_store(lab, NULL, store, e);
	if (r < 0 || !has_errors(*store))
		return r;
	s.lab = lab;
	if (engine_find(&s.engine, &ignored) == 0 &&
	    lab_find(lab, &s.engine, &s.containers, &ignored) == 0 &&
	    lab_is_served(lab, &s.containers) && api_new(lab->dir, &s.api, &ignored) < 0)
		s.api = NULL;
	return open_again(&s, store, e);
}

static void list_names(const struct vm_snapshot *snap, FILE *f)
{
	size_t count = snap ? vm_snapshot_count(snap) : 0;

	for (size_t i = 0; i < count && i < 8; i++)
		fprintf(f, "%s%s", i ? ", " : " (defined: ", vm_snapshot_at(snap, i)->name);
	if (count > 8)
		fprintf(f, " and %zu more", count - 8);
	fputs(count ? ")" : "", f);
}

int session_need_stack(struct session *s, struct err *e)
{
	const struct container *stack = container_list_role(&s->containers, "stack");

	if (stack && stack->running)
		return 0;
	return err_set(e, ENOTCONN, "lab \"%s\" is down: `vmlab up` starts it", s->lab->name);
}

int session_check_name(struct session *s, const char *name, struct err *e)
{
	struct vm_store *store = NULL;
	struct err ignored = ERR_INIT;
	_cleanup_free_ char *names = NULL;
	size_t len;

	if (!vm_name_valid(name))
		return err_set(e, EINVAL,
		    "\"%s\" is no VM name: letters, digits and inner '-', '_' and '.', at most 63 characters",
		    name);
	if (container_list_vm(&s->containers, name))
		return 0;
	const struct vm_snapshot *snap = NULL;
	if (session_open_store(s, &store, &ignored) == 0)
		snap = vm_store_snapshot(store);
	bool known = snap && vm_snapshot_by_name(snap, name);
	bool hidden = snap && !known && problems_hide(stderr, s->lab, snap, name, e);
	FILE *f = open_memstream(&names, &len);
	if (f) {
		list_names(snap, f);
		fclose(f);
	}
	if (snap)
		vm_snapshot_unref(snap);
	if (store)
		vm_store_close(store);
	if (known || hidden)
		return known ? 0 : -e->code;
	return err_set(e, ENOENT,
	    "lab \"%s\" has no VM \"%s\"%s: `vmlab ls` lists them, `vmlab new %s` makes one",
	    s->lab->name, name, names ? names : "", name);
}
