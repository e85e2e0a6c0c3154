/* engine.h - the container engine, asked through its command-line client.
 *
 * Which client: VMLAB_ENGINE when set, else the first on PATH, or where the engine's row
 * (engine_ops.h) says, that reaches an engine: a machine may have several, and one that cannot.
 * Nothing here decides anything: arguments come from container.h.
 */
#ifndef VMLAB_ENGINE_ENGINE_H
#define VMLAB_ENGINE_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/argv.h"
#include "lib/base/process.h"

struct engine_ops;

struct engine {
	const struct engine_ops *ops; /* whose advice holds, where engine_find() finds none */
	char *client;                 /* path of the client */
	char *version;                /* the engine's own */
};

#define ENGINE_INIT {NULL, NULL, NULL}

/* Finds a client that works. -ENOENT without any, -ECONNREFUSED or -EACCES when none reaches an
 * engine; the message says what to do. */
must_check int engine_find(struct engine *en, struct err *e);
void engine_clear(struct engine *en);

/* A container as `inspect` shows it. Strings are borrowed from the list's document. */
struct container {
	json_t *info;
	const char *name;
	const char *id;
	const char *status;  /* "created", "running", "exited", "restarting", ... */
	const char *image;   /* id */
	const char *network; /* network mode, "container:<id>" */
	const char *role;    /* label vmlab.role: "net", "stack", "vm" */
	const char *vm;      /* label vmlab.vm, or NULL */
	const char *spec;    /* label vmlab.spec, or "" */
	const char *health;  /* "healthy", "starting", "unhealthy", or NULL without a check */
	bool running;
	int exit_code;
};

struct container_list {
	json_t *doc;
	struct container *items;
	size_t count;
};

#define CONTAINER_LIST_INIT {NULL, NULL, 0}
#define _cleanup_container_list_ __attribute__((cleanup(container_list_clear)))

/* All containers with that label, running or not; with any value of it when `value` is NULL. */
must_check int engine_containers(const struct engine *en, const char *label, const char *value,
    struct container_list *list, struct err *e);
/* The same from what `inspect` says (consumed): what engine_containers() calls. */
must_check int container_list_parse(json_t *doc, struct container_list *list, struct err *e);
void container_list_clear(struct container_list *list);
const struct container *container_list_role(const struct container_list *list, const char *role);
const struct container *container_list_vm(const struct container_list *list, const char *vm);
/* A label's value or NULL. */
const char *container_label(const struct container *c, const char *label);

/* Runs the client with `args`; an exit status other than 0 is an error whose message is the
 * engine's. `out` may be NULL; else the caller frees it. */
must_check int engine_run(
    const struct engine *en, const struct argv *args, int timeout_ms, char **out, struct err *e);

/* The same, and hands over whatever happened. */
must_check int engine_capture(const struct engine *en, const struct argv *args, int timeout_ms,
    struct process_result *r, struct err *e);

/* Becomes the client with `args`. */
must_check int engine_exec(const struct engine *en, const struct argv *args, struct err *e);

#define ENGINE_ABSENT 1

/* The image's id (caller frees), or ENGINE_ABSENT. */
must_check int engine_image_id(
    const struct engine *en, const char *reference, char **id, struct err *e);

must_check int engine_start(const struct engine *en, const char *container, struct err *e);

/* Both do nothing without names. Containers go even while they run, with their anonymous volumes;
 * named ones, the disks, stay. */
must_check int engine_remove_containers(
    const struct engine *en, const struct argv *names, struct err *e);
must_check int engine_remove_volumes(
    const struct engine *en, const struct argv *names, struct err *e);

/* All volumes, a line each (caller frees); with a label, when that is not NULL, and with that value
 * of it. */
must_check int engine_volumes(
    const struct engine *en, const char *label, const char *value, char **names, struct err *e);

/* The folder in which the engine keeps volumes (caller frees). */
must_check int engine_storage(const struct engine *en, char **folder, struct err *e);

/* 0 when the volume exists, or ENGINE_ABSENT. */
must_check int engine_volume_find(const struct engine *en, const char *volume, struct err *e);

/* A volume's label (caller frees), NULL when it has none; ENGINE_ABSENT when there is no volume. */
must_check int engine_volume_label(
    const struct engine *en, const char *volume, const char *label, char **value, struct err *e);

/* The same of a container. */
must_check int engine_container_label(
    const struct engine *en, const char *container, const char *label, char **value, struct err *e);

/* The IPv4 and IPv6 networks of the engine's default bridge, separated by blanks (caller frees). */
must_check int engine_bridge_networks(const struct engine *en, char **text, struct err *e);

/* The container's last lines of output, both streams (caller frees); with `since`, a time as the
 * engine writes it, those after that. */
must_check int engine_log_tail(const struct engine *en, const char *container, const char *since,
    unsigned lines, char **text, struct err *e);

/* Whether a list as the client prints it, an item a line, has this one. */
bool engine_list_has(const char *list, const char *item);

#endif
