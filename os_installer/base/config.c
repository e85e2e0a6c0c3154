#include "os_installer/base/config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "lib/image/manifest.h"
#include "lib/json/read.h"

#define NESTING_MAX 32

static void json_unref(json_t **j)
{
	json_decref(*j);
}

/* ---- structured values ------------------------------------------------------------------------*/

static int read_disk_size(struct json_reader *r, const json_t *value, uint64_t *bytes)
{
	const char *text = json_string_value(value);

	if (!text || size_parse(text, bytes) < 0)
		return json_refuse(r, "is no size such as \"20G\"");
	return 0;
}

/* Of the disks only the first is the installer's. */
static void read_disks(struct json_reader *r, const json_t *disks, struct config *c)
{
	const json_t *first = json_array_get(disks, 0);
	const json_t *size = json_object_get(first, "size"),
		     *match = json_object_get(first, "match");

	if (disks && !json_is_array(disks))
		(void)json_refuse(r, "is not a list");
	json_enter_at(r, 0);
	json_enter(r, "size");
	if (!json_absent(size))
		(void)read_disk_size(r, size, &c->first_disk_bytes);
	json_leave(r);
	json_enter(r, "match");
	c->has_match = !json_absent(match);
	if (c->has_match)
		(void)disk_match_read(r, match, &c->match);
	json_leave(r);
	json_leave(r);
}

static void read_hooks(struct json_reader *r, const json_t *hooks, struct config *c)
{
	const json_t *list = json_object_get(hooks, "post_install"), *script;
	size_t i;

	if (hooks && (!json_is_object(hooks) || (list && !json_is_array(list))))
		(void)json_refuse(r, "is not an object with a list post_install");
	json_enter(r, "post_install");
	if (json_array_size(list) > VM_HOOKS_MAX)
		(void)json_refuse(r, "has more than %d scripts", VM_HOOKS_MAX);
	json_array_foreach(list, i, script) {
		json_enter_at(r, i);
		if (json_string_length(script) == 0)
			(void)json_refuse(r, "is no script");
		else if (i < VM_HOOKS_MAX)
			c->hooks[i] = json_string_value(script);
		json_leave(r);
	}
	json_leave(r);
}

static void read_rootfs(struct json_reader *r, const json_t *value, struct config *c)
{
	image_contents_clear(&c->rootfs);
	json_enter(r, "rootfs");
	c->has_rootfs = image_rootfs_read(r, value, true, &c->rootfs) == 0;
	json_leave(r);
}

static void read_structured(struct json_reader *r, struct config *c)
{
	json_enter(r, "disks");
	read_disks(r, c->told.disks, c);
	json_leave(r);
	json_enter(r, "storage");
	if (c->told.storage)
		(void)storage_read(r, c->told.storage, &c->storage);
	json_leave(r);
	json_enter(r, "hooks");
	read_hooks(r, c->told.hooks, c);
	json_leave(r);
	if (c->told.rootfs)
		read_rootfs(r, c->told.rootfs, c);
}

/* ---- all of it --------------------------------------------------------------------------------*/

static int text_load(
    const char *text, size_t len, json_t **out, struct config_where *where, struct err *e)
{
	size_t bad = 0;

	*where = (struct config_where){0, 0};
	if (len > CONFIG_MAX_BYTES)
		return err_set(e, EINVAL, "longer than %u bytes", CONFIG_MAX_BYTES);
	*out = json_text_parse(text, len, NESTING_MAX, &bad, e);
	if (*out)
		return 0;
	json_text_position(text, bad, &where->line, &where->column);
	return -EINVAL;
}

/* Begins with what a reader of first refusals has as its context. */
struct hearer {
	struct json_first_refusal first;
	void (*warn)(const char *text);
};

static void warn_unknown(void *ctx, const struct json_path *key, const char *nearest)
{
	const struct hearer *h = ctx;
	char path[120], text[160];

	(void)nearest;
	if (!h->warn)
		return;
	snprintf(text, sizeof(text), "unknown key \"%s\" is ignored",
	    json_path_format(key, path, sizeof(path)));
	h->warn(text);
}

static int err_at(const struct json_path *bad, struct err *e)
{
	char path[120];

	return bad->depth ? err_wrap(e, "%s", json_path_format(bad, path, sizeof(path))) : -EINVAL;
}

/* The first thing that is wrong with c->doc goes to e, with the way to it. */
static int read_doc(struct config *c, void (*warn)(const char *text), struct err *e)
{
	struct json_path bad;
	struct hearer h = {.first = {.bad = &bad, .e = e}, .warn = warn};
	struct json_reader r = json_reader_first(&h.first);

	r.unknown = warn_unknown;
	int rc = install_config_read(&r, c->doc, &c->told);
	read_structured(&r, c);
	return rc == 0 && r.refusals == 0 ? 0 : err_at(&bad, e);
}

/* What is said once it is known to be right. */
static void settle(struct config *c)
{
	json_t *url = json_object_get(c->doc, "cloud_init_url");
	size_t end = json_string_length(url);

	while (end > 0 && json_string_value(url)[end - 1] == '/')
		end--;
	if (end > 0 && json_string_setn_nocheck(url, json_string_value(url), end) == 0)
		c->told.cloud_init_url = json_string_value(url);
	if (!c->told.hostname && c->told.name) {
		vm_label_make(c->told.name, c->label);
		c->told.hostname = c->label;
	}
	c->has_firmware = !json_absent(json_object_get(c->doc, "firmware"));
	c->keep_installed = !c->told.reinstall;
	json_object_del(c->doc, "rootfs"); /* the digests of every slice: it is read */
	c->told.rootfs = NULL;
}

int config_parse(const char *text, size_t len, struct config **out, struct config_where *where,
    void (*warn)(const char *text), struct err *e)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	storage_default(&c->storage);
	int r = text_load(text, len, &c->doc, where, e);
	if (r == 0)
		r = read_doc(c, warn, e);
	if (r < 0) {
		config_free(c);
		return r;
	}
	settle(c);
	*out = c;
	return 0;
}

int config_add_manifest(struct config *c, const char *text, size_t len, struct err *e)
{
	_cleanup_(json_unref) json_t *doc = NULL;
	struct json_path bad;
	struct json_first_refusal first = {.bad = &bad, .e = e};
	struct json_reader reader = json_reader_first(&first);
	struct config_where where;
	int r = text_load(text, len, &doc, &where, e);

	if (r < 0)
		return r;
	read_rootfs(&reader, json_object_get(doc, "rootfs"), c);
	if (!c->has_rootfs)
		return err_at(&bad, e);
	json_t *version = json_object_get(doc, "kernel_version");
	if (!c->told.kernel_version && json_is_string(version) &&
	    install_token_valid(json_string_value(version)) &&
	    json_object_set(c->doc, "kernel_version", version) == 0)
		c->told.kernel_version = json_string_value(version);
	return 0;
}

char *config_manifest_url(const struct config *c)
{
	const char *slash = strrchr(c->told.rootfs_url, '/');
	char *url = NULL;

	if (asprintf(&url, "%.*s/" IMAGE_MANIFEST_FILE, (int)(slash - c->told.rootfs_url),
		c->told.rootfs_url) < 0)
		return NULL;
	return url;
}

struct plan_request config_plan_request(const struct config *c)
{
	return (struct plan_request){
	    .firmware = c->told.firmware,
	    .storage = &c->storage,
	    .match = c->has_match ? &c->match : NULL,
	    .first_disk_bytes = c->first_disk_bytes,
	    .unpacked_bytes = c->rootfs.unpacked_bytes,
	    .entries = c->rootfs.entries,
	};
}

void config_free(struct config *c)
{
	if (!c)
		return;
	json_decref(c->doc);
	image_contents_clear(&c->rootfs);
	free(c);
}
