#include "vmlab/simulate/box.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "vmlab/lab/lab_volume.h"
#include "vmlab/simulate/inside.h"
#include "vmlab/simulate/machine.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"

#define PLUG_TIMEOUT_MS 20000
/* Of 1024: real machines have processors of their own, and take none of the stack's. */
#define CPU_SHARES "256"
#define LINE_MAX_BYTES (4 << 20)
#define TELL_EVERY_MS 10000 /* where there is no terminal */

/* The port has no name that ports.nft judges: all of its machines speak with one MAC address. */
#define PLUG                                                                                       \
	"mtu=$(cat /sys/class/net/lab0/mtu) &&"                                                    \
	" ip link add \"sim$1\" mtu \"$mtu\" type veth peer name " SIMULATE_CARD                   \
	" mtu \"$mtu\" netns \"$1\" && ip link set \"sim$1\" master lab0 up"

struct box {
	struct stage *stage;
	const char *stack;
	char *line; /* what has come of it so far */
	size_t len;
	int64_t begun_ms, told_ms;
	bool tty, open_line;
	json_t *result;
	struct err failed; /* what it said of itself, or what became of its card */
};

/* ---- its container ------------------------------------------------------------------------- */

static char *job_text(const struct stage *s, json_t *profile)
{
	json_t *job = json_pack("{s:i, s:s, s:b, s:O*}", "machines", (int)s->machines, "network",
	    s->lab->cidr_text, "declared", s->folder != NULL, "profile", profile);
	char *text = job ? json_dumps(job, JSON_COMPACT) : NULL;

	json_decref(job);
	return text;
}

static void run_args(struct argv *a, const struct stage *s, const struct box *b, const char *name)
{
	argv_adds(a, "run", "--rm", "--name", name);
	argv_addf(a, "--label=vmlab.lab=%s", s->lab->name);
	argv_adds(a, "--label=vmlab.role=simulate", "--network=none", "--cpu-shares=" CPU_SHARES);
	argv_addf(a, "--pid=container:%s", b->stack);
	argv_adds(a, "--cap-drop=ALL", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW",
	    "--security-opt=no-new-privileges", "--read-only", "--log-driver=none",
	    "--no-healthcheck", "--entrypoint=/usr/bin/vmlab", s->lab->stack_image, "__simulate");
}

/* ---- what it says -------------------------------------------------------------------------- */

/* Its card: one end in its namespace, known by a process of it; the other is a port of the bridge.
 */
static int plug(struct box *b, const json_t *pid, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_adds(&a, "exec", b->stack, "/bin/sh", "-c", PLUG, "sh");
	argv_addf(&a, "%" JSON_INTEGER_FORMAT, json_integer_value(pid));
	int r = engine_run(&b->stage->session.engine, &a, PLUG_TIMEOUT_MS, NULL, e);
	return r < 0 ? err_wrap(e, "the machines cannot be plugged into the lab") : 0;
}

/* The last ones for which it waits. */
static void tell_last(FILE *f, const json_t *list)
{
	const char *comma = "; waits for ";
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *step = json_string_value(json_object_get(one, "step"));
		fprintf(f, "%smachine %" JSON_INTEGER_FORMAT "%s%s%s", comma,
		    json_integer_value(json_object_get(one, "machine")), step ? " (" : "",
		    step ? step : "", step ? ")" : "");
		comma = ", ";
	}
}

static void tell_progress(struct box *b, const json_t *progress)
{
	FILE *f = b->stage->out;
	char took[HUMAN_TEXT_SIZE];
	int64_t now = monotonic_ms();

	if (!b->tty && now - b->told_ms < TELL_EVERY_MS)
		return;
	b->told_ms = now;
	fprintf(f, "%s%s:", b->tty ? "\r\033[K" : "", human_duration(now - b->begun_ms, took));
	for (unsigned i = 0; i < MACHINE_ENDING_COUNT; i++) {
		json_int_t n =
		    json_integer_value(json_object_get(progress, machine_ending_words[i]));
		if (n > 0)
			fprintf(f, " %" JSON_INTEGER_FORMAT " %s", n, machine_ending_words[i]);
	}
	tell_last(f, json_object_get(progress, "last"));
	fputs(b->tty ? "" : "\n", f);
	fflush(f);
	b->open_line = b->tty;
}

static void take_line(struct box *b, const char *text, size_t len)
{
	_cleanup_json_ json_t *line = json_loadb(text, len, 0, NULL);
	json_t *pid = json_object_get(line, "pid"), *error = json_object_get(line, "error");

	if (pid && b->failed.code == 0)
		(void)plug(b, pid, &b->failed);
	if (error && b->failed.code == 0)
		(void)err_set(&b->failed, EIO, "%s", json_string_value(error));
	if (json_object_get(line, "progress"))
		tell_progress(b, json_object_get(line, "progress"));
	if (json_object_get(line, "result"))
		b->result = json_incref(json_object_get(line, "result"));
}

static void take(void *ctx, const char *data, size_t len)
{
	struct box *b = ctx;
	char *end, *grown = b->len + len < LINE_MAX_BYTES ? realloc(b->line, b->len + len) : NULL;

	if (!grown)
		return;
	b->line = grown;
	memcpy(b->line + b->len, data, len);
	b->len += len;
	while ((end = memchr(b->line, '\n', b->len))) {
		size_t line = (size_t)(end - b->line);
		take_line(b, b->line, line);
		b->len -= line + 1;
		memmove(b->line, end + 1, b->len);
	}
}

/* ---- all of it ----------------------------------------------------------------------------- */

struct said {
	char text[600];
	size_t len;
};

static void take_error(void *ctx, const char *data, size_t len)
{
	struct said *said = ctx;
	size_t room = sizeof(said->text) - 1 - said->len;

	if (len > room)
		len = room;
	memcpy(said->text + said->len, data, len);
	said->len += len;
}

static int run(struct box *b, const struct argv *a, struct err *e)
{
	const struct engine *en = &b->stage->session.engine;
	_cleanup_argv_ struct argv whole = ARGV_INIT;
	struct said said = {.len = 0};
	struct process_sink out = {take, b}, err = {take_error, &said};
	int status = 0;

	argv_add(&whole, en->client);
	argv_extend(&whole, a->count, a->items);
	if (whole.failed || a->failed)
		return err_set(e, ENOMEM, "out of memory");
	struct process p = {.argv = (const char *const *)whole.items,
	    .bond = PROCESS_GROUP,
	    .left_when = interrupt_pending};
	b->begun_ms = monotonic_ms();
	int r = process_run(&p, &out, &err, &status, e);
	if (b->open_line)
		fputs("\r\033[K", b->stage->out);
	if (r < 0)
		return r;
	if (b->failed.code) {
		*e = b->failed;
		return -e->code;
	}
	said.text[strcspn(said.text, "\n")] = '\0';
	return b->result ? 0
			 : err_set(e, EIO, "the simulation's container has ended: %s", said.text);
}

/* It may go on where its client was ended. */
static void remove_container(struct stage *s, const char *name)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	struct err ignored = ERR_INIT;

	argv_add(&a, name);
	if (engine_remove_containers(&s->session.engine, &a, &ignored) < 0)
		errno = 0; /* it is gone by itself */
}

int box_run(struct stage *s, json_t *profile, json_t **result, struct err *e)
{
	const struct container *stack = container_list_role(&s->session.containers, "stack");
	struct box b = {
	    .stage = s, .stack = stack ? stack->name : "", .tty = isatty(fileno(s->out))};
	_cleanup_free_ char *name = NULL, *job = job_text(s, profile);
	_cleanup_argv_ struct argv a = ARGV_INIT;

	int r = lab_container_name(s->lab, &s->session.engine, "simulate", NULL, &name, e);
	if (r < 0)
		return r;
	run_args(&a, s, &b, name);
	if (job)
		argv_add(&a, job);
	r = run(&b, &a, e);
	if (r < 0)
		remove_container(s, name);
	free(b.line);
	*result = b.result;
	return r;
}
