/* manifest_boot.c - the part of a manifest that says what is booted. */
#include "lib/image/boot_args.h"
#include "lib/image/manifest_parts.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

/* The members that are a file, but for initrds. */
static const struct {
	const char *key;
	size_t member;
} files[] = {
    {"kernel", offsetof(struct image_boot, kernel)},
    {"script", offsetof(struct image_boot, script)},
    {"unattended_script", offsetof(struct image_boot, unattended_script)},
    {"efi", offsetof(struct image_boot, efi)},
    {"iso", offsetof(struct image_boot, iso)},
};

#define FILES (sizeof(files) / sizeof(*files))

static const struct image_contents *file_at(const struct image_boot *b, size_t i)
{
	return (const struct image_contents *)((const char *)b + files[i].member);
}

bool image_boot_unattended(const struct image_boot *b)
{
	return b->unattended_args || b->unattended_script.file;
}

size_t image_boot_files(
    const struct image_boot *b, const struct image_contents *out[IMAGE_BOOT_FILES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < FILES; i++)
		if (file_at(b, i)->file)
			out[n++] = file_at(b, i);
	for (unsigned i = 0; i < b->initrds; i++)
		out[n++] = &b->initrd[i];
	for (unsigned i = 0; i < b->firmwares; i++)
		out[n++] = &b->firmware[i];
	return n;
}

const char *image_boot_form(const struct image_boot *b)
{
	if (b->firmwares)
		return "firmware";
	return b->script.file ? "script" : b->efi.file ? "efi" : b->iso.file ? "iso" : "kernel";
}

bool image_suits(const struct image_manifest *m, enum image_use use, struct image_misuse *out)
{
	const char *name = m->distro ? m->distro : "?";

	out->what[0] = out->advice[0] = '\0';
	if (use == IMAGE_INSTALLED && m->boots) {
		snprintf(out->what, sizeof(out->what), "it is one that is booted, not installed");
		snprintf(out->advice, sizeof(out->advice),
		    "write \"mode\": \"boot\", \"image\": \"%s\", or correct distro", name);
	} else if (use == IMAGE_FIRMWARE && !m->boot.firmwares) {
		snprintf(out->what, sizeof(out->what), "it has no files of a board's firmware");
		snprintf(
		    out->advice, sizeof(out->advice), "build it again: vmlab image build %s", name);
	} else if (use != IMAGE_INSTALLED && use != IMAGE_FIRMWARE && m->boot.firmwares) {
		snprintf(out->what, sizeof(out->what),
		    "it is what a Raspberry Pi's firmware loads, which takes no image's name");
		snprintf(out->advice, sizeof(out->advice),
		    "write \"mode\": \"shell\" and the board's serial number, or correct image");
	} else if (use != IMAGE_INSTALLED && !m->boots) {
		snprintf(out->what, sizeof(out->what), "it is one that is installed, not booted");
		snprintf(out->advice, sizeof(out->advice),
		    "write \"mode\": \"install\", \"distro\": \"%s\", or correct image", name);
	} else if (use == IMAGE_UNATTENDED && !image_boot_unattended(&m->boot)) {
		snprintf(out->what, sizeof(out->what),
		    "it says nothing of an installation without questions");
		snprintf(out->advice, sizeof(out->advice),
		    "add it again with --unattended-args, or drop unattended from the definition");
	}
	return !out->what[0];
}

/* ---- reading ----------------------------------------------------------------------------- */

static void read_one(
    struct json_reader *r, const json_t *value, bool whole, struct image_contents *out)
{
	if (!manifest_is_object(r, value))
		return;
	manifest_read_name(r, value, "file", true, NULL, &out->file);
	manifest_read_stored(r, value, whole, out);
}

/* Returns how many were read. */
static unsigned read_list(struct json_reader *r, const json_t *object, const char *key, bool whole,
    struct image_contents *out, unsigned max)
{
	const json_t *list = manifest_enter(r, object, key, false), *one;
	unsigned count = 0;
	size_t i;

	if (list && !json_is_array(list))
		(void)json_refuse(r, "must be a list");
	else if (json_array_size(list) > max)
		(void)json_refuse(r, "has more than %u entries", max);
	else
		json_array_foreach(list, i, one) {
			json_enter_at(r, i);
			read_one(r, one, whole, &out[count++]);
			json_leave(r);
		}
	json_leave(r);
	return count;
}

static void read_args(
    struct json_reader *r, const json_t *object, const char *key, const char **out)
{
	json_t *value = manifest_enter(r, object, key, false);

	if (value && json_read_line(r, value) == 0) {
		if (boot_args_check(json_string_value(value), &r->why) < 0)
			(void)json_refuse_why(r);
		else
			*out = json_string_value(value);
	}
	json_leave(r);
}

/* Of what there is, exactly one is booted on a machine. */
static void check_together(struct json_reader *r, const struct image_boot *b)
{
	unsigned forms = !!b->script.file + !!b->efi.file + !!b->iso.file;

	if (forms > 1 || (b->kernel.file && (b->script.file || b->iso.file)))
		(void)json_refuse(r, "has more than one of kernel, script, efi and iso");
	else if (!forms && !b->kernel.file)
		(void)json_refuse(r, "has none of kernel, script, efi and iso");
	else if (b->initrds && !b->kernel.file)
		(void)json_refuse(r, "has initrds and no kernel");
	else if (b->firmwares && (!b->kernel.file || forms))
		(void)json_refuse(r, "has firmware, which goes with a kernel alone");
	else if (b->unattended_script.file && !b->script.file)
		(void)json_refuse(r, "has unattended_script and no script");
	else if ((b->args || b->unattended_args) && (b->script.file || b->iso.file))
		(void)json_refuse(r, "has args, which nothing takes");
}

void manifest_read_boot(
    struct json_reader *r, const json_t *doc, bool whole, struct image_boot *out)
{
	const json_t *object = manifest_enter(r, doc, "boot", true);
	unsigned before = r->refusals;

	if (object && manifest_is_object(r, object)) {
		for (size_t i = 0; i < FILES; i++) {
			const json_t *value = manifest_enter(r, object, files[i].key, false);
			if (value)
				read_one(r, value, whole,
				    (struct image_contents *)((char *)out + files[i].member));
			json_leave(r);
		}
		out->initrds =
		    read_list(r, object, "initrds", whole, out->initrd, IMAGE_INITRDS_MAX);
		out->firmwares =
		    read_list(r, object, "firmware", whole, out->firmware, IMAGE_FIRMWARE_MAX);
		read_args(r, object, "args", &out->args);
		read_args(r, object, "unattended_args", &out->unattended_args);
		manifest_read_name(
		    r, object, "unattended_format", false, NULL, &out->unattended_format);
		if (r->refusals == before)
			check_together(r, out);
	}
	json_leave(r);
}

/* ---- writing ----------------------------------------------------------------------------- */

static json_t *list_json(const struct image_contents *those, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++) {
		json_t *holder = json_object();
		bool put = holder && manifest_put_file(holder, "file", &those[i]) &&
			   json_array_append(list, json_object_get(holder, "file")) == 0;
		json_decref(holder);
		if (!put) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

bool manifest_put_boot(json_t *doc, const struct image_boot *b)
{
	json_t *object = json_object();
	bool put = object != NULL;

	for (size_t i = 0; put && i < FILES; i++)
		put = manifest_put_file(object, files[i].key, file_at(b, i));
	if (put && b->initrds)
		put = json_object_set_new(object, "initrds", list_json(b->initrd, b->initrds)) == 0;
	if (put && b->firmwares)
		put = json_object_set_new(
			  object, "firmware", list_json(b->firmware, b->firmwares)) == 0;
	if (put && b->args)
		put = json_object_set_new(object, "args", json_string(b->args)) == 0;
	if (put && b->unattended_args)
		put = json_object_set_new(
			  object, "unattended_args", json_string(b->unattended_args)) == 0;
	if (put && b->unattended_format)
		put = json_object_set_new(
			  object, "unattended_format", json_string(b->unattended_format)) == 0;
	if (!put) {
		json_decref(object);
		return false;
	}
	return json_object_set_new(doc, "boot", object) == 0;
}
