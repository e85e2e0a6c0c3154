/* resume.c - `vmlab resume`: after a reboot of this machine, what ran before runs again.
 *
 * The engine's restart policies cannot do this: it starts all containers at the same time, and one
 * that joins the network of a container that is not up yet fails and is not tried again. A policy
 * would also start a machine again that its own system has switched off.
 */
#include "vmlab/lab/resume.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/lab_dir.h"

#define LOCK_TIMEOUT_MS 120000
#define SAVED_MAX_BYTES (1024 * 1024)
#define ENDED_BY_POWER_CUT 255

bool resume_was_running(const struct container *c, const char *saved)
{
	if (c->running)
		return false;
	if (strcmp(c->status, "exited") == 0 && c->exit_code == ENDED_BY_POWER_CUT)
		return true;
	return saved && *c->id && strstr(saved, c->id);
}

struct resume {
	struct engine engine;
	struct container_list all; /* of every lab */
	char *path, *saved;
	size_t started, failed;
};

static void resume_clear(struct resume *rs)
{
	container_list_clear(&rs->all);
	engine_clear(&rs->engine);
	free(rs->path);
	free(rs->saved);
}

static int save(struct resume *rs, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len, count = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; f && i < rs->all.count; i++)
		if (rs->all.items[i].running) {
			fprintf(f, "%s\n", rs->all.items[i].id);
			count++;
		}
	if (!f || fclose(f) != 0)
		return err_set(e, ENOMEM, "out of memory");
	int r = atomic_file_replace(rs->path, text, len, 0600, e);
	if (r >= 0)
		printf("%zu container%s will be started again by `vmlab resume`\n", count,
		    count == 1 ? "" : "s");
	return r < 0 ? r : 0;
}

/* The container's lab is kept from other commands meanwhile; one without a folder has no lock. */
static int lock_lab(const struct container *c, struct err *e)
{
	const char *dir = container_label(c, "vmlab.dir"), *name = container_label(c, "vmlab.lab");
	struct lab lab = {.dir = (char *)dir, .name = (char *)name};
	int fd = -1;

	if (!dir || !name || access(dir, F_OK) < 0)
		return -1;
	return lab_dir_lock(&lab, "resume", LOCK_TIMEOUT_MS, stderr, &fd, e) < 0 ? -1 : fd;
}

static void start(struct resume *rs, const struct container *c)
{
	struct err e = ERR_INIT;

	_cleanup_close_ int lock = lock_lab(c, &e);
	if (engine_start(&rs->engine, c->name, &e) < 0) {
		fprintf(stderr, "vmlab: %s: %s\n", c->name, e.msg);
		rs->failed++;
		return;
	}
	printf("%s: started again\n", c->name);
	rs->started++;
}

/* The network's containers of all labs first, as the others join them. */
static int start_all(struct resume *rs, struct err *e)
{
	static const char *const roles[] = {"net", "stack", "vm"};

	int r = file_read(rs->path, SAVED_MAX_BYTES, &rs->saved, &(size_t){0}, e);
	if (r < 0 && r != -ENOENT)
		return r;
	for (size_t k = 0; k < sizeof(roles) / sizeof(*roles); k++)
		for (size_t i = 0; i < rs->all.count; i++) {
			const struct container *c = &rs->all.items[i];
			if (strcmp(c->role, roles[k]) == 0 && resume_was_running(c, rs->saved))
				start(rs, c);
		}
	/* It tells of one shutdown only; what could not be started is tried again from it. */
	if (rs->failed == 0 && unlink(rs->path) < 0 && errno != ENOENT)
		return err_errno(e, "cannot remove %s", rs->path);
	if (rs->started == 0 && rs->failed == 0)
		puts("nothing was running that does not run now");
	return rs->failed == 0 ? 0
			       : err_set(e, EIO, "%zu container%s could not be started again",
				     rs->failed, rs->failed == 1 ? "" : "s");
}

static int prepare(struct resume *rs, const struct lab *lab, struct err *e)
{
	if (mkdir(lab->home, 0700) < 0 && errno != EEXIST)
		return err_errno(e, "cannot create the folder %s", lab->home);
	if (asprintf(&rs->path, "%s/running", lab->home) < 0) {
		rs->path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	int r = engine_find(&rs->engine, e);
	return r < 0 ? r : engine_containers(&rs->engine, "vmlab.lab", NULL, &rs->all, e);
}

static int run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {{"save", no_argument, NULL, 's'}, {0}};
	struct resume rs = {.engine = ENGINE_INIT, .all = CONTAINER_LIST_INIT};
	struct err e = ERR_INIT;
	bool to_save = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		to_save |= o == 's';
		if (o == '?')
			return command_wrong_option(&resume_command, argv);
	}
	if (optind < argc)
		return command_usage(&resume_command, "it takes no names: it is for all labs");
	int r = prepare(&rs, lab, &e);
	if (r == 0)
		r = to_save ? save(&rs, &e) : start_all(&rs, &e);
	resume_clear(&rs);
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command resume_command = {
    .name = "resume",
    .args = "[--save]",
    .summary = "after a reboot of this machine, start again what ran before",
    .help =
	"Starts the networks, stacks and VMs of all labs that ran when this machine went down, in\n"
	"that order. What was stopped before, or has switched itself off, stays off. A power cut is\n"
	"recognised by itself; before an orderly shutdown, --save writes down what runs. The service\n"
	"vmlab.service does both: `systemctl enable --now vmlab`.\n"
	"\n"
	"  --save    write down what runs, for the next `vmlab resume`\n",
    .run = run,
};
