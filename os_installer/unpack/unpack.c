#include "os_installer/unpack/unpack.h"

#include <errno.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/process.h"
#include "os_installer/unpack/handover.h"

#define TICK_MS 250
#define MEMORY_MAX (320UL << 20)

/* What the child shares with its parent besides the chunks. */
struct shared {
	struct unpack_counters counters;
	struct err err;
};

struct transfer {
	const struct image_contents *manifest;
	const struct unpack_target *target;
	struct handover *handover;
	struct shared *shared;
	struct unpack_progress *progress;
	void (*tick)(void *ctx, const struct unpack_progress *p);
	void *tick_ctx;
};

/* ---- child -------------------------------------------------------------------------------------
 */

static int source_next(void *ctx, const uint8_t **data, uint32_t *len, struct err *e)
{
	return handover_next(ctx, data, len, e);
}

/* Nothing an archive can ask for needs more than these: no device nodes, no way out of the chroot.
 */
static int powers_drop(struct err *e)
{
	static const unsigned keep[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
	    CAP_FOWNER, CAP_FSETID, CAP_SETFCAP, CAP_SYS_RESOURCE,
	    CAP_SYS_ADMIN /* extended attributes "trusted.*" and "security.*" */};
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct have[2], want[2] = {{0}};

	if (syscall(SYS_capget, &head, have) < 0)
		return err_errno(e, "cannot read this process's capabilities");
	for (size_t i = 0; i < sizeof(keep) / sizeof(*keep); i++)
		want[keep[i] / 32].permitted |= 1U << keep[i] % 32;
	for (size_t i = 0; i < 2; i++) {
		want[i].permitted &= have[i].permitted;
		want[i].effective = want[i].permitted;
	}
	if (syscall(SYS_capset, &head, want) < 0)
		return err_errno(e, "cannot give up capabilities");
	return 0;
}

/* What a decompressor may ask for (a window of 128 MiB at most) and room for libarchive's list of
 * directories; an archive that needs more fails instead of taking the machine's memory. The
 * sanitizers of a test build take terabytes of addresses. */
static int memory_limit(uint32_t chunk_bytes, struct err *e)
{
#ifndef __SANITIZE_ADDRESS__
	/* One arena for all threads: each would else reserve 64 MiB of addresses. */
	mallopt(M_ARENA_MAX, 1);
	rlim_t max = MEMORY_MAX + (rlim_t)chunk_bytes * HANDOVER_SLOTS;

	if (setrlimit(RLIMIT_AS, &(struct rlimit){max, max}) < 0)
		return err_errno(e, "cannot limit this process's memory");
#endif
	(void)chunk_bytes;
	(void)e;
	return 0;
}

/* The process ends after it: what a failure leaves running ends with it. */
static int child_unpack(struct transfer *in, struct err *e)
{
	struct byte_source source = {.ctx = in->handover, .next = source_next};

	handover_consumer(in->handover);
	umask(022); /* for directories the archive implies but does not hold */
	int r;
	if (in->target->root && (chroot(in->target->root) < 0 || chdir("/") < 0))
		return err_errno(e, "cannot chroot into %s", in->target->root);
	if ((r = powers_drop(e)) < 0 || (r = memory_limit(in->manifest->chunk_bytes, e)) < 0)
		return r;
	return in->target->write(in->target->ctx, &source, in->manifest, &in->shared->counters, e);
}

/* ---- parent ------------------------------------------------------------------------------------
 */

static int sink_give(void *ctx, uint32_t len, struct err *e)
{
	return handover_give(((struct transfer *)ctx)->handover, len, e);
}

static void progress_update(struct transfer *in)
{
	in->progress->unpacked_bytes = atomic_load(&in->shared->counters.bytes);
	in->progress->entries = atomic_load(&in->shared->counters.entries);
	in->progress->dropped = atomic_load(&in->shared->counters.dropped);
	if (in->tick)
		in->tick(in->tick_ctx, in->progress);
}

/* A slow disk holds up the download: the progress is told all the same. */
static int sink_take(void *ctx, uint8_t **buffer, struct err *e)
{
	struct transfer *in = ctx;

	while (!handover_wait(in->handover, TICK_MS))
		progress_update(in);
	return handover_take(in->handover, buffer, e);
}

static int sink_tick(void *ctx, uint64_t received, struct err *e)
{
	struct transfer *in = ctx;

	(void)e;
	in->progress->received_bytes = received;
	progress_update(in);
	return 0;
}

static int child_wait(struct transfer *in, pid_t pid, struct err *e)
{
	int status = 0;

	/* The last chunks may take the child a while: keep counting. */
	for (unsigned n = 1;; n++) {
		pid_t got = waitpid(pid, &status, WNOHANG);
		if (got == pid)
			break;
		if (got < 0 && errno != EINTR)
			return err_errno(e, "cannot wait for the unpacking process");
		usleep(10000);
		if (n % (TICK_MS / 10) == 0)
			progress_update(in);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && in->shared->err.code > 0) {
		*e = in->shared->err;
		return -e->code;
	}
	return err_set(e, EIO, "the unpacking process died (status 0x%x)%s", (unsigned)status,
	    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? ": out of memory?" : "");
}

static int transfer_run(
    struct transfer *in, const char *url, const struct image_contents *m, pid_t pid, struct err *e)
{
	struct fetch_sink sink = {
	    .ctx = in, .take = sink_take, .give = sink_give, .tick = sink_tick};
	struct err child_err = ERR_INIT;

	handover_producer(in->handover);
	int r = fetch_chunks(url, m, &sink, NULL, &in->progress->fetch, e);
	if (r == 0)
		r = handover_finish(in->handover, e);
	if (r < 0 && r != -EPIPE)
		kill(pid, SIGKILL);
	int child = child_wait(in, pid, &child_err);
	progress_update(in);
	/* When the child gave up, its reason is the one to tell. */
	if (child < 0 && (r == 0 || r == -EPIPE)) {
		*e = child_err;
		return child;
	}
	return r;
}

static int run(struct transfer *in, const char *url, struct err *e)
{
	memset(in->progress, 0, sizeof(*in->progress));
	in->shared = mmap(
	    NULL, sizeof(*in->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (in->shared == MAP_FAILED)
		return err_errno(e, "out of memory");
	int r = handover_new(in->manifest->chunk_bytes, &in->handover, e);
	if (r == 0) {
		pid_t parent = getpid(), pid = fork();
		if (pid == 0) {
			process_end_with(parent, SIGKILL);
			_exit(child_unpack(in, &in->shared->err) == 0 ? 0 : 1);
		}
		r = pid < 0 ? err_errno(e, "cannot start the unpacking process")
			    : transfer_run(in, url, in->manifest, pid, e);
	}
	handover_free(in->handover);
	munmap(in->shared, sizeof(*in->shared));
	return r;
}

int unpack_run(const char *url, const struct image_contents *m, const struct unpack_target *t,
    void (*tick)(void *ctx, const struct unpack_progress *p), void *ctx,
    struct unpack_progress *progress, struct err *e)
{
	struct transfer in = {
	    .manifest = m, .target = t, .progress = progress, .tick = tick, .tick_ctx = ctx};

	return run(&in, url, e);
}
