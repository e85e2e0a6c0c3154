#include "lib/follow/progress.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "lib/definition/mode.h"
#include "lib/machine/event.h"
#include "lib/follow/cloud_init.h"
#include "lib/follow/order_words.h"
#include "lib/base/human.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static int64_t number_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? (int64_t)json_number_value(v) : 0;
}

/* A value of the event's data, which its kind names, before one that every event has. */
static void print_value(FILE *f, const json_t *event, const char *name, size_t len)
{
	const json_t *value = json_object_getn(json_object_get(event, "data"), name, len);

	if (!value)
		value = json_object_getn(event, name, len);
	if (json_is_integer(value))
		fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_string(value))
		human_print_clean(f, json_string_value(value));
}

void progress_fill(FILE *f, const char *sentence, const json_t *event)
{
	for (const char *p = sentence; *p;) {
		size_t len = strcspn(p, "{");

		fprintf(f, "%.*s", (int)len, p);
		p += len;
		if (*p) {
			len = strcspn(p, "}");
			print_value(f, event, p + 1, len - 1);
			p += len + (p[len] == '}');
		}
	}
}

bool progress_event(FILE *f, const json_t *event, bool all)
{
	const struct event_info *info = event_info_find(text_of(event, "kind"));
	const char *text = text_of(event, "text");
	const char *sentence = info ? event_sentence(info, text) : NULL;

	if (!sentence || (!all && event_severity(info, text) == EVENT_DEBUG))
		return false;
	progress_fill(f, sentence, event);
	return true;
}

int progress_percent(const json_t *vm)
{
	int64_t bytes = number_of(vm, "bytes"), total = number_of(vm, "total_bytes");

	if (total <= 0 || bytes < 0)
		return -1;
	return bytes >= total ? 100 : (int)((double)bytes * 100 / (double)total);
}

/* What is recorded of it, which is not what it does now; an older server tells that alone. */
static const char *recorded(const json_t *vm)
{
	const char *word = text_of(vm, "recorded");

	return *word ? word : text_of(vm, "state");
}

static bool is_in_agent(const json_t *vm)
{
	return strcmp(text_of(vm, "state"), "agent") == 0;
}

static bool installing(const json_t *vm)
{
	return machine_state_is(text_of(vm, "state"), MACHINE_INSTALLING) && *text_of(vm, "phase");
}

/* Where it was seen to stand, of which its recorded state tells nothing: that is how far an
 * installation has come. NULL: nowhere. Of the agent its state tells. */
static const char *stands(const json_t *vm)
{
	const struct boot_mode *told = boot_mode_find(text_of(vm, "told"));
	const char *state = text_of(vm, "state");

	if (!told || told == &boot_mode_agent || machine_state_is(state, MACHINE_FAILED))
		return NULL;
	if (told->verb == BOOT_MENU)
		return "menu";
	if (told->verb == BOOT_WAIT)
		return "waiting";
	return machine_state_is(state, MACHINE_DECLARED) ? told->started : NULL;
}

const char *progress_stays(const json_t *vm)
{
	const struct boot_mode *told = boot_mode_find(text_of(vm, "told"));
	const char *stage = text_of(json_object_get(vm, "outlook"), "stage");

	if (is_in_agent(vm))
		return "it is in the agent, which does what it is ordered and then waits: an order \"local\" starts what is on its disk";
	if (!stands(vm) || *stage)
		return NULL;
	if (told->verb == BOOT_MENU)
		return "it stands at its menu: choose there, on its screen, or have its definition say another \"mode\" and restart it";
	if (told->verb == BOOT_WAIT)
		return "it waits as its \"mode\" says, until its definition says another";
	return "it is where its \"mode\" leads, and stays there until its definition says another and it is restarted";
}

void progress_state(FILE *f, const json_t *vm)
{
	const char *state = text_of(vm, "state"), *place = stands(vm);
	int percent = progress_percent(vm);

	const char *stage = text_of(json_object_get(vm, "outlook"), "stage");

	if (is_in_agent(vm)) {
		order_agent_words(f, vm);
		return;
	}
	if (place && !*stage) {
		fputs(place, f);
		if (!machine_state_is(state, MACHINE_DECLARED)) {
			fputs(" (", f);
			human_print_clean(f, state);
			fputc(')', f);
		}
		return;
	}
	human_print_clean(f, state);
	if (*stage) {
		fputs(": ", f);
		human_print_clean(f, stage);
	} else if (installing(vm)) {
		fputs(": ", f);
		human_print_clean(f, text_of(vm, "phase"));
		if (percent >= 0)
			fprintf(f, " %d %%", percent);
	} else if (machine_state_is(state, MACHINE_READY)) {
		fputs(cloud_init_words(cloud_init_judge(vm)), f);
	} else if (machine_state_is(state, MACHINE_INSTALLED) && cloud_init_stage(vm)) {
		fputs(": ", f);
		human_print_clean(f, cloud_init_stage(vm));
	} else if (machine_state_is(state, MACHINE_FAILED)) {
		const char *phase = text_of(json_object_get(vm, "error"), "phase");
		if (*phase) {
			fputs(": ", f);
			human_print_clean(f, phase);
		}
	}
}

void progress_detail(FILE *f, const json_t *vm)
{
	char done[SIZE_TEXT_SIZE], total[SIZE_TEXT_SIZE];
	int percent = progress_percent(vm);
	int64_t rate = number_of(vm, "rate_bytes_per_s"), eta_s = number_of(vm, "eta_s");

	if (!installing(vm) || percent < 0) {
		progress_state(f, vm);
		return;
	}
	int64_t all = number_of(vm, "total_bytes"), bytes = number_of(vm, "bytes");
	human_print_clean(f, text_of(vm, "phase"));
	fprintf(f, " %d %%, %s of %s", percent,
	    size_text_short((uint64_t)(bytes < all ? bytes : all), done),
	    size_text_short((uint64_t)all, total));
	if (rate > 0)
		fprintf(f, ", %s/s", size_text_short((uint64_t)rate, done));
	if (eta_s > 0 && percent < 100)
		fprintf(f, ", %s left", human_age(eta_s * 1000, done));
}

/* Writes text up to `columns` columns; UTF-8 sequences count as one and stay whole. */
static void print_cut(FILE *f, const char *text, unsigned columns)
{
	for (const char *p = text; *p; p++) {
		if (((unsigned char)*p & 0xc0) != 0x80 && columns-- == 0)
			return;
		fputc(*p, f);
	}
}

void progress_status_line(
    FILE *f, const struct progress_item *items, size_t count, unsigned columns)
{
	_cleanup_free_ char *line = NULL;
	char text[HUMAN_TEXT_SIZE];
	size_t len;
	FILE *m = open_memstream(&line, &len);

	if (!m)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct progress_item *item = &items[i];
		int percent = installing(item->vm) ? progress_percent(item->vm) : -1;
		fprintf(m, "%s", i ? "  |  " : "");
		human_print_clean(m, text_of(item->vm, "name"));
		fputs("  ", m);
		if (percent >= 0 && count == 1)
			progress_detail(m, item->vm);
		else if (percent >= 0)
			fprintf(m, "%s %d %%", item->stage, percent);
		else if (is_in_agent(item->vm))
			progress_state(m, item->vm);
		else
			fprintf(m, "%s %s", item->stage, human_age(item->stage_ms, text));
	}
	if (fclose(m) == 0)
		print_cut(f, line, columns);
}

static void print_field(FILE *f, const char *label, const char *text)
{
	if (!*text)
		return;
	fprintf(f, "  %-8s", label);
	human_print_clean(f, text);
	fputc('\n', f);
}

void progress_outlook(FILE *f, const json_t *vm)
{
	const json_t *outlook = json_object_get(vm, "outlook");

	human_print_clean(f, text_of(vm, "name"));
	fputs(strcmp(text_of(vm, "state"), "waiting") == 0 ? " waits\n" : " does not get on\n", f);
	print_field(f, "stage", text_of(outlook, "stage"));
	print_field(f, "reason", text_of(outlook, "reason"));
	print_field(f, "hint", text_of(outlook, "hint"));
}

void progress_failure(FILE *f, const json_t *vm, size_t log_lines)
{
	const json_t *error = json_object_get(vm, "error");
	const char *log = text_of(vm, "log");

	human_print_clean(f, text_of(vm, "name"));
	fputs(" failed to install\n", f);
	print_field(f, "phase", text_of(error, "phase"));
	print_field(f, "reason", text_of(error, "reason"));
	print_field(f, "hint", text_of(error, "hint"));
	if (*log && log_lines > 0) {
		fputs("  the installer's last lines:\n", f);
		human_print_lines(f, log, "    ", log_lines);
	}
}

/* The log is that of the last install that ended, and says so when another one goes on by now. */
void progress_installer_log(FILE *f, const json_t *vm)
{
	const char *log = text_of(vm, "log"), *state = recorded(vm);
	const json_t *error = json_object_get(vm, "error");
	bool ended = machine_state_is(state, MACHINE_FAILED) ||
		     machine_state_is(state, MACHINE_INSTALLED) ||
		     machine_state_is(state, MACHINE_READY);

	if (json_is_object(error)) {
		progress_failure(f, vm, 0);
		if (*log)
			fputs("  the installer's last lines:\n", f);
	} else if (*log && !ended) {
		human_print_clean(f, text_of(vm, "name"));
		fputs(" is ", f);
		progress_state(f, vm);
		fputs("; these are the last lines of the install before\n", f);
	}
	human_print_lines(f, log, "", 0);
}
