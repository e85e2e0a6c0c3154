/* unattended_cmd.c - `vmlab unattended`: what another system's installer would get for a VM. Needs
 * no running lab.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/unattended/format.h"
#include "lib/unattended/stage4.h"
#include "lib/unattended/template.h"
#include "vmlab/judge/installer.h"
#include "vmlab/lab/command.h"

/* A lab's own, where nobody has given another. */
#define EXAMPLE_BASE "http://192.168.100.1"

struct wanted {
	const char *format; /* NULL: what the definition says */
	bool stage4;
};

static int make_own(const struct lab *lab, const char *name, const struct unattended_source *s,
    char **text, struct err *e)
{
	struct vm_where where;

	int r = template_make(lab->vms_dir, name, s, text, &where, e);
	return r < 0 && where.line > 0
		   ? err_wrap(e, TEMPLATE_FOLDER "/%s:%d:%d", name, where.line, where.column)
		   : r;
}

static int make_format(const struct lab *lab, const struct wanted *w,
    const struct unattended_source *s, char **text, struct err *e)
{
	const struct unattended_format *format =
	    w->format ? unattended_format_find(w->format) : installer_of(lab, s->vm, e);

	if (!format && w->format)
		err_set(e, EINVAL,
		    "there is no format %.40s: there are preseed, kickstart and autoinstall",
		    w->format);
	return format ? unattended_make(format, s, text, e) : -EINVAL;
}

static int print_for(
    const struct lab *lab, const struct wanted *w, const struct vm *vm, struct err *e)
{
	struct unattended_source source = {.vm = vm, .base = EXAMPLE_BASE, .nic = vm->mac};
	_cleanup_free_ char *text = NULL;
	const char *own;
	int r;

	if (w->stage4)
		r = stage4_make(&source, &text, e);
	else if (!w->format && unattended_kind(vm, &own) == UNATTENDED_OWN)
		r = make_own(lab, own, &source, &text, e);
	else
		r = make_format(lab, w, &source, &text, e);
	if (r == 0 && fputs(text, stdout) < 0)
		return err_errno(e, "cannot print");
	return r;
}

static int print_named(struct lab *lab, const struct wanted *w, const char *name, struct err *e)
{
	struct container_list none = CONTAINER_LIST_INIT;
	struct vm_store *store = NULL;

	int r = lab_adopt(lab, &none, e);
	if (r == 0)
		r = definitions_open(lab, &store, e);
	if (r < 0)
		return r;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	r = vm ? print_for(lab, w, vm, e)
	       : err_set(e, ENOENT,
		     "no definition in force is called %s: `vmlab validate` tells what is wrong",
		     name);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return r;
}

static int unattended_run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {
	    {"format", required_argument, NULL, 'f'}, {"stage4", no_argument, NULL, '4'}, {0}};
	struct wanted w = {0};
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'f')
			w.format = optarg;
		w.stage4 |= o == '4';
		if (o == '?')
			return command_wrong_option(&unattended_command, argv);
	}
	if (argc - optind != 1)
		return command_usage(&unattended_command, "name one VM");
	return print_named(lab, &w, argv[optind], &e) < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command unattended_command = {
    .name = "unattended",
    .args = "[--format FORMAT] [--stage4] NAME",
    .summary = "print the file by which another system's installer asks nothing",
    .help =
	"Prints what an installer that is not ours would get for a VM, made from its definition, or from\n"
	"the file of yours that it names. Needs no running lab; in one, URLs and keys are that lab's.\n"
	"\n"
	"  --format FORMAT    preseed, kickstart or autoinstall, in place of what its image takes\n"
	"  --stage4           the script that every such installer runs at its end\n"
	"\n"
	"Examples:\n"
	"  vmlab unattended web1\n"
	"  vmlab unattended --format kickstart web1\n",
    .run = unattended_run,
    .operands = OPERANDS_VM,
};
