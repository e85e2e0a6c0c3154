#include "lib/follow/stages.h"

#include <string.h>

#include "lib/definition/mode.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/machine/event.h"
#include "lib/follow/progress.h"
#include "lib/base/human.h"

#define REBOOT "reboot"
#define KEXEC "kexec"
#define AGENT_BOOT "agent boot"

static const char *current(const struct stages *s)
{
	return s->items[s->count - 1].name;
}

static void enter(struct stages *s, const char *name, int64_t at_ms)
{
	if (strcmp(current(s), name) == 0 || s->count == STAGES_MAX)
		return;
	struct stage *next = &s->items[s->count++];
	snprintf(next->name, sizeof(next->name), "%s", name);
	next->start_ms = at_ms;
}

void stages_begin(struct stages *s, int64_t at_ms)
{
	*s = (struct stages){.count = 1, .items = {{"firmware", at_ms}}};
}

static bool is_in(const struct stages *s, const char *name)
{
	return strcmp(current(s), name) == 0;
}

/* What the installed system says without iPXE in between tells who started it. */
static void leave_installer(struct stages *s, const char *next)
{
	if (!is_in(s, REBOOT))
		return;
	snprintf(s->items[s->count - 1].name, STAGE_NAME_SIZE, KEXEC);
	if (s->sign_ms)
		enter(s, next, s->sign_ms);
}

static void on_ipxe(struct stages *s, const char *text, int64_t at_ms)
{
	static const char *const names[] = {
	    [BOOT_WAIT] = "waiting",
	    [BOOT_DISK] = "disk boot",
	    [BOOT_KERNEL] = "kernel and initrd",
	    [BOOT_NEXT] = "next boot device",
	    [BOOT_CHAIN] = "boot image",
	    [BOOT_SAN] = "boot image",
	    [BOOT_MENU] = "menu",
	};
	const struct boot_mode *mode = boot_mode_find(text);

	enter(
	    s, mode == &boot_mode_agent ? AGENT_BOOT : names[mode ? mode->verb : BOOT_WAIT], at_ms);
}

static void on_dhcp(struct stages *s, int64_t at_ms)
{
	if (is_in(s, REBOOT) && !s->sign_ms)
		s->sign_ms = at_ms;
	/* The installer and the reboot ask for leases too: those belong to their own stage. */
	if (is_in(s, "firmware"))
		enter(s, "iPXE", at_ms);
	else if (is_in(s, "disk boot"))
		enter(s, "cloud-init", at_ms);
}

static void on_state(struct stages *s, const char *text, int64_t at_ms)
{
	/* What was ready is only installed once more when it boots what installs nothing. */
	if (machine_state_is(text, MACHINE_INSTALLED) && !is_in(s, "disk boot") &&
	    !is_in(s, AGENT_BOOT)) {
		enter(s, REBOOT, at_ms);
		s->sign_ms = 0;
	} else if (machine_state_is(text, MACHINE_READY) ||
		   machine_state_is(text, MACHINE_FAILED)) {
		leave_installer(s, "cloud-init");
		s->end_ms = at_ms;
	}
}

static void on_cloud_init(struct stages *s, int64_t at_ms)
{
	leave_installer(s, "disk boot");
	if (is_in(s, KEXEC) || is_in(s, "disk boot"))
		enter(s, "cloud-init", at_ms);
}

static void enter_told(struct stages *s, const char *stage, const json_t *event, int64_t at_ms)
{
	char name[STAGE_NAME_SIZE];
	FILE *f = fmemopen(name, sizeof(name), "w");

	if (!f)
		return;
	progress_fill(f, stage, event);
	fclose(f);
	name[sizeof(name) - 1] = '\0';
	if (*name)
		enter(s, name, at_ms);
}

void stages_event(struct stages *s, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *text = json_string_value(json_object_get(event, "text"));
	const struct event_info *info = event_info_find(kind ? kind : "");
	int64_t at_ms = time_parse(json_string_value(json_object_get(event, "at")));

	if (s->count == 0 || s->end_ms != 0 || !kind || at_ms < s->items[0].start_ms)
		return;
	if (strcmp(kind, "dhcp") == 0)
		on_dhcp(s, at_ms);
	else if (strcmp(kind, "ipxe") == 0)
		on_ipxe(s, text ? text : "", at_ms);
	else if (strcmp(kind, "state") == 0)
		on_state(s, text ? text : "", at_ms);
	else if (strcmp(kind, "cloud-init") == 0)
		on_cloud_init(s, at_ms);
	else if (info && info->stage)
		enter_told(s, info->stage, event, at_ms);
}

/* What a machine says that has just been switched on; the old system's "released" is a lease's. */
static bool begins(const char *kind)
{
	const struct event_info *info = event_info_find(kind);

	return info && info->begins;
}

/* An address alone may be one that a running system has renewed: the last before iPXE counts. */
static bool waits_for_ipxe(const struct stages *s, const char *kind)
{
	return s->count == 1 && strcmp(s->items[0].name, "iPXE") == 0 && strcmp(kind, "dhcp") == 0;
}

/* Without a first moment there is no firmware to tell of. */
static void begin_unknown(struct stages_history *h, const char *kind, int64_t at_ms)
{
	stages_begin(&h->now, at_ms);
	if (strcmp(kind, "dhcp") == 0)
		snprintf(h->now.items[0].name, STAGE_NAME_SIZE, "iPXE");
}

void stages_history_event(struct stages_history *h, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	int64_t at_ms = time_parse(json_string_value(json_object_get(event, "at")));

	if (!kind || at_ms < 0)
		return;
	if (!h->on_seen && h->on_ms >= 0 && at_ms >= h->on_ms) {
		h->on_seen = true;
		stages_begin(&h->now, h->on_ms);
	} else if (begins(kind) && (h->now.count == 0 || waits_for_ipxe(&h->now, kind))) {
		begin_unknown(h, kind, at_ms);
	}
	stages_event(&h->now, event);
	if (h->now.end_ms == 0)
		return;
	h->finished = h->now;
	h->now = (struct stages){0};
}

void stages_end(struct stages *s, int64_t at_ms)
{
	if (s->end_ms == 0)
		s->end_ms = at_ms;
}

const char *stages_current(const struct stages *s, int64_t now_ms, int64_t *spent_ms)
{
	if (s->count == 0) {
		*spent_ms = 0;
		return "";
	}
	*spent_ms = now_ms - s->items[s->count - 1].start_ms;
	return s->kexec && is_in(s, REBOOT) ? KEXEC : current(s);
}

static int64_t spent(const struct stages *s, size_t i)
{
	int64_t end = i + 1 < s->count ? s->items[i + 1].start_ms : s->end_ms;

	return end > s->items[i].start_ms ? end - s->items[i].start_ms : 0;
}

int64_t stages_spent_ms(const struct stages *s, const char *name)
{
	int64_t sum = -1;

	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].name, name) == 0)
			sum = (sum < 0 ? 0 : sum) + spent(s, i);
	return sum;
}

int64_t stages_total_ms(const struct stages *s)
{
	return s->count && s->end_ms > s->items[0].start_ms ? s->end_ms - s->items[0].start_ms : 0;
}

static bool seen_before(const struct stages *const list[], size_t vm, size_t stage)
{
	const char *name = list[vm]->items[stage].name;

	for (size_t i = 0; i <= vm; i++)
		for (size_t k = 0; (i < vm || k < stage) && k < list[i]->count; k++)
			if (strcmp(list[i]->items[k].name, name) == 0)
				return true;
	return false;
}

static void print_row(
    FILE *f, size_t count, const struct stages *const list[], const char *name, const int *width)
{
	char buf[HUMAN_TEXT_SIZE];

	fprintf(f, "  %-18s", name);
	for (size_t i = 0; i < count; i++) {
		int64_t ms = stages_spent_ms(list[i], name);
		fprintf(f, "  %*s", width[i], ms < 0 ? "-" : human_duration(ms, buf));
	}
	fputc('\n', f);
}

void stages_print_table(
    FILE *f, size_t count, const char *const names[], const struct stages *const list[])
{
	_cleanup_free_ int *width = calloc(count + 1, sizeof(*width));
	char buf[HUMAN_TEXT_SIZE];

	if (!width)
		return;
	fprintf(f, "  %-18s", "stage");
	for (size_t i = 0; i < count; i++) {
		int len = (int)strlen(names[i]);
		width[i] = len > 12 ? len : 12;
		fprintf(f, "  %*s", width[i], names[i]);
	}
	fputc('\n', f);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < list[i]->count; k++)
			if (!seen_before(list, i, k))
				print_row(f, count, list, list[i]->items[k].name, width);
	fprintf(f, "  %-18s", "total");
	for (size_t i = 0; i < count; i++)
		fprintf(f, "  %*s", width[i], human_duration(stages_total_ms(list[i]), buf));
	fputc('\n', f);
}

json_t *stages_json(const struct stages *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->count; i++)
		json_array_append_new(list, json_pack("{s:s, s:I}", "name", s->items[i].name, "ms",
						(json_int_t)spent(s, i)));
	return json_pack("{s:I, s:o}", "total_ms", (json_int_t)stages_total_ms(s), "stages", list);
}
