#include "vmlab/lab/problems.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/json/text.h"
#include "lib/base/human.h"

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

/* "name" as the file says it, whatever else is wrong there; a file that cannot be read is named
 * after its VM. */
static bool is_file_of(const char *folder, const char *file, const char *name)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err ignored = ERR_INIT;
	size_t len, stem = strlen(file) - strlen(".json");

	if (asprintf(&path, "%s/%s", folder, file) < 0)
		return path = NULL, false;
	if (file_read(path, VM_FILE_MAX_BYTES, &text, &len, &ignored) == 0) {
		json_t *doc = json_loadb(text, len, 0, NULL);
		const char *own = json_string_value(json_object_get(doc, "name"));
		bool same = own && strcmp(own, name) == 0;
		json_decref(doc);
		if (own)
			return same;
	}
	return strlen(name) == stem && memcmp(file, name, stem) == 0;
}

/* The file in vms/ that defines the VM, used or not; caller frees; NULL: none. */
static char *file_of(const char *folder, const char *name)
{
	_cleanup_closedir_ DIR *d = folder ? opendir(folder) : NULL;
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		const char *file = entry->d_name;
		if (vm_file_is_definition(file) && is_file_of(folder, file, name))
			return strdup(file);
	}
	return NULL;
}

bool problems_has_file(const struct lab *lab, const char *name)
{
	_cleanup_free_ char *file = file_of(lab->vms_dir, name);

	return file != NULL;
}

/* All definitions wait for this one to be corrected. */
static bool print_blocking(FILE *f, const struct lab *lab, const struct vm_snapshot *snap)
{
	bool any = false;

	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		if (p->warning || p->serving_last_good || strcmp(p->file, "_defaults.json") != 0)
			continue;
		problem_print(f, lab->vms_dir, p->file, p->where, false, p->text);
		any = true;
	}
	return any;
}

bool problems_hide(
    FILE *f, const struct lab *lab, const struct vm_snapshot *snap, const char *name, struct err *e)
{
	_cleanup_free_ char *file = file_of(lab->vms_dir, name);

	if (!file)
		return false;
	bool own = print_matching(f, lab, snap, file) > 0, all = print_blocking(f, lab, snap);
	if (own)
		err_set(e, EINVAL, "the definition of %s is refused, see above", name);
	else if (all)
		err_set(e, EINVAL,
		    "the definition of %s waits until _defaults.json is corrected, see above",
		    name);
	else
		err_set(e, EINVAL,
		    "the definition of %s, %s/%s, is not used: `vmlab validate %s` says why", name,
		    lab->vms_dir, file, file);
	return true;
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
