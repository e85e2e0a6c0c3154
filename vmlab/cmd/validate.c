/* validate.c - `vmlab validate`: whether the files in vms/ can be used. Needs no container engine.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vmlab/cmd/verdict.h"
#include "vmlab/lab/beside.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/problems.h"
#include "vmlab/lab/readable.h"

static int no_containers(struct lab *lab, struct err *e)
{
	struct container_list none = CONTAINER_LIST_INIT;

	return lab_adopt(lab, &none, e);
}

/* ---- validate -------------------------------------------------------------------------------- */

struct report {
	struct verdict verdict;
	size_t files;
	const char *file;
	bool held_back; /* all definitions, by _defaults.json: what they come to is not known */
};

static void on_warning(void *ctx, struct vm_where where, const char *text)
{
	struct report *rp = ctx;

	verdict_add(&rp->verdict, NULL, rp->file, where, true, text);
}

static void on_error(void *ctx, struct vm_where where, const char *text)
{
	struct report *rp = ctx;

	verdict_add(&rp->verdict, NULL, rp->file, where, false, text);
}

static void validate_profiles(
    struct report *rp, const struct lab *lab, const struct vm_snapshot *snap)
{
	const char *name;
	json_t *fields;

	json_object_foreach((json_t *)vm_snapshot_profiles(snap), name, fields)
		verdict_profile(&rp->verdict, lab, snap, name);
}

static void validate_folder(
    struct report *rp, const struct lab *lab, const struct vm_snapshot *snap, const char *only)
{
	char complaint[PATH_MAX + 200], path[PATH_MAX];

	if (!only && readable_complaint(lab->vms_dir, complaint, sizeof(complaint)))
		verdict_add(
		    &rp->verdict, NULL, lab->vms_dir, (struct vm_where){0, 0}, true, complaint);
	for (size_t i = 0; i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		const char *file = vm_snapshot_file(snap, vm);
		snprintf(path, sizeof(path), "%s/%s", lab->vms_dir, file);
		if ((!only || strcmp(only, file) == 0) &&
		    readable_complaint(path, complaint, sizeof(complaint)))
			verdict_add(&rp->verdict, lab->vms_dir, file, (struct vm_where){0, 0}, true,
			    complaint);
		if (!rp->held_back && (!only || strcmp(only, file) == 0))
			verdict_vm(&rp->verdict, lab, vm, file);
	}
	if (!only && !rp->held_back)
		validate_profiles(rp, lab, snap);
	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		if (!only || strcmp(only, p->file) == 0)
			verdict_add(
			    &rp->verdict, lab->vms_dir, p->file, p->where, p->warning, p->text);
	}
}

static int parse_alone(struct report *rp, const char *path, const char *text, size_t len,
    struct vm_where *where, struct err *e)
{
	struct vm_listener listener = {on_warning, on_error, rp};
	_cleanup_beside_ struct beside beside = {0};
	_cleanup_json_ json_t *shared = NULL;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *folder = strndup(path, (size_t)(name - path)),
			    *real = realpath(*folder ? folder : ".", NULL);
	const char *parent = real ? strrchr(real, '/') : NULL;
	struct vm *vm = NULL;

	if (strcmp(name, "_defaults.json") == 0)
		return vm_defaults_parse_all(text, len, &shared, where, &listener, e);
	if (parent && strcmp(parent, "/_profiles") == 0)
		return vm_profile_parse_all(text, len, &shared, where, &listener, e);
	if (vm_text_is_provisioner(text, len)) {
		verdict_add(&rp->verdict, NULL, path, *where, true,
		    "\"role\": \"provisioner\" is pvmlab's own machine, which is skipped");
		return 0;
	}
	int r = beside_open(&beside, *folder ? folder : ".", e);
	if (r == 0)
		r = vm_parse_all(text, len, &beside.base, &vm, where, &listener, e);
	vm_free(vm);
	return r;
}

/* A file that is not in vms/: on its own, with the defaults and profiles beside it. */
static void validate_alone(struct report *rp, const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct vm_where where = {0, 0};
	struct err e = ERR_INIT;
	size_t len;

	rp->file = path;
	int r = file_read(path, VM_FILE_MAX_BYTES, &text, &len, &e);
	if (r == -ENOENT)
		err_set(&e, ENOENT, "there is no such file%s",
		    strchr(path, '/') ? "" : ", and no VM of that name");
	if (r == 0)
		r = parse_alone(rp, path, text, len, &where, &e);
	if (r < 0)
		verdict_add(&rp->verdict, NULL, path, where, false, e.msg);
}

/* The base name when `path` lies directly in vms/, else NULL. */
static const char *in_folder(const struct lab *lab, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder =
	    slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	_cleanup_free_ char *real = folder ? realpath(folder, NULL) : NULL;
	const char *base = slash ? slash + 1 : path;

	if (!lab->vms_dir || !real || strcmp(real, lab->vms_dir) != 0 || *base == '_')
		return NULL;
	return access(path, F_OK) == 0 ? base : NULL;
}

/* The profile that the file is, of the lab's own folder and in force; NULL: none. Points into buf.
 */
static const char *profile_of(
    const struct lab *lab, const struct vm_snapshot *snap, const char *path, char buf[PATH_MAX])
{
	char own[PATH_MAX];
	size_t len;

	snprintf(own, sizeof(own), "%s/_profiles/", lab->vms_dir ? lab->vms_dir : "");
	if (!snap || !lab->vms_dir || !realpath(path, buf) || strncmp(buf, own, strlen(own)) != 0 ||
	    (len = strlen(buf)) < sizeof(".json"))
		return NULL;
	buf[len - strlen(".json")] = '\0';
	const char *name = buf + strlen(own);
	return json_object_get(vm_snapshot_profiles(snap), name) ? name : NULL;
}

/* A VM's name, where no file is called so, stands for its file; caller frees. */
static char *file_of(const struct lab *lab, const struct vm_snapshot *snap, const char *word)
{
	const struct vm *vm = snap ? vm_snapshot_by_name(snap, word) : NULL;
	char *path;

	if (!lab->vms_dir || !vm_name_valid(word) || access(word, F_OK) == 0 ||
	    asprintf(&path, "%s/%s.json", lab->vms_dir, word) < 0)
		return strdup(word);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	if (!vm)
		return strdup(word);
	return asprintf(&path, "%s/%s", lab->vms_dir, vm_snapshot_file(snap, vm)) < 0 ? NULL : path;
}

/* A broken _defaults.json holds all definitions back; what is wrong with them is to be seen all the
 * same. */
static int look_behind_defaults(
    struct lab *lab, struct vm_store **store, bool *held_back, struct err *e)
{
	const struct vm_snapshot *snap = vm_store_snapshot(*store);

	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		*held_back |=
		    !p->warning && !p->serving_last_good && strcmp(p->file, "_defaults.json") == 0;
	}
	vm_snapshot_unref(snap);
	if (!*held_back)
		return 0;
	vm_store_close(*store);
	*store = NULL;
	return lab_open_store(lab, VM_HOLDERS_NO_DEFAULTS, store, e);
}

static int validate(struct lab *lab, struct report *rp, int count, char **files, struct err *e)
{
	struct vm_store *store = NULL;
	const struct vm_snapshot *snap = NULL;
	char buf[PATH_MAX];

	int r = no_containers(lab, e);
	if (r == 0 && (r = lab_need_images(lab, e)) < 0)
		return r;
	if (r == 0 && (count == 0 || lab->vms_dir))
		r = definitions_open(lab, &store, e);
	if (r == 0 && store)
		r = look_behind_defaults(lab, &store, &rp->held_back, e);
	if (r < 0 && count == 0)
		return r;
	if (store)
		snap = vm_store_snapshot(store);
	if (count == 0) {
		validate_folder(rp, lab, snap, NULL);
		rp->files = vm_snapshot_count(snap);
	}
	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *file = file_of(lab, snap, files[i]);
		const char *base = file && snap ? in_folder(lab, file) : NULL;
		if (base)
			validate_folder(rp, lab, snap, base);
		else
			validate_alone(rp, file ? file : files[i]);
		const char *profile = base || rp->held_back
					  ? NULL
					  : profile_of(lab, snap, file ? file : files[i], buf);
		if (profile)
			verdict_profile(&rp->verdict, lab, snap, profile);
		rp->files++;
	}
	if (snap)
		vm_snapshot_unref(snap);
	if (store)
		vm_store_close(store);
	return 0;
}

static int validate_run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	struct report rp = {0};
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		rp.verdict.json |= o == 'j';
		if (o == '?')
			return command_wrong_option(&validate_command, argv);
	}
	_cleanup_json_ json_t *list = rp.verdict.list = json_array();
	int r = validate(lab, &rp, argc - optind, argv + optind, &e);
	if (r < 0)
		return command_fail(&e);
	if (rp.verdict.json) {
		_cleanup_json_ json_t *doc =
		    json_pack("{s:b, s:O}", "valid", rp.verdict.errors == 0, "problems", list);
		json_dumpf(doc, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (rp.verdict.errors == 0) {
		printf("%zu definition%s, no error%s\n", rp.files, rp.files == 1 ? "" : "s",
		    rp.verdict.warnings ? ", see the warnings" : "");
	}
	return rp.verdict.errors == 0 ? STATUS_OK : STATUS_FAILED;
}

const struct command validate_command = {
    .name = "validate",
    .args = "[--json] [FILE or NAME...]",
    .summary = "check definitions: file, line and column of whatever is wrong",
    .help =
	"Checks all of vms/, or these files and VMs, exactly as the lab will: syntax, every field, and\n"
	"two files that claim one name, MAC, IP, UUID or serial number. Needs no running lab.\n"
	"\n"
	"  --json    {\"valid\",\"problems\":[{\"file\",\"line\",\"column\",\"text\",\"warning\"}]}\n"
	"\n"
	"Examples:\n"
	"  vmlab validate\n"
	"  vmlab validate web1\n"
	"  vmlab validate elsewhere/web1.json\n"
	"\n"
	"Exit status: 0 all valid (there may be warnings), 1 something is wrong.\n",
    .run = validate_run,
};
