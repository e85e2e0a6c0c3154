/* What becomes of a machine's events and of what its console printed: any bytes, of which the first
 * chooses. Whatever happened in whatever order, what is made of it is whole, and the same for the
 * command line, which is given it as JSON. */
#include <stdio.h>
#include <string.h>

#include "boot_handler/http/explain_events.h"
#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "lib/explain/console.h"
#include "lib/explain/explain.h"

#define NOW_MS INT64_C(1800000000000)

/* ---- what comes out ---------------------------------------------------------------------- */

static void check_sentence(const json_t *value, bool plain)
{
	const char *text = json_string_value(value);

	PROMISE(text && text[0]);
	char *clean = strdup(text);
	PROMISE(clean);
	text_clean_string(clean, "");
	PROMISE(strcmp(clean, text) == 0);
	free(clean);
	/* Nothing was left to be filled in. */
	PROMISE(!plain || !strpbrk(text, "{}"));
}

static void check_broken(const json_t *broken, bool plain)
{
	const json_t *one, *evidence = json_object_get(broken, "evidence");
	size_t i;

	check_sentence(json_object_get(broken, "sentence"), plain);
	check_sentence(json_object_get(broken, "hint"), plain);
	json_array_foreach(evidence, i, one)
		check_sentence(json_object_get(one, "text"), plain);
}

/* What people read of it. */
static void check_printed(const json_t *explained)
{
	_cleanup_free_ char *text = NULL;
	size_t size;

	FILE *f = open_memstream(&text, &size);
	PROMISE(f);
	explain_print(f, explained, true);
	PROMISE(fclose(f) == 0 && size > 0);
	PROMISE(text_clean(text, size, "\n\t") == size);
}

static void check_explained(const struct explain_facts *f, bool plain)
{
	_cleanup_free_ struct explain_facts *taken = calloc(1, sizeof(*taken));
	json_t *explained = explain_json(f), *broken = json_object_get(explained, "broken");
	const json_t *one, *also = json_object_get(explained, "also");
	size_t i;

	PROMISE(taken && explained);
	PROMISE(json_is_null(broken) == json_is_true(json_object_get(explained, "ok")));
	check_sentence(json_object_get(explained, "where"), plain);
	if (!json_is_null(broken))
		check_broken(broken, plain);
	json_array_foreach(also, i, one)
		check_broken(one, plain);
	check_printed(explained);

	memcpy(taken->name, f->name, sizeof(taken->name));
	taken->now_ms = f->now_ms;
	explain_facts_take(taken, json_object_get(explained, "facts"));
	json_t *again = explain_json(taken);
	PROMISE(json_equal(json_object_get(again, "broken"), broken));
	PROMISE(json_equal(json_object_get(again, "where"), json_object_get(explained, "where")));
	json_decref(again);
	json_decref(explained);
}

/* ---- what goes in ------------------------------------------------------------------------ */

static void begin(struct explain_facts *f, enum machine_state state)
{
	snprintf(f->name, sizeof(f->name), "web1");
	f->now_ms = NOW_MS;
	explain_see(f, EXPLAIN_STACK, 0, NULL, NULL, NULL);
	explain_see(f, EXPLAIN_DEFINITION, 0, "web1.json", NULL, NULL);
	explain_see(f, EXPLAIN_IMAGE, 0, "debian-13", NULL, NULL);
	explain_see(f, EXPLAIN_STATE, NOW_MS - 1000, machine_state_name(state), NULL, NULL);
}

/* Four bytes and a text up to the next NUL: kind, phase, how long after the one before (the fourth
 * its unit), and a number. */
struct told {
	const uint8_t *at, *end;
};

static unsigned byte_of(struct told *t)
{
	return t->at < t->end ? *t->at++ : 0;
}

static void read_text(struct told *t, char *out, size_t size)
{
	const uint8_t *nul = memchr(t->at, '\0', (size_t)(t->end - t->at));
	const uint8_t *end = nul ? nul : t->end;
	char *text = promise_string(t->at, (size_t)(end - t->at));

	text_copy_clean(text, out, size);
	free(text);
	t->at = nul ? nul + 1 : t->end;
}

/* Of a kind's own texts the one of that number, else what was read. */
static void choose_text(const struct event_info *info, unsigned number, struct event *event)
{
	if (number < EVENT_SAYS_MAX && info->says[number].text)
		snprintf(event->text, sizeof(event->text), "%s", info->says[number].text);
}

static void read_event(struct told *t, int64_t *at_ms, struct event *event)
{
	static const int64_t units[] = {1, 1000, 60000, 3600000};
	struct event_value values[EVENT_FIELDS_MAX] = {{0}};
	char text[EVENT_TEXT_SIZE];

	*event = (struct event){.kind = (enum event_kind)(byte_of(t) % event_kinds())};
	event->phase = (enum machine_phase)(byte_of(t) % (PHASE_REBOOT + 1));
	unsigned step = byte_of(t), number = byte_of(t);
	*at_ms += (int64_t)step * units[number % 4];
	event->at_ms = *at_ms;
	read_text(t, event->text, sizeof(event->text));
	memcpy(text, event->text, sizeof(text));
	for (int i = 0; i < EVENT_FIELDS_MAX; i++)
		values[i] = (struct event_value){number, text};
	const struct event_info *info = event_info(event->kind);
	choose_text(info, number / 4, event);
	event->severity = event_severity(info, event->text);
	snprintf(event->source, sizeof(event->source), "%s", step & 1 ? "192.168.100.11" : "");
	event_data(info, values, event->data);
}

static void hear_events(struct explain_facts *f, const uint8_t *data, size_t size)
{
	struct told told = {data, data + size};
	int64_t at_ms = NOW_MS - 3600000;
	struct event event;

	while (told.at < told.end) {
		read_event(&told, &at_ms, &event);
		explain_event(f, &event);
	}
	for (int i = 0; i < EXPLAIN_SIGN_COUNT; i++) {
		PROMISE(f->seen[i].count >= 0);
		promise_clean(f->seen[i].about, sizeof(f->seen[i].about));
		promise_clean(f->seen[i].from, sizeof(f->seen[i].from));
		promise_clean(f->seen[i].what, sizeof(f->seen[i].what));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return -1;
	_cleanup_free_ struct explain_facts *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *text = promise_string(data + 2, size - 2);
	PROMISE(f);
	begin(f, (enum machine_state)(data[1] % (MACHINE_READY + 1)));
	bool plain = !memchr(data + 2, '{', size - 2) && !memchr(data + 2, '}', size - 2);
	switch (data[0]) {
	case 'e':
		hear_events(f, data + 2, size - 2);
		break;
	case 'c':
		explain_console(f, text);
		break;
	case 'l':
		explain_see(f, EXPLAIN_ADDRESS, NOW_MS - 9000, "192.168.100.11", NULL, NULL);
		explain_stack_log(f, text);
		break;
	default:
		return -1;
	}
	check_explained(f, plain);
	return 0;
}
