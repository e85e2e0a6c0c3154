/* definitions.c - `vmlab validate`, `vmlab schema`, `vmlab reference`: commands about the files in
 * vms/. None of them needs a container engine.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/boot/boot.h"
#include "lib/unattended/format.h"
#include "lib/unattended/template.h"
#include "vmlab/lab/beside.h"
#include "vmlab/lab/command.h"
#include "vmlab/judge/installer.h"
#include "vmlab/judge/preflight.h"
#include "vmlab/lab/problems.h"
#include "vmlab/lab/readable.h"

static int no_containers(struct lab *lab, struct err *e)
{
	struct container_list none = CONTAINER_LIST_INIT;

	return lab_adopt(lab, &none, e);
}

/* ---- validate -------------------------------------------------------------------------------- */

struct report {
	bool json;
	json_t *list;
	size_t errors, warnings, files;
	const char *file;
	bool held_back; /* all definitions, by _defaults.json: what they come to is not known */
};

static void report_add(struct report *rp, const char *folder, const char *file,
    struct vm_where where, bool warning, const char *text)
{
	struct vm_problem p = {
	    .file = (char *)file, .where = where, .text = (char *)text, .warning = warning};

	if (warning)
		rp->warnings++;
	else
		rp->errors++;
	if (rp->json)
		json_array_append_new(rp->list, problem_json(&p));
	else
		problem_print(stdout, folder, file, where, warning, text);
}

static void on_warning(void *ctx, struct vm_where where, const char *text)
{
	struct report *rp = ctx;

	report_add(rp, NULL, rp->file, where, true, text);
}

static void on_error(void *ctx, struct vm_where where, const char *text)
{
	struct report *rp = ctx;

	report_add(rp, NULL, rp->file, where, false, text);
}

/* What is valid and will not work all the same, at the field that says it. */
static void validate_outlook(
    struct report *rp, const struct lab *lab, const struct vm *vm, const char *file)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err e = ERR_INIT;
	struct preflight found;
	size_t len = 0;

	if (subject_load(lab, vm, &subject, &e) < 0) {
		report_add(rp, lab->vms_dir, file, (struct vm_where){0, 0}, true, e.msg);
		return;
	}
	preflight_check(&subject, &found);
	if (found.count > 0 && asprintf(&path, "%s/%s", lab->vms_dir, file) > 0 &&
	    file_read(path, VM_FILE_MAX_BYTES, &text, &len, &e) < 0)
		text = NULL;
	for (size_t i = 0; i < found.count; i++) {
		const struct preflight_finding *f = &found.finding[i];
		char sentence[1100];
		snprintf(sentence, sizeof(sentence), "\"%s\": %s", f->field, f->text);
		report_add(
		    rp, lab->vms_dir, file, problem_where(text, len, f->field), true, sentence);
	}
}

/* What another system's installer cannot do of what the definition says. */
struct gap_report {
	struct report *rp;
	const struct lab *lab;
	const char *file, *format, *text;
	size_t len;
};

static void on_gap(void *ctx, const char *field, const char *sentence)
{
	struct gap_report *g = ctx;
	char text[1100];

	snprintf(text, sizeof(text), "\"%s\" (%s): %s", field, g->format, sentence);
	report_add(
	    g->rp, g->lab->vms_dir, g->file, problem_where(g->text, g->len, field), true, text);
}

/* At the place in the user's own file, or else at the field that names it. */
static void validate_own_file(
    const struct gap_report *g, const struct unattended_source *source, const char *name)
{
	_cleanup_free_ char *made = NULL;
	struct vm_where where;
	struct err e = ERR_INIT;
	char shown[200];

	if (template_make(g->lab->vms_dir, name, source, &made, &where, &e) == 0)
		return;
	snprintf(shown, sizeof(shown), TEMPLATE_FOLDER "/%s", name);
	bool inside = where.line > 0;
	report_add(g->rp, g->lab->vms_dir, inside ? shown : g->file,
	    inside ? where : problem_where(g->text, g->len, "unattended"), false, e.msg);
}

static void validate_unattended(
    struct report *rp, const struct lab *lab, const struct vm *vm, const char *file)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct unattended_source source = {.vm = vm, .base = "http://192.0.2.1", .nic = vm->mac};
	struct gap_report gaps = {.rp = rp, .lab = lab, .file = file};
	struct unattended_teller teller = {on_gap, &gaps};
	const struct unattended_format *format;
	struct err e = ERR_INIT;
	bool by_menu = boot_mode_of(vm) == &boot_mode_menu;
	const char *own, *field = "unattended";
	char image[MENU_NAME_MAX + 1];
	enum unattended_kind kind = unattended_kind(vm, &own);

	if (kind == UNATTENDED_NONE && by_menu && menu_choice_split(vm->menu_default, image)) {
		kind = UNATTENDED_MADE;
		field = "menu_default";
	}
	if (kind == UNATTENDED_NONE)
		return;
	if (asprintf(&path, "%s/%s", lab->vms_dir, file) < 0 ||
	    file_read(path, VM_FILE_MAX_BYTES, &text, &gaps.len, &e) < 0)
		text = NULL;
	gaps.text = text;
	if (!by_menu && boot_mode_of(vm) != &boot_mode_unattended)
		report_add(rp, lab->vms_dir, file, problem_where(text, gaps.len, "unattended"),
		    true,
		    "\"unattended\" has no effect in this mode: only a boot image takes the file; write \"mode\": \"boot\" and its \"image\"");
	if (kind == UNATTENDED_OWN) {
		validate_own_file(&gaps, &source, own);
	} else if ((format = installer_of(lab, vm, &e))) {
		gaps.format = format->name;
		unattended_gaps(format, vm, &teller);
	} else {
		report_add(
		    rp, lab->vms_dir, file, problem_where(text, gaps.len, field), true, e.msg);
	}
}

static void validate_folder(
    struct report *rp, const struct lab *lab, const struct vm_snapshot *snap, const char *only)
{
	char complaint[PATH_MAX + 200], path[PATH_MAX];

	if (!only && readable_complaint(lab->vms_dir, complaint, sizeof(complaint)))
		report_add(rp, NULL, lab->vms_dir, (struct vm_where){0, 0}, true, complaint);
	for (size_t i = 0; i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		const char *file = vm_snapshot_file(snap, vm);
		snprintf(path, sizeof(path), "%s/%s", lab->vms_dir, file);
		if ((!only || strcmp(only, file) == 0) &&
		    readable_complaint(path, complaint, sizeof(complaint)))
			report_add(
			    rp, lab->vms_dir, file, (struct vm_where){0, 0}, true, complaint);
		if (!rp->held_back && (!only || strcmp(only, file) == 0))
			validate_outlook(rp, lab, vm, file);
		if (!rp->held_back && (!only || strcmp(only, file) == 0))
			validate_unattended(rp, lab, vm, file);
	}
	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		if (!only || strcmp(only, p->file) == 0)
			report_add(rp, lab->vms_dir, p->file, p->where, p->warning, p->text);
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
		report_add(rp, NULL, path, *where, true,
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
		report_add(rp, NULL, path, where, false, e.msg);
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

/* A VM's name, where no file is called so, stands for its file; caller frees. */
static char *file_of(const struct lab *lab, const char *word)
{
	char *path;

	if (!lab->vms_dir || !vm_name_valid(word) || access(word, F_OK) == 0 ||
	    asprintf(&path, "%s/%s.json", lab->vms_dir, word) < 0)
		return strdup(word);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	return strdup(word);
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
		_cleanup_free_ char *file = file_of(lab, files[i]);
		const char *base = file && snap ? in_folder(lab, file) : NULL;
		if (base)
			validate_folder(rp, lab, snap, base);
		else
			validate_alone(rp, file ? file : files[i]);
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
		rp.json |= o == 'j';
		if (o == '?')
			return command_wrong_option(&validate_command, argv);
	}
	_cleanup_json_ json_t *list = rp.list = json_array();
	int r = validate(lab, &rp, argc - optind, argv + optind, &e);
	if (r < 0)
		return command_fail(&e);
	if (rp.json) {
		_cleanup_json_ json_t *doc =
		    json_pack("{s:b, s:O}", "valid", rp.errors == 0, "problems", list);
		json_dumpf(doc, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (rp.errors == 0) {
		printf("%zu definition%s, no error%s\n", rp.files, rp.files == 1 ? "" : "s",
		    rp.warnings ? ", see the warnings" : "");
	}
	return rp.errors == 0 ? STATUS_OK : STATUS_FAILED;
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

/* ---- schema, reference ----------------------------------------------------------------------- */

static int schema_run(struct lab *lab, int argc, char **argv)
{
	bool profile = argc == 2 && strcmp(argv[1], "profile") == 0;

	(void)lab;
	if (argc > 1 && !profile)
		return command_usage(&schema_command, "it takes no argument but `profile`");
	_cleanup_json_ json_t *schema = profile ? vm_profile_schema() : vm_schema();
	if (!schema || json_dumpf(schema, stdout, JSON_INDENT(2)) < 0)
		return STATUS_FAILED;
	putchar('\n');
	return STATUS_OK;
}

const struct command schema_command = {
    .name = "schema",
    .args = "[profile]",
    .summary = "print the JSON Schema of definitions, or of profiles",
    .help = "For editors that complete and check while you type.\n"
	    "\n"
	    "Examples:\n"
	    "  vmlab schema >vms/vm.schema.json\n"
	    "  vmlab schema profile >vms/profile.schema.json\n",
    .run = schema_run,
};

static int reference_run(struct lab *lab, int argc, char **argv)
{
	struct err e = ERR_INIT;

	(void)lab;
	(void)argv;
	if (argc > 1)
		return command_usage(&reference_command, "it takes no argument");
	return vm_reference_write(stdout, &e) < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command reference_command = {
    .name = "reference",
    .args = "",
    .summary = "print the reference of a definition's fields",
    .help = "Every field with its meaning, default and an example, as Markdown.\n"
	    "\n"
	    "Example:\n"
	    "  vmlab reference | less\n",
    .run = reference_run,
};
