#include "boot_handler/check.h"

#include <stdio.h>

#include "boot_handler/sources/image.h"
#include "boot_handler/sources/keys.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/store/holders.h"
#include "lib/store/store.h"

struct tally {
	const char *keys_file;
	int problems;
};

static int check_vms(const struct options *options, struct tally *tally, struct err *e)
{
	_cleanup_free_ char *holders = NULL;
	struct vm_store *store;

	int r = vm_holders_read(options->holders, &holders, e);
	struct vm_store_options store_options = {.dir = options->vms,
	    .lab = options->has_lab ? &options->lab : NULL,
	    .lab6 = options->has_lab6 ? &options->lab6 : NULL,
	    .holders = holders};
	if (r == 0)
		r = vm_store_open(&store_options, &store, e);
	if (r < 0)
		return r;
	const struct vm_snapshot *snapshot = vm_store_snapshot(store);
	for (size_t i = 0; i < vm_snapshot_problem_count(snapshot); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snapshot, i);

		printf("%s/%s:%d:%d: %s%s\n", options->vms, p->file, p->where.line, p->where.column,
		    p->warning ? "warning: " : "", p->text);
		tally->problems += !p->warning;
	}
	fprintf(stderr, "%zu definitions\n", vm_snapshot_count(snapshot));
	vm_snapshot_unref(snapshot);
	vm_store_close(store);
	return 0;
}

static void image_problem(void *ctx, const char *file, int line, int column, const char *text)
{
	(void)ctx;
	printf("%s:%d:%d: %s\n", file, line, column, text);
}

static void key_problem(void *ctx, int line, const char *text)
{
	const struct tally *tally = ctx;

	printf("%s:%d:1: %s\n", tally->keys_file, line, text);
}

static int check_all(const struct options *options, struct tally *tally, struct err *e)
{
	struct images *images;

	int r = check_vms(options, tally, e);
	if (r < 0)
		return r;
	r = images_new(options->images, NULL, NULL, NULL, &images, e);
	if (r < 0)
		return r;
	r = images_check(images, image_problem, tally, e);
	images_free(images);
	if (r < 0)
		return r;
	tally->problems += r;
	if (!options->authorized_keys)
		return 0;
	r = keys_check(options->authorized_keys, key_problem, tally, e);
	if (r < 0)
		return r;
	tally->problems += r;
	return 0;
}

int check_main(const struct options *options)
{
	struct tally tally = {.keys_file = options->authorized_keys};
	struct err e = ERR_INIT;

	if (check_all(options, &tally, &e) < 0) {
		log_error("%s", e.msg);
		return 2;
	}
	fprintf(stderr, "%d problems\n", tally.problems);
	if (fflush(stdout) != 0) {
		log_error("cannot write the list of problems");
		return 2;
	}
	return tally.problems > 0;
}
