#include "vmlab/cmd/machine_show.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "vmlab/lab/machine_id.h"
#include "vmlab/follow/inventory.h"
#include "lib/base/human.h"
#include "lib/follow/order_words.h"
#include "lib/follow/progress.h"

static void print_age(FILE *f, const json_t *one, const char *key)
{
	int64_t at = time_parse(json_string_value(json_object_get(one, key)));
	char age[HUMAN_TEXT_SIZE];

	if (at > 0)
		fprintf(f, "%s ago", human_age(wall_ms() - at, age));
	else
		fputs("at a time not known", f);
}

static void print_title(FILE *f, const json_t *answer, const json_t *newest)
{
	const char *name = json_string_value(json_object_get(answer, "name"));
	const json_t *mac;
	size_t i;

	human_print_clean(f, name ? name : "a machine without a definition");
	json_array_foreach(json_object_get(answer, "macs"), i, mac) {
		fputs(i == 0 ? " (" : ", ", f);
		human_print_clean(f, json_string_value(mac));
	}
	fputs("): told ", f);
	print_age(f, newest, "at");
	if (!json_equal(json_object_get(newest, "at"), json_object_get(newest, "seen"))) {
		fputs(", the same again ", f);
		print_age(f, newest, "seen");
	}
	fputc('\n', f);
}

/* What it does now, as far as that is known. */
static void print_now(FILE *f, const json_t *answer)
{
	bool declared = json_is_string(json_object_get(answer, "state"));

	if (!declared && !json_is_object(json_object_get(answer, "agent")))
		return;
	fprintf(f, "%-10s ", "state");
	if (declared)
		progress_state(f, answer);
	else
		order_agent_words(f, answer);
	fputc('\n', f);
}

static void print_older(FILE *f, const json_t *list)
{
	const json_t *one;
	size_t i;

	if (json_array_size(list) < 2)
		return;
	fputs("\nit was another ", f);
	json_array_foreach(list, i, one) {
		if (i == 0)
			continue;
		fputs(i == 1 ? "" : ", ", f);
		print_age(f, one, "seen");
	}
	fputs(": --json has them all\n", f);
}

int machine_show(struct session *s, const char *id, bool json)
{
	_cleanup_json_ json_t *answer = NULL;
	char encoded[MACHINE_ID_SIZE];
	struct err e = ERR_INIT;

	int r = machine_id_encode(id, encoded, &e);
	if (r == 0)
		r = api_get(s->api, &answer, &e, "/machines/%s/inventory", encoded);
	if (r < 0)
		return command_fail(&e);
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		return STATUS_OK;
	}
	const json_t *list = json_object_get(answer, "inventories"),
		     *newest = json_array_get(list, 0);
	print_title(stdout, answer, newest);
	print_now(stdout, answer);
	inventory_print(stdout, json_object_get(newest, "inventory"));
	print_older(stdout, list);
	return STATUS_OK;
}
