#include "lib/follow/cloud_init.h"

#include <string.h>

#include "lib/base/human.h"

static const char *const warning_levels[] = {"CRITICAL", "ERROR", "WARNING"};

static const json_t *of(const json_t *vm, const char *key)
{
	return json_object_get(json_object_get(vm, "cloud_init"), key);
}

static const char *status(const json_t *vm)
{
	const char *text = json_string_value(of(vm, "status"));

	return text ? text : "";
}

enum cloud_init_verdict cloud_init_judge(const json_t *vm)
{
	const json_t *recoverable = of(vm, "recoverable_errors");

	if (json_array_size(of(vm, "errors")) > 0 ||
	    json_array_size(of(vm, "first_boot_errors")) > 0 || strcmp(status(vm), "error") == 0)
		return CLOUD_INIT_ERRORS;
	for (size_t i = 0; i < sizeof(warning_levels) / sizeof(*warning_levels); i++)
		if (json_array_size(json_object_get(recoverable, warning_levels[i])) > 0)
			return CLOUD_INIT_WARNINGS;
	return CLOUD_INIT_WELL;
}

const char *cloud_init_words(enum cloud_init_verdict verdict)
{
	static const char *const words[] = {
	    [CLOUD_INIT_WELL] = "",
	    [CLOUD_INIT_WARNINGS] = ", with warnings",
	    [CLOUD_INIT_ERRORS] = ", with errors",
	};

	return words[verdict];
}

const char *cloud_init_error(const json_t *vm)
{
	const json_t *first = json_array_get(of(vm, "errors"), 0);

	return json_string_value(first ? first : json_array_get(of(vm, "first_boot_errors"), 0));
}

const char *cloud_init_stage(const json_t *vm)
{
	const char *stage = json_string_value(of(vm, "stage"));

	if (stage)
		return stage;
	return strcmp(status(vm), "booting") == 0 ? "booting" : NULL;
}

bool cloud_init_tells(const json_t *vm)
{
	return json_is_string(of(vm, "boot_id"));
}

static void print_list(FILE *f, const char *label, const json_t *list, const json_t *but)
{
	const json_t *text;
	size_t i, k;

	json_array_foreach(list, i, text) {
		bool known = false;
		const json_t *other;
		json_array_foreach(but, k, other)
			known |= json_equal(text, other);
		if (known || !json_is_string(text))
			continue;
		fprintf(f, "  %-8s ", label);
		human_print_clean(f, json_string_value(text));
		fputc('\n', f);
	}
}

void cloud_init_print(FILE *f, const json_t *vm)
{
	const json_t *recoverable = of(vm, "recoverable_errors");

	if (cloud_init_judge(vm) == CLOUD_INIT_WELL)
		return;
	print_list(f, "error", of(vm, "errors"), NULL);
	print_list(f, "at first", of(vm, "first_boot_errors"), of(vm, "errors"));
	for (size_t i = 0; i < sizeof(warning_levels) / sizeof(*warning_levels); i++)
		print_list(f, "warning", json_object_get(recoverable, warning_levels[i]), NULL);
	const char *name = json_string_value(json_object_get(vm, "name"));
	fputs("  more     `vmlab ssh ", f);
	human_print_clean(f, name ? name : "NAME");
	fputs(" sudo cat /var/log/cloud-init-output.log` shows what its commands said\n", f);
}
