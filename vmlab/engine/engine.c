#include "vmlab/engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "vmlab/engine/engine_error.h"
#include "vmlab/engine/engine_ops.h"

#define OUTPUT_MAX_BYTES (16 * 1024 * 1024)
#define QUERY_TIMEOUT_MS 30000
#define CHANGE_TIMEOUT_MS 180000

int engine_capture(const struct engine *en, const struct argv *args, int timeout_ms,
    struct process_result *r, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_add(&a, en->client);
	argv_extend(&a, args->count, args->items);
	a.failed |= args->failed;
	a.left_when = args->left_when;
	return process_capture(&a, timeout_ms, OUTPUT_MAX_BYTES, r, e);
}

int engine_run(
    const struct engine *en, const struct argv *args, int timeout_ms, char **out, struct err *e)
{
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;
	int n = engine_capture(en, args, timeout_ms, &r, e);

	if (n < 0)
		return n;
	if (r.status != 0) {
		char why[600];
		engine_error_sentence(en->ops, r.err, why, sizeof(why));
		const char *advice = engine_error_advice(en->ops, why);
		return err_set(e, EIO, "%s %s failed: %s%s%s", en->client, args->items[0], why,
		    advice ? "; " : "", advice ? advice : "");
	}
	if (out)
		*out = steal_ptr(r.out);
	return 0;
}

int engine_exec(const struct engine *en, const struct argv *args, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_add(&a, en->client);
	argv_extend(&a, args->count, args->items);
	a.failed |= args->failed;
	return process_exec(&a, e);
}

static const char *text_at(const json_t *o, const char *a, const char *b)
{
	const json_t *v = json_object_get(o, a);

	return json_string_value(b ? json_object_get(v, b) : v);
}

const char *container_label(const struct container *c, const char *label)
{
	const json_t *config = json_object_get(c->info, "Config");

	return json_string_value(json_object_get(json_object_get(config, "Labels"), label));
}

static void container_fill(struct container *c, json_t *info)
{
	const json_t *state = json_object_get(info, "State");
	const char *name = text_at(info, "Name", NULL), *spec;

	c->info = info;
	c->name = name ? name + (*name == '/') : "";
	c->id = text_at(info, "Id", NULL);
	c->status = text_at(info, "State", "Status");
	c->image = text_at(info, "Image", NULL);
	c->network = text_at(info, "HostConfig", "NetworkMode");
	c->role = container_label(c, "vmlab.role");
	c->vm = container_label(c, "vmlab.vm");
	spec = container_label(c, "vmlab.spec");
	c->spec = spec ? spec : "";
	c->health = text_at(state, "Health", "Status");
	c->running = json_is_true(json_object_get(state, "Running"));
	c->exit_code = (int)json_integer_value(json_object_get(state, "ExitCode"));
	if (!c->id)
		c->id = "";
	if (!c->status)
		c->status = c->running ? "running" : "unknown";
	if (!c->image)
		c->image = "";
	if (!c->network)
		c->network = "";
	if (!c->role)
		c->role = "";
}

void container_list_clear(struct container_list *list)
{
	json_decref(list->doc);
	free(list->items);
	*list = (struct container_list)CONTAINER_LIST_INIT;
}

int container_list_parse(json_t *doc, struct container_list *list, struct err *e)
{
	size_t count = json_array_size(doc);

	container_list_clear(list);
	list->doc = doc;
	list->items = calloc(count + 1, sizeof(*list->items));
	if (!list->items)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		container_fill(&list->items[i], json_array_get(doc, i));
	list->count = count;
	return 0;
}

int engine_containers(const struct engine *en, const char *label, const char *value,
    struct container_list *list, struct err *e)
{
	_cleanup_argv_ struct argv ps = ARGV_INIT, inspect = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;
	_cleanup_free_ char *ids = NULL;
	json_error_t je;

	argv_adds(&ps, "ps", "--all", "--quiet", "--no-trunc", "--filter");
	argv_addf(&ps, "label=%s%s%s", label, value ? "=" : "", value ? value : "");
	int n = engine_run(en, &ps, QUERY_TIMEOUT_MS, &ids, e);
	if (n < 0)
		return n;
	argv_adds(&inspect, "inspect", "--type", "container");
	char *rest = ids, *id;
	while ((id = strsep(&rest, "\n")))
		if (*id)
			argv_add(&inspect, id);
	if (inspect.count == 3)
		return container_list_parse(json_array(), list, e);
	/* A container may vanish in between: then the status is 1 and the others are shown. */
	n = engine_capture(en, &inspect, QUERY_TIMEOUT_MS, &r, e);
	if (n < 0)
		return n;
	json_t *doc = json_loadb(r.out, r.out_len, 0, &je);
	if (!json_is_array(doc)) {
		json_decref(doc);
		return err_set(
		    e, EPROTO, "%s inspect answered something unreadable: %s", en->client, je.text);
	}
	return container_list_parse(doc, list, e);
}

const struct container *container_list_role(const struct container_list *list, const char *role)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].role, role) == 0)
			return &list->items[i];
	return NULL;
}

const struct container *container_list_vm(const struct container_list *list, const char *vm)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct container *c = &list->items[i];
		if (c->vm && strcmp(c->role, "vm") == 0 && strcmp(c->vm, vm) == 0)
			return c;
	}
	return NULL;
}

/* `<kind> inspect`: 0, ENGINE_ABSENT or -errno. */
static int inspect(const struct engine *en, const char *kind, const char *name, const char *format,
    char **out, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;

	argv_adds(&a, kind, "inspect", "--format", format, name);
	int n = engine_capture(en, &a, QUERY_TIMEOUT_MS, &r, e);
	if (n < 0)
		return n;
	if (r.status != 0) {
		char why[400];
		for (const char *const *says = en->ops->absent; *says; says++)
			if (strcasestr(r.err, *says))
				return ENGINE_ABSENT;
		engine_error_sentence(en->ops, r.err, why, sizeof(why));
		return err_set(e, EIO, "%s %s inspect %s failed: %s", en->client, kind, name, why);
	}
	r.out[strcspn(r.out, "\n")] = '\0';
	if (out)
		*out = steal_ptr(r.out);
	return 0;
}

int engine_image_id(const struct engine *en, const char *reference, char **id, struct err *e)
{
	return inspect(en, "image", reference, "{{.Id}}", id, e);
}

int engine_volume_find(const struct engine *en, const char *volume, struct err *e)
{
	return inspect(en, "volume", volume, "{{.Name}}", NULL, e);
}

static int label_of(const struct engine *en, const char *kind, const char *name, const char *format,
    const char *label, char **value, struct err *e)
{
	_cleanup_free_ char *text = NULL;

	*value = NULL;
	int r = inspect(en, kind, name, format, &text, e);
	if (r != 0)
		return r;
	json_t *labels = json_loads(text, JSON_DECODE_ANY, NULL);
	const char *found = json_string_value(json_object_get(labels, label));
	*value = found ? strdup(found) : NULL;
	bool lost = found && !*value;
	json_decref(labels);
	return lost ? err_set(e, ENOMEM, "out of memory") : 0;
}

int engine_volume_label(
    const struct engine *en, const char *volume, const char *label, char **value, struct err *e)
{
	return label_of(en, "volume", volume, "{{json .Labels}}", label, value, e);
}

int engine_container_label(
    const struct engine *en, const char *container, const char *label, char **value, struct err *e)
{
	return label_of(en, "container", container, "{{json .Config.Labels}}", label, value, e);
}

int engine_bridge_networks(const struct engine *en, char **text, struct err *e)
{
	const char *bridge = en->ops->bridge;
	int r = inspect(en, "network", bridge, en->ops->networks, text, e);

	return r == ENGINE_ABSENT ? err_set(e, ENOENT, "the engine has no network \"%s\"", bridge)
				  : r;
}

int engine_storage(const struct engine *en, char **folder, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_adds(&a, "info", "--format", en->ops->storage);
	int r = engine_run(en, &a, QUERY_TIMEOUT_MS, folder, e);
	if (r == 0)
		(*folder)[strcspn(*folder, "\n")] = '\0';
	return r;
}

int engine_start(const struct engine *en, const char *container, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_adds(&a, "start", container);
	return engine_run(en, &a, CHANGE_TIMEOUT_MS, NULL, e);
}

int engine_remove_containers(const struct engine *en, const struct argv *names, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_adds(&a, "rm", "--force", "--volumes");
	argv_extend(&a, names->count, names->items);
	return names->count ? engine_run(en, &a, CHANGE_TIMEOUT_MS, NULL, e) : 0;
}

int engine_remove_volumes(const struct engine *en, const struct argv *names, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_adds(&a, "volume", "rm");
	if (en->ops->remove_volume)
		argv_add(&a, en->ops->remove_volume);
	argv_extend(&a, names->count, names->items);
	return names->count ? engine_run(en, &a, CHANGE_TIMEOUT_MS, NULL, e) : 0;
}

int engine_volumes(
    const struct engine *en, const char *label, const char *value, char **names, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_adds(&a, "volume", "ls", "--quiet");
	if (label)
		argv_addf(&a, "--filter=label=%s%s%s", label, value ? "=" : "", value ? value : "");
	return engine_run(en, &a, QUERY_TIMEOUT_MS, names, e);
}

int engine_log_tail(const struct engine *en, const char *container, const char *since,
    unsigned lines, char **text, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;

	argv_adds(&a, "logs", "--tail");
	argv_addf(&a, "%u", lines);
	if (since)
		argv_adds(&a, "--since", since);
	argv_add(&a, container);
	int n = engine_capture(en, &a, QUERY_TIMEOUT_MS, &r, e);
	if (n < 0)
		return n;
	if (asprintf(text, "%s%s", r.out, r.err) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

bool engine_list_has(const char *list, const char *item)
{
	size_t len = strlen(item);

	for (const char *p = list; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strcspn(p, "\n") == len && memcmp(p, item, len) == 0)
			return true;
	return false;
}
