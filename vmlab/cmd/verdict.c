#include "vmlab/cmd/verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/boot/boot.h"
#include "lib/unattended/format.h"
#include "lib/unattended/template.h"
#include "vmlab/judge/installer.h"
#include "vmlab/judge/preflight.h"
#include "vmlab/lab/api.h"
#include "vmlab/lab/problems.h"

/* One file and what it comes to. */
struct judged {
	struct verdict *v;
	const struct lab *lab;
	const struct vm *vm;
	const char *file;
	char *text; /* NULL: it cannot be read any more */
	size_t len;
	bool shared;        /* a profile: what it does not say itself is not its own */
	const char *format; /* of unattended files, while one is judged */
};

void verdict_add(struct verdict *v, const char *folder, const char *file, struct vm_where where,
    bool warning, const char *text)
{
	struct vm_problem p = {
	    .file = (char *)file, .where = where, .text = (char *)text, .warning = warning};

	if (warning)
		v->warnings++;
	else
		v->errors++;
	if (v->json)
		json_array_append_new(v->list, problem_json(&p));
	else
		problem_print(stdout, folder, file, where, warning, text);
}

static struct vm_where place(const struct judged *j, const char *field)
{
	return problem_where(j->text, j->len, field);
}

/* Whether the file itself has the field. */
static bool says(const struct judged *j, const char *field)
{
	return place(j, field).line > 0;
}

/* `fmt`: what follows the field's name. */
__attribute__((format(printf, 3, 4))) static void warn(
    const struct judged *j, const char *field, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	if (j->shared && !says(j, field))
		return;
	int used = snprintf(text, sizeof(text), "\"%.60s\"", field);
	va_start(ap, fmt);
	vsnprintf(text + used, sizeof(text) - (size_t)used, fmt, ap);
	va_end(ap);
	verdict_add(j->v, j->lab->vms_dir, j->file, place(j, field), true, text);
}

/* ---- what is valid and will not work all the same ---------------------------------------- */

static void judge_outlook(const struct judged *j)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	struct err e = ERR_INIT;
	struct preflight found;

	if (subject_load(j->lab, j->vm, &subject, &e) < 0) {
		verdict_add(j->v, j->lab->vms_dir, j->file, (struct vm_where){0, 0}, true, e.msg);
		return;
	}
	preflight_check(&subject, &found);
	for (size_t i = 0; i < found.count; i++)
		if (strcmp(found.finding[i].field, "role") != 0 || !says(j, "pxeboot"))
			warn(j, found.finding[i].field, ": %s", found.finding[i].text);
}

/* ---- what has no effect ------------------------------------------------------------------ */

static const struct {
	const char *field;
	const struct boot_mode *modes[2]; /* in which it has one */
	const char *advice;
} effects[] = {
    {"image", {&boot_mode_boot, &boot_mode_menu},
	"only \"boot\" boots it: write \"mode\": \"boot\", or drop \"image\""},
    {"menu_default", {&boot_mode_menu}, "only \"menu\" has a menu: write that, or drop it"},
    {"menu_timeout", {&boot_mode_menu}, "only \"menu\" has a menu: write that, or drop it"},
};

/* Of what the file says itself: a layer may serve machines of several modes. */
static void judge_effects(const struct judged *j)
{
	const struct boot_mode *mode = boot_mode_at(j->vm->mode);

	if (!j->vm->pxeboot || (j->shared && !says(j, "mode")))
		return;
	for (size_t i = 0; i < sizeof(effects) / sizeof(*effects); i++)
		if (effects[i].modes[0] != mode && effects[i].modes[1] != mode &&
		    says(j, effects[i].field))
			warn(j, effects[i].field, " has no effect with \"mode\": \"%s\": %s",
			    mode->name, effects[i].advice);
}

/* ---- unattended files -------------------------------------------------------------------- */

/* What another system's installer cannot do of what the definition says. */
static void on_gap(void *ctx, const char *field, const char *sentence)
{
	const struct judged *j = ctx;

	warn(j, field, " (%s): %s", j->format, sentence);
}

struct own_file {
	const struct judged *j;
	const char *name; /* below vms/ */
};

static void on_wrong(void *ctx, struct vm_where where, const char *sentence)
{
	const struct own_file *own = ctx;

	verdict_add(own->j->v, own->j->lab->vms_dir, own->name, where, false, sentence);
}

/* At the places in the user's own file, or else at the field that names it. */
static void judge_own_file(
    const struct judged *j, const struct unattended_source *source, const char *name)
{
	char shown[200];
	struct own_file own = {j, shown};
	const struct template_teller teller = {on_wrong, &own};
	struct err e = ERR_INIT;

	snprintf(shown, sizeof(shown), TEMPLATE_FOLDER "/%s", name);
	if (template_check(j->lab->vms_dir, name, source, &teller, &e) < 0)
		verdict_add(j->v, j->lab->vms_dir, j->file, place(j, "unattended"), false, e.msg);
}

static void judge_unattended(struct judged *j)
{
	const struct vm *vm = j->vm;
	struct unattended_source source = {.vm = vm, .base = "http://192.0.2.1", .nic = vm->mac};
	struct unattended_teller teller = {on_gap, j};
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
	if (kind == UNATTENDED_NONE || (j->shared && !says(j, field)))
		return;
	if (!by_menu && boot_mode_of(vm) != &boot_mode_unattended &&
	    (!j->shared || says(j, "mode")))
		warn(j, field,
		    j->vm->pxeboot
			? " has no effect in this mode: only a boot image takes the file; write \"mode\": \"boot\" and its \"image\""
			: " has no effect with \"pxeboot\": false, which a file with \"role\" has unless it says otherwise: write \"pxeboot\": true, \"mode\": \"boot\" and its \"image\"");
	if (kind == UNATTENDED_OWN) {
		judge_own_file(j, &source, own);
	} else if ((format = installer_of(j->lab, vm, &e))) {
		j->format = format->name;
		unattended_gaps(format, vm, &teller);
	} else if (!j->shared || says(j, "image")) {
		verdict_add(j->v, j->lab->vms_dir, j->file, place(j, field), true, e.msg);
	}
}

/* ---- all of it --------------------------------------------------------------------------- */

static void judge(struct judged *j)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err ignored = ERR_INIT;

	if (asprintf(&path, "%s/%s", j->lab->vms_dir, j->file) < 0)
		path = NULL;
	if (path && file_read(path, VM_FILE_MAX_BYTES, &text, &j->len, &ignored) == 0)
		j->text = text;
	judge_outlook(j);
	judge_effects(j);
	judge_unattended(j);
	j->text = NULL;
}

void verdict_vm(struct verdict *v, const struct lab *lab, const struct vm *vm, const char *file)
{
	judge(&(struct judged){.v = v, .lab = lab, .vm = vm, .file = file});
}

static const json_t *find_profile(void *ctx, const char *name, struct err *e)
{
	const json_t *fields = json_object_get(vm_snapshot_profiles(ctx), name);

	if (!fields)
		err_set(e, ENOENT, "is no profile");
	return fields;
}

/* A definition that has nothing else; of the architecture that it is for. */
static json_t *definition_of(const json_t *fields, const char *name)
{
	json_t *arch = json_object_get(json_object_get(fields, "match"), "arch");
	json_t *doc =
	    json_pack("{s:s, s:s, s:s}", "name", "x", "mac", "02:00:00:00:00:01", "profile", name);

	if (json_is_string(arch) && !json_object_get(fields, "arch"))
		json_object_set(doc, "arch", arch);
	return doc;
}

/* One that is whole only together with others is judged in the definitions that name it. */
void verdict_profile(
    struct verdict *v, const struct lab *lab, const struct vm_snapshot *snap, const char *name)
{
	const char *said = vm_snapshot_defaults(snap);
	_cleanup_json_ json_t *defaults = said ? json_loads(said, 0, NULL) : NULL;
	_cleanup_json_ json_t *doc =
	    definition_of(json_object_get(vm_snapshot_profiles(snap), name), name);
	_cleanup_free_ char *text = doc ? json_dumps(doc, 0) : NULL, *file = NULL;
	const struct vm_base base = {defaults, find_profile, (void *)snap};
	const struct vm_listener nobody = {0};
	struct err ignored = ERR_INIT;
	struct vm_where where;
	struct vm *vm;

	if (!text || asprintf(&file, "_profiles/%s.json", name) < 0) {
		file = NULL;
		return;
	}
	if (vm_parse_all(text, strlen(text), &base, &vm, &where, &nobody, &ignored) < 0)
		return;
	judge(&(struct judged){.v = v, .lab = lab, .vm = vm, .file = file, .shared = true});
	vm_free(vm);
}
