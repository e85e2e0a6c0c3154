#include "lib/unattended/template.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/definition/field.h"
#include "lib/definition/login.h"
#include "lib/json/text.h"

#define VALUE_SIZE (64 * 1024)

/* ---- what is not a simple field of the definition ---------------------------------------- */

static void full_name(const struct unattended_source *s, char *out)
{
	struct unattended_names names;

	unattended_names(s, &names);
	strcpy(out, names.full);
}

static void domain(const struct unattended_source *s, char *out)
{
	struct unattended_names names;

	unattended_names(s, &names);
	strcpy(out, names.domain);
}

static void mac(const struct unattended_source *s, char *out)
{
	mac_format(&s->nic, out);
}

static void ip(const struct unattended_source *s, char *out)
{
	if (s->vm->ip.s_addr)
		inet_ntop(AF_INET, &s->vm->ip, out, INET_ADDRSTRLEN);
}

static void ipv6(const struct unattended_source *s, char *out)
{
	if (s->vm->has_ip6)
		inet_ntop(AF_INET6, &s->vm->ip6, out, INET6_ADDRSTRLEN);
}

static void base_url(const struct unattended_source *s, char *out)
{
	snprintf(out, VALUE_SIZE, "%s", s->base);
}

/* The base URL's host. */
static void server(const struct unattended_source *s, char *out)
{
	const char *start = strstr(s->base, "://");

	start = start ? start + 3 : s->base;
	size_t len = *start == '[' ? strcspn(start, "]") + 1 : strcspn(start, ":/");
	snprintf(out, VALUE_SIZE, "%.*s", (int)len, start);
}

static void dns(const struct unattended_source *s, char *out)
{
	snprintf(out, VALUE_SIZE, "%s", s->dns ? s->dns : "");
}

static void stage4_url(const struct unattended_source *s, char *out)
{
	unattended_url(s, "stage4", out);
}

static void done_url(const struct unattended_source *s, char *out)
{
	unattended_url(s, "done", out);
}

static void report_url(const struct unattended_source *s, char *out)
{
	unattended_url(s, "report", out);
}

static void unattended_url_(const struct unattended_source *s, char *out)
{
	unattended_url(s, "unattended", out);
}

static void user(const struct unattended_source *s, char *out)
{
	const char *name;

	if (vm_login(s->vm->more, &name) == VM_LOGIN_USER)
		snprintf(out, VALUE_SIZE, "%s", name);
}

static void put_keys(const struct unattended_source *s, size_t most, char *out)
{
	json_t *keys = vm_login_keys(s->vm->more, s->keys);
	size_t used = 0;

	for (size_t i = 0; i < json_array_size(keys) && i < most && used < VALUE_SIZE; i++)
		used += (size_t)snprintf(out + used, VALUE_SIZE - used, "%s%s", used ? "\n" : "",
		    json_string_value(json_array_get(keys, i)));
	json_decref(keys);
}

static void ssh_key(const struct unattended_source *s, char *out)
{
	put_keys(s, 1, out);
}

static void ssh_keys(const struct unattended_source *s, char *out)
{
	put_keys(s, SIZE_MAX, out);
}

static const struct {
	const char *name;
	void (*get)(const struct unattended_source *s, char *out); /* VALUE_SIZE bytes, "" before */
} made[] = {
    {"mac", mac},
    {"ip", ip},
    {"ipv6", ipv6},
    {"fqdn", full_name},
    {"domain", domain},
    {"server", server},
    {"base_url", base_url},
    {"dns", dns},
    {"stage4_url", stage4_url},
    {"done_url", done_url},
    {"report_url", report_url},
    {"unattended_url", unattended_url_},
    {"user", user},
    {"ssh_key", ssh_key},
    {"ssh_keys", ssh_keys},
};

static int find_value(const struct unattended_source *s, const char *name, char *buf,
    struct language_value *v, struct err *e)
{
	const struct vm_field *field = vm_field_find(name);
	const char *text;

	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		if (strcmp(made[i].name, name) == 0) {
			buf[0] = '\0';
			made[i].get(s, buf);
			*v = (struct language_value){.text = buf};
			return 0;
		}
	if (!field)
		return err_set(e, EINVAL,
		    "{{%.60s}} is no field: write one of a definition's simple fields, or such as {{fqdn}} and {{stage4_url}}",
		    name);
	if (field->kind == VM_STRUCTURED)
		return err_set(e, EINVAL,
		    "{{%.60s}} is more than one value: a file of your own can hold simple fields only, the rest is in the script at {{stage4_url}}",
		    name);
	text = vm_field_text(s->vm, name, buf);
	*v = (struct language_value){.text = text ? text : "",
	    .bare = text &&
		    (field->kind == VM_NUMBER || field->kind == VM_SIZE || field->kind == VM_FLAG)};
	return 0;
}

/* ---- filling in --------------------------------------------------------------------------- */

struct filling {
	const char *text;
	size_t len;
	const struct unattended_language *language;
	const struct unattended_source *source;
	const struct template_teller *teller; /* NULL: nobody */
	char *value;                          /* VALUE_SIZE bytes */
	FILE *f;
};

/* The name between the braces, without the blanks around it. */
static void copy_name(const char *from, const char *to, char *out, size_t size)
{
	while (from < to && strchr(" \t", *from))
		from++;
	while (to > from && strchr(" \t", to[-1]))
		to--;
	snprintf(out, size, "%.*s", (int)(to - from), from);
}

/* At a "{{"; *next: where the text goes on, also after what is wrong. */
static int fill_one(const struct filling *fill, size_t at, size_t *next, struct err *e)
{
	const char *start = fill->text + at + 2, *stop = fill->text + fill->len;
	const char *line = memchr(start, '\n', (size_t)(stop - start));
	const char *end = memmem(start, (size_t)((line ? line : stop) - start), "}}", 2);
	struct language_value value;
	char name[120];

	*next = at + 2;
	if (!end)
		return err_set(e, EINVAL,
		    "{{ is left open: end it with }} in the same line; for two braces themselves write {{ '{{' }}");
	*next = (size_t)(end + 2 - fill->text);
	copy_name(start, end, name, sizeof(name));
	if (strcmp(name, "'{{'") == 0 || strcmp(name, "\"{{\"") == 0) {
		fputs("{{", fill->f);
		return 0;
	}
	if (find_value(fill->source, name, fill->value, &value, e) < 0)
		return -EINVAL;
	struct language_place place = {fill->text, at, *next, fill->len};
	if (fill->language->put(&place, &value, fill->f, e) < 0)
		return err_wrap(e, "{{%s}}", name);
	return 0;
}

/* The first that is wrong ends it, unless someone is told of all. */
static int fill_all(const struct filling *fill, struct vm_where *where, struct err *e)
{
	unsigned told = 0;
	size_t at = 0;

	while (at < fill->len) {
		const char *open = memmem(fill->text + at, fill->len - at, "{{", 2);
		size_t to = open ? (size_t)(open - fill->text) : fill->len;

		fwrite(fill->text + at, 1, to - at, fill->f);
		at = to;
		if (!open || fill_one(fill, to, &at, e) == 0)
			continue;
		json_text_position(fill->text, to, &where->line, &where->column);
		if (!fill->teller)
			return -EINVAL;
		fill->teller->wrong(fill->teller->ctx, *where, e->msg);
		if (++told == TEMPLATE_TOLD_MAX)
			break;
	}
	return 0;
}

static int fill(const char *text, size_t len, const struct unattended_language *language,
    const struct unattended_source *s, const struct template_teller *teller, char **out,
    struct vm_where *where, struct err *e)
{
	_cleanup_free_ char *value = malloc(VALUE_SIZE);
	size_t size;

	*out = NULL;
	*where = (struct vm_where){0, 0};
	if (strlen(text) != len)
		return err_set(e, EINVAL, "has a NUL byte: it is no text");
	FILE *f = value ? open_memstream(out, &size) : NULL;
	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	struct filling filling = {text, len, language, s, teller, value, f};
	int r = fill_all(&filling, where, e);
	if (fclose(f) != 0 && r == 0)
		r = err_set(e, ENOMEM, "out of memory");
	if (r < 0) {
		free(*out);
		*out = NULL;
	}
	return r;
}

int template_fill(const char *text, size_t len, const struct unattended_language *language,
    const struct unattended_source *s, char **out, struct vm_where *where, struct err *e)
{
	return fill(text, len, language, s, NULL, out, where, e);
}

static int make(const char *vms_dir, const char *name, const struct unattended_source *s,
    const struct template_teller *teller, char **out, struct vm_where *where, struct err *e)
{
	const struct unattended_language *language = language_of_file(name, e);
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *folder = NULL;
	size_t len;

	*out = NULL;
	*where = (struct vm_where){0, 0};
	if (!language)
		return err_wrap(e, "%s", name);
	if (asprintf(&folder, "%s/" TEMPLATE_FOLDER, vms_dir) < 0)
		return err_set(e, ENOMEM, "out of memory");
	int r = file_read_beneath(folder, name, TEMPLATE_MAX_BYTES, &text, &len, e);
	if (r == -ENOENT)
		return err_set(
		    e, EINVAL, "there is no file %s in " TEMPLATE_FOLDER " of vms/", name);
	if (r < 0)
		return r;
	r = fill(text, len, language, s, teller, out, where, e);
	return r < 0 && where->line == 0 ? err_wrap(e, "%s", name) : r;
}

int template_make(const char *vms_dir, const char *name, const struct unattended_source *s,
    char **out, struct vm_where *where, struct err *e)
{
	return make(vms_dir, name, s, NULL, out, where, e);
}

int template_check(const char *vms_dir, const char *name, const struct unattended_source *s,
    const struct template_teller *t, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct vm_where where;

	return make(vms_dir, name, s, t, &text, &where, e);
}
