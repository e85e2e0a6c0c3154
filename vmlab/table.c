#include "vmlab/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmlab/human.h"
#include "vmlab/progress.h"

enum { NAME, STATE, IP, ARCH, DISTRO, AGE, ERROR, COLUMNS };

#define CELL_SIZE 128

static const char *const titles[COLUMNS] = {
    "NAME", "STATE", "IP", "ARCH", "DISTRO", "AGE", "ERROR"};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void table_sort(const char **names, size_t count)
{
	if (count > 0)
		qsort(names, count, sizeof(*names), compare);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void print_state(FILE *f, const json_t *vm)
{
	const char *state = text_of(vm, "state"), *container = text_of(vm, "container");
	bool ours = *container != '\0', running = strcmp(container, "running") == 0;

	if (ours && !running)
		fprintf(f, "stopped%s%s%s", *state ? " (" : "", state, *state ? ")" : "");
	else if (!*state)
		fputs(ours ? "running" : "-", f);
	else
		progress_state(f, vm);
}

static const char *failure_text(const json_t *vm)
{
	return text_of(json_object_get(vm, "error"), "reason");
}

/* Cells are cleaned, cut at CELL_SIZE, and "-" when empty. The last column is no cell: nothing stands
 * beside it, so it is printed whole. */
static void fill(char cells[ERROR][CELL_SIZE], const json_t *vm, int64_t now_ms)
{
	for (int column = 0; column < ERROR; column++) {
		char *cell = cells[column];
		FILE *f = fmemopen(cell, CELL_SIZE - 1, "w");
		int64_t at = human_rfc3339_ms(text_of(vm, "changed_at"));
		char age[HUMAN_TEXT_SIZE];

		memset(cell, 0, CELL_SIZE);
		if (!f)
			continue;
		if (column == STATE)
			print_state(f, vm);
		else if (column == AGE && at >= 0)
			fputs(human_age(now_ms - at, age), f);
		else if (column != AGE)
			human_print_clean(f, text_of(vm, (const char *const[]){"name", "", "ip",
							     "arch", "distro"}[column]));
		fclose(f);
		if (!*cell)
			strcpy(cell, "-");
	}
}

void table_print(FILE *f, const json_t *vms, int64_t now_ms)
{
	size_t count = json_array_size(vms), i;
	char(*rows)[ERROR][CELL_SIZE] = calloc(count + 1, sizeof(*rows));
	int width[ERROR] = {0};

	if (!rows)
		return;
	for (int c = 0; c < ERROR; c++)
		snprintf(rows[0][c], CELL_SIZE, "%s", titles[c]);
	for (i = 0; i < count; i++)
		fill(rows[i + 1], json_array_get(vms, i), now_ms);
	for (i = 0; i <= count; i++)
		for (int c = 0; c < ERROR; c++) {
			int len = (int)strlen(rows[i][c]);
			width[c] = len > width[c] ? len : width[c];
		}
	for (i = 0; i <= count; i++) {
		const char *failure =
		    i > 0 ? failure_text(json_array_get(vms, i - 1)) : titles[ERROR];
		int last = *failure ? ERROR : AGE;
		for (int c = 0; c < last; c++)
			fprintf(f, "%-*s  ", width[c], rows[i][c]);
		if (*failure)
			human_print_clean(f, failure);
		else
			fputs(rows[i][last], f);
		fputc('\n', f);
	}
	free(rows);
}
