#include "lib/unattended/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LISTED(format) &format,
static const struct unattended_format *const formats[] = {UNATTENDED_FORMATS(LISTED)};

const struct unattended_format *unattended_format_at(size_t i)
{
	return i < sizeof(formats) / sizeof(*formats) ? formats[i] : NULL;
}

const struct unattended_format *unattended_format_find(const char *name)
{
	const struct unattended_format *format;

	for (size_t i = 0; (format = unattended_format_at(i)); i++)
		if (strcmp(format->name, name) == 0)
			return format;
	return NULL;
}

static bool is_for(const struct unattended_format *format, const char *image)
{
	for (const char *const *begin = format->images; *begin; begin++)
		if (strncmp(image, *begin, strlen(*begin)) == 0)
			return true;
	return false;
}

const struct unattended_format *unattended_format_of_image(const char *said, const char *image)
{
	const struct unattended_format *format;

	if (said && said[0])
		return unattended_format_find(said);
	for (size_t i = 0; (format = unattended_format_at(i)); i++)
		if (is_for(format, image))
			return format;
	return NULL;
}

const char *unattended_image(const struct vm *vm, char buf[MENU_NAME_MAX + 1])
{
	if (vm->image && vm->image[0])
		return vm->image;
	return menu_choice_split(vm->menu_default, buf) ? buf : vm->distro;
}

const struct unattended_format *unattended_format_of(
    const char *image, const char *said, struct err *e)
{
	const struct unattended_format *format = unattended_format_of_image(said, image);

	if (!format && said && said[0])
		err_set(e, EINVAL,
		    "the image %s wants an unattended file of the format \"%.40s\", which is not known",
		    image, said);
	else if (!format)
		err_set(e, EINVAL,
		    "nothing tells which installer's file the image %s takes: say it in its manifest (\"unattended_format\"), or name a file of your own",
		    image);
	return format;
}

enum unattended_kind unattended_kind(const struct vm *vm, const char **file)
{
	const json_t *value = json_object_get(vm->more, "unattended");

	*file = json_string_value(value);
	if (*file)
		return UNATTENDED_OWN;
	return json_is_true(value) ? UNATTENDED_MADE : UNATTENDED_NONE;
}

static bool is_sign(const struct unattended_sign *sign, const char *program, const char *text)
{
	size_t len = strlen(sign->begins);

	return strcmp(sign->program, program) == 0 && strncmp(text, sign->begins, len) == 0 &&
	       (!sign->names || strstr(text + len, sign->names));
}

const struct unattended_sign *unattended_sign_of(const struct unattended_format *format,
    const char *program, const char *text, enum machine_phase now)
{
	const struct unattended_sign *found = NULL;

	for (const struct unattended_sign *s = format->signs; s && s->program; s++) {
		if (!found && is_sign(s, program, text))
			found = s;
		/* It has been there, or further. */
		if (now != PHASE_NONE && s->phase == now && found && found->phase != PHASE_NONE)
			return NULL;
	}
	return found;
}

int unattended_make(const struct unattended_format *format, const struct unattended_source *s,
    char **out, struct err *e)
{
	size_t len;
	FILE *f = open_memstream(out, &len);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	int r = format->emit(s, f, e);
	if (fclose(f) != 0 && r == 0)
		r = err_set(e, ENOMEM, "out of memory");
	if (r < 0) {
		free(*out);
		*out = NULL;
	}
	return r;
}

void unattended_names(const struct unattended_source *s, struct unattended_names *out)
{
	bool has = strchr(s->vm->hostname, '.') || !s->domain || !s->domain[0];

	snprintf(out->full, sizeof(out->full), "%.253s%s%.253s", s->vm->hostname, has ? "" : ".",
	    has ? "" : s->domain);
	size_t first = strcspn(out->full, ".");
	snprintf(out->host, sizeof(out->host), "%.*s", (int)first, out->full);
	snprintf(
	    out->domain, sizeof(out->domain), "%s", out->full + first + (out->full[first] == '.'));
}

const char *unattended_url(
    const struct unattended_source *s, const char *path, char buf[UNATTENDED_URL_SIZE])
{
	char mac[MAC_TEXT_SIZE];

	snprintf(buf, UNATTENDED_URL_SIZE, "%s/%s/%s", s->base, path, mac_format(&s->vm->mac, mac));
	return buf;
}

void unattended_each_package(
    const struct vm *vm, void (*one)(void *ctx, const char *word), void *ctx)
{
	const json_t *package;
	size_t i;

	json_array_foreach(json_object_get(vm->more, "packages"), i, package) {
		char word[512];
		const char *version = json_string_value(json_array_get(package, 1));
		const json_t *name = json_is_array(package) ? json_array_get(package, 0) : package;

		snprintf(word, sizeof(word), "%s%s%s", json_string_value(name) ?: "",
		    version ? "=" : "", version ? version : "");
		if (word[0])
			one(ctx, word);
	}
}
