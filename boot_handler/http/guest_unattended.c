#include "boot_handler/http/guest_unattended.h"

#include <errno.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/json/yaml_text.h"
#include "lib/unattended/format.h"
#include "lib/unattended/stage4.h"
#include "lib/unattended/template.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

static struct unattended_source source_of(const struct call *c, const json_t *keys)
{
	struct services *services = c->services;
	struct unattended_source source = {
	    .vm = c->vm,
	    .base = services->urls.base,
	    .keys = keys,
	    .domain = services->domain,
	    .dns = services->dns,
	};

	state_nic(services->state, &c->vm->mac, &source.nic);
	return source;
}

/* The machine is known: 409. */
static int log_none(const struct call *c, const struct err *e)
{
	if (state_line_is_due(c->services->state, &c->vm->mac, c->vm->name, STATE_LINE_NO_FILE))
		log_warn("no unattended file for %s: %s", c->vm->name, e->msg);
	return -EBUSY;
}

/* A user's own file is read when it is asked for: once an install. */
static int own_file(const struct call *c, const char *name, const struct unattended_source *source,
    char **text, struct err *e)
{
	struct vm_where where;

	if (template_make(c->services->vms_dir, name, source, text, &where, e) == 0)
		return 0;
	if (where.line > 0)
		err_wrap(e, "%s:%d:%d", name, where.line, where.column);
	return log_none(c, e);
}

/* After a restart of ours it is not known what was chosen: then what the definition means. */
static const char *image_name(
    const struct services *services, const struct vm *vm, char buf[IMAGE_NAME_SIZE])
{
	if (boot_mode_of(vm) == &boot_mode_menu &&
	    state_chosen_image(services->state, &vm->mac, buf))
		return buf;
	return unattended_image(vm, buf);
}

const struct unattended_format *guest_installer(
    const struct services *services, const struct vm *vm, struct err *e)
{
	char buf[IMAGE_NAME_SIZE];
	const char *name = image_name(services, vm, buf);
	const struct boot_image *image =
	    images_boot(services->images, name, vm->arch, IMAGE_BOOTED);

	return unattended_format_of(name, image ? image->boot.unattended_format : NULL, e);
}

static int made_file(
    const struct call *c, const struct unattended_source *source, char **text, struct err *e)
{
	const struct unattended_format *format = guest_installer(c->services, c->vm, e);

	return format ? unattended_make(format, source, text, e) : log_none(c, e);
}

/* Who fetches its file has come up. */
static void note_sign(const struct call *c)
{
	enum machine_state now = state_life(c->services->state, &c->vm->mac).state;

	if (!c->request->head && (now == MACHINE_BOOTING || now == MACHINE_INSTALLING))
		state_logged(c->services->state, &c->vm->mac, c->vm->name, NULL);
}

int guest_unattended(const struct call *c, struct server_answer *a, struct err *e)
{
	const char *file;
	enum unattended_kind kind = unattended_kind(c->vm, &file);
	char *text = NULL;

	if (kind == UNATTENDED_NONE && boot_mode_of(c->vm) == &boot_mode_menu)
		kind = UNATTENDED_MADE;
	if (kind == UNATTENDED_NONE)
		return err_set(e, ENOENT,
		    "%s has no unattended file: write \"unattended\": true into its definition",
		    c->vm->name);
	note_sign(c);
	json_t *keys = keys_get(c->services->keys);
	struct unattended_source source = source_of(c, keys);
	int r = kind == UNATTENDED_OWN ? own_file(c, file, &source, &text, e)
				       : made_file(c, &source, &text, e);
	json_decref(keys);
	if (r == 0)
		server_answer_text(a, TEXT_TYPE, text);
	return r;
}

/* The attempt is in it, as cloud-init does once for an instance what it is told. */
static int meta_data(const struct call *c, struct server_answer *a, struct err *e)
{
	json_t *json = json_pack("{s:o, s:s}", "instance-id",
	    json_sprintf("%s-unattended-%u", c->vm->name,
		state_life(c->services->state, &c->vm->mac).attempt),
	    "local-hostname", c->vm->hostname);
	char *text = json ? yaml_text(json) : NULL;

	json_decref(json);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	server_answer_text(a, TEXT_TYPE, text);
	return 0;
}

int guest_unattended_nocloud(const struct call *c, struct server_answer *a, struct err *e)
{
	const char *file;

	switch (c->request->route->document) {
	case ROUTE_META_DATA:
		if (unattended_kind(c->vm, &file) != UNATTENDED_NONE ||
		    boot_mode_of(c->vm) == &boot_mode_menu)
			return meta_data(c, a, e);
		return guest_unattended(c, a, e);
	case ROUTE_USER_DATA:
		return guest_unattended(c, a, e);
	case ROUTE_VENDOR_DATA:
		server_answer_text(a, TEXT_TYPE, strdup(""));
		return 0;
	case ROUTE_NETWORK_CONFIG:
		/* Where there is none, cloud-init asks ten times. */
		server_answer_text(a, TEXT_TYPE, strdup("{}\n"));
		return 0;
	}
	return err_set(e, ENOENT, "there is nothing at this path");
}

int guest_stage4(const struct call *c, struct server_answer *a, struct err *e)
{
	json_t *keys = keys_get(c->services->keys);
	struct unattended_source source = source_of(c, keys);
	char *text = NULL;

	note_sign(c);
	int r = stage4_make(&source, &text, e);
	json_decref(keys);
	if (r == 0)
		server_answer_text(a, TEXT_TYPE, text);
	return r;
}
