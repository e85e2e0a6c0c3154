#include "vmlab/cmd/define_file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vmlab/judge/preflight.h"
#include "vmlab/lab/beside.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/problems.h"

/* Refuses what another file says already, also one that is refused itself: the stack would not use
 * the new one. */
static int check_free(const struct lab *lab, const struct define_words *w, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir(lab->vms_dir);
	struct define_claims claims;
	struct dirent *entry;
	struct err ignored = ERR_INIT;

	if (define_claims_of(w, &claims, e) < 0)
		return -e->code;
	while (d && (entry = readdir(d))) {
		const char *dot = strrchr(entry->d_name, '.'), *field;
		_cleanup_free_ char *text = NULL, *path = NULL;
		size_t len;
		if (!vm_file_is_definition(entry->d_name) || !dot ||
		    (strncmp(entry->d_name, w->name, (size_t)(dot - entry->d_name)) == 0 &&
			w->name[dot - entry->d_name] == '\0'))
			continue; /* its own file is write_new()'s to refuse */
		if (asprintf(&path, "%s/%s", lab->vms_dir, entry->d_name) < 0)
			return err_set(e, ENOMEM, "out of memory");
		if (file_read(path, VM_FILE_MAX_BYTES, &text, &len, &ignored) < 0 ||
		    !(field = define_taken(&claims, text, len)))
			continue;
		return err_set(e, EEXIST, "%s \"%s\" is taken by %s: give another%s", field,
		    strcmp(field, "name") == 0 ? w->name
		    : strcmp(field, "ip") == 0 ? w->ip
					       : w->mac,
		    path, strcmp(field, "name") == 0 ? "" : ", or leave the option out");
	}
	return 0;
}

/* Refuses text that the lab would refuse, before anything is written. */
static int check_text(const struct lab *lab, const char *text, struct err *e)
{
	_cleanup_beside_ struct beside beside = {0};
	const struct vm_listener nobody = {0};
	struct vm_where where;
	struct vm *vm = NULL;

	int r = beside_open(&beside, lab->vms_dir, e);
	if (r == 0)
		r = vm_parse_all(text, strlen(text), &beside.base, &vm, &where, &nobody, e);
	vm_free(vm);
	return r;
}

static int write_new(const char *path, const char *text, struct err *e)
{
	int r = atomic_file_create(path, text, strlen(text), 0644, e);

	return r == -EEXIST
		   ? err_set(e, EEXIST, "%s exists already: edit it, or choose another name", path)
		   : r;
}

/* What can be known of its installation by now. */
static void print_outlook(FILE *f, const struct lab *lab, const struct vm *vm)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	struct preflight found = {0};
	struct err e = ERR_INIT;

	if (subject_load(lab, vm, &subject, &e) == 0)
		preflight_check(&subject, &found);
	else
		fprintf(f, "%s: warning: %s\n", vm->name, e.msg);
	for (size_t i = 0; i < found.count; i++)
		fprintf(f, "%s: %s\"%s\": %s\n", vm->name,
		    found.finding[i].fatal ? "" : "warning: ", found.finding[i].field,
		    found.finding[i].text);
}

/* What only the folder as a whole can tell: two machines with one address. Says what `vmlab
 * validate` would say of a definition that is used. */
static int check_conflicts(struct lab *lab, const char *name, struct err *e)
{
	struct vm_store *store = NULL;

	int r = definitions_open(lab, &store, e);
	if (r < 0)
		return r;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	if (vm) {
		problems_print_vm(stderr, lab, snap, name);
		print_outlook(stderr, lab, vm);
	} else {
		if (!problems_hide(stderr, lab, snap, name, e))
			err_set(e, EINVAL, "it is not used");
		r = err_wrap(e, "%s/%s.json is not written", lab->vms_dir, name);
	}
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return r;
}

int define_write(
    struct lab *lab, const struct define_words *w, char **path_out, char **text_out, struct err *e)
{
	_cleanup_free_ char *text = NULL, *path = NULL;

	if (!vm_label_valid(w->name))
		return err_set(e, EINVAL,
		    "\"%s\" is no VM name: lower case letters, digits and '-', at most 63 characters, no '-' at either end",
		    w->name);
	if (asprintf(&path, "%s/%s.json", lab->vms_dir, w->name) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	int r = check_free(lab, w, e);
	if (r < 0)
		return r;
	text = define_render(w);
	if (!text)
		return err_set(
		    e, EINVAL, "what is given is not UTF-8, which definitions are written in");
	r = check_text(lab, text, e);
	if (r == 0)
		r = write_new(path, text, e);
	if (r == 0) {
		r = check_conflicts(lab, w->name, e);
		if (r < 0)
			unlink(path); /* ours: write_new() overwrites nothing */
	}
	if (r < 0)
		return r;
	*path_out = steal_ptr(path);
	*text_out = steal_ptr(text);
	return 0;
}

int define_set(json_t *more, const char *text, struct err *e)
{
	size_t len = strcspn(text, "=");
	_cleanup_free_ char *name = strndup(text, len);

	if (!name)
		return err_set(e, ENOMEM, "out of memory");
	if (!text[len])
		return err_set(e, EINVAL, "--set \"%s\" is not FIELD=VALUE", text);
	if (strcmp(name, "name") == 0)
		return err_set(e, EINVAL,
		    "--set: a machine's name is given as NAME, and its file is called so");
	json_t *value = vm_field_value(name, text + len + 1, e);
	return value ? json_object_set_new(more, name, value) : err_wrap(e, "--set");
}
