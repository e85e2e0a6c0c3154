#include "vmlab/problems.h"

#include <string.h>

#include "json_text.h"
#include "vmlab/human.h"
#include "vmlab/preflight.h"

void problem_print(FILE *f, const char *folder, const char *file, struct vm_where where,
    bool warning, const char *text)
{
	fprintf(f, "%s%s", folder ? folder : "", folder ? "/" : "");
	human_print_clean(f, file);
	if (where.line > 0)
		fprintf(f, ":%d", where.line);
	if (where.line > 0 && where.column > 0)
		fprintf(f, ":%d", where.column);
	fprintf(f, ": %s", warning ? "warning: " : "");
	human_print_clean(f, text);
	fputc('\n', f);
}

static size_t print_matching(
    FILE *f, const struct lab *lab, const struct vm_snapshot *snap, const char *file)
{
	size_t errors = 0;

	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		if (file && strcmp(p->file, file) != 0)
			continue;
		problem_print(f, lab->vms_dir, p->file, p->where, p->warning, p->text);
		errors += !p->warning;
	}
	return errors;
}

size_t problems_print(FILE *f, const struct lab *lab, const struct vm_snapshot *snap)
{
	return print_matching(f, lab, snap, NULL);
}

size_t problems_print_vm(
    FILE *f, const struct lab *lab, const struct vm_snapshot *snap, const char *name)
{
	char file[80];

	snprintf(file, sizeof(file), "%s.json", name);
	return print_matching(f, lab, snap, file);
}

void problems_print_outlook(FILE *f, const struct lab *lab, const struct vm *vm)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	struct preflight found = {0};
	struct err e = ERR_INIT;

	if (subject_load(lab, vm, &subject, &e) == 0)
		preflight_check(&subject, &found);
	else
		fprintf(f, "%s: warning: %s\n", vm->name, e.msg);
	for (size_t i = 0; i < found.count; i++)
		fprintf(f, "%s: %s\"%s\": %s\n", vm->name, found.finding[i].fatal ? "" : "warning: ",
		    found.finding[i].field, found.finding[i].text);
}

struct vm_where problem_where(const char *text, size_t len, const char *field)
{
	struct json_path path = {.depth = 1};
	struct vm_where where = {0, 0};
	size_t offset;

	path.step[0].key = field;
	if (text && json_text_find(text, len, &path, false, &offset))
		json_text_position(text, offset, &where.line, &where.column);
	return where;
}

json_t *problem_json(const struct vm_problem *p)
{
	return json_pack("{s:s, s:i, s:i, s:s, s:b}", "file", p->file, "line", p->where.line,
	    "column", p->where.column, "text", p->text, "warning", p->warning);
}
