#include "boot_handler/http/definition_news.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

/* ---- definitions --------------------------------------------------------------------------- */

static void tell(struct services *services, const struct vm *vm, const char *what, const char *file)
{
	state_tell(services->state, &vm->mac, vm->name, EVENT_DEFINITION, what,
	    &(struct event_value){.text = file});
}

/* Both are ordered by name; one that did not change is the same in both. */
static void tell_definitions(
    struct services *services, const struct vm_snapshot *before, const struct vm_snapshot *after)
{
	size_t b = 0, a = 0, had = vm_snapshot_count(before), has = vm_snapshot_count(after);

	while (b < had || a < has) {
		const struct vm *old = b < had ? vm_snapshot_at(before, b) : NULL;
		const struct vm *new = a < has ? vm_snapshot_at(after, a) : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->name, new->name);

		if (order < 0)
			tell(services, old, "removed", vm_snapshot_file(before, old));
		else if (order > 0)
			tell(services, new, "added", vm_snapshot_file(after, new));
		else if (old != new)
			tell(services, new, "changed", vm_snapshot_file(after, new));
		b += order <= 0;
		a += order >= 0;
	}
}

/* ---- problems ------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const struct vm_problem *x = *(const struct vm_problem *const *)a,
				*y = *(const struct vm_problem *const *)b;
	int order = strcmp(x->file, y->file);

	order = order ? order : x->where.line - y->where.line;
	return order ? order : strcmp(x->text, y->text);
}

/* In order; the caller frees the array, NULL without memory. */
static const struct vm_problem **sorted(const struct vm_snapshot *snapshot, size_t *count)
{
	const struct vm_problem **list;

	*count = vm_snapshot_problem_count(snapshot);
	list = calloc(*count + 1, sizeof(*list));
	for (size_t i = 0; list && i < *count; i++)
		list[i] = vm_snapshot_problem_at(snapshot, i);
	if (list)
		qsort(list, *count, sizeof(*list), compare);
	return list;
}

/* The machine of a file; of one that has none, its name alone. */
static void tell_problem(
    struct services *services, const struct vm_snapshot *after, const struct vm_problem *problem)
{
	const struct event_value values[] = {{.text = problem->file},
	    {.number = problem->where.line}, {.number = problem->where.column}};
	char name[MACHINE_NAME_SIZE];
	const struct mac none = {{0}};

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(problem->file, "."), problem->file);
	const struct vm *vm = vm_snapshot_by_name(after, name);
	state_tell(services->state, vm ? &vm->mac : &none, vm_name_valid(name) ? name : "",
	    EVENT_PROBLEM, problem->text, values);
}

static void tell_problems(
    struct services *services, const struct vm_snapshot *before, const struct vm_snapshot *after)
{
	size_t had, has, told = 0;
	_cleanup_free_ const struct vm_problem **old = sorted(before, &had);
	_cleanup_free_ const struct vm_problem **new = sorted(after, &has);

	if (!old || !new)
		return;
	for (size_t i = 0; i < has && told < DEFINITION_PROBLEMS_TOLD; i++)
		if (!bsearch(&new[i], old, had, sizeof(*old), compare)) {
			tell_problem(services, after, new[i]);
			told++;
		}
}

void definition_news_tell(
    struct services *services, const struct vm_snapshot *before, const struct vm_snapshot *after)
{
	state_source("vms", "");
	tell_definitions(services, before, after);
	tell_problems(services, before, after);
	state_source("", "");
}
