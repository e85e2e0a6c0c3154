#include "vmlab/lab/mounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"

#define EXEC_TIMEOUT_MS 10000

static const char *const inside[] = {
    "/vms", "/srv/images", "/run/operator", "/etc/vmlab/authorized_keys"};
#define MOUNT_COUNT (sizeof(inside) / sizeof(*inside))

struct place {
	unsigned long long inode;
	bool known;
};

/* Without asking the engine, for who may look there. */
static void look_by_process(const struct container *stack, struct place *places)
{
	json_int_t pid =
	    json_integer_value(json_object_get(json_object_get(stack->info, "State"), "Pid"));
	char path[128];
	struct stat st;

	for (size_t i = 0; pid > 0 && i < MOUNT_COUNT; i++) {
		snprintf(path, sizeof(path), "/proc/%lld/root%s", (long long)pid, inside[i]);
		places[i].known = stat(path, &st) == 0;
		places[i].inode = places[i].known ? st.st_ino : 0;
	}
}

static void look_by_engine(
    const struct session *s, const struct container *stack, struct place *places)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;
	struct err ignored = ERR_INIT;

	memset(places, 0, MOUNT_COUNT * sizeof(*places));
	argv_adds(&a, "exec", stack->name, "stat", "-L", "-c", "%i %n");
	for (size_t i = 0; i < MOUNT_COUNT; i++)
		argv_add(&a, inside[i]);
	if (engine_capture(&s->engine, &a, EXEC_TIMEOUT_MS, &r, &ignored) < 0)
		return;
	for (char *rest = r.out, *line; (line = strsep(&rest, "\n"));) {
		char *end;
		unsigned long long inode = strtoull(line, &end, 10);
		for (size_t i = 0; *end == ' ' && i < MOUNT_COUNT; i++)
			if (strcmp(end + 1, inside[i]) == 0)
				places[i] = (struct place){inode, true};
	}
}

/* One that is not there at all is replaced by nothing: that is said by who needs it. */
static const char *differing(const struct place *places, const char *const *paths)
{
	struct stat st;

	for (size_t i = 0; i < MOUNT_COUNT; i++)
		if (paths[i] && places[i].known && stat(paths[i], &st) == 0 &&
		    st.st_ino != places[i].inode)
			return paths[i];
	return NULL;
}

const char *mounts_replaced(const struct session *s, char *buf, size_t size)
{
	const struct lab *lab = s->lab;
	const struct container *stack = container_list_role(&s->containers, "stack");
	struct place places[MOUNT_COUNT] = {{0}};

	if (!stack || !stack->running || !lab_is_served(lab, &s->containers))
		return NULL;
	snprintf(buf, size, "%s/authorized_keys", lab->home);
	const char *const paths[] = {lab->vms_dir, lab->images_dir, lab->dir, buf};
	look_by_process(stack, places);
	bool all = true;
	for (size_t i = 0; i < MOUNT_COUNT; i++)
		all &= places[i].known;
	if (all && !differing(places, paths))
		return NULL;
	/* The process may be another one, seen from here. */
	look_by_engine(s, stack, places);
	return differing(places, paths);
}

bool mounts_complaint(const struct session *s, char *text, size_t size)
{
	char buf[4096 + 32];
	const char *path = mounts_replaced(s, buf, sizeof(buf));

	if (path)
		snprintf(text, size,
		    "%s was replaced, and the stack serves what was there before: `vmlab up` makes it serve what is there now",
		    path);
	return path;
}
