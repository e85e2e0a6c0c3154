#include "boot_handler/http/guest_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/owner.h"
#include "boot_handler/http/metrics.h"
#include "boot_handler/http/neighbour.h"
#include "boot_handler/sources/datagram.h"
#include "boot_handler/sources/file_log.h"
#include "boot_handler/sources/listen.h"
#include "boot_handler/sources/syslog.h"
#include "lib/base/cleanup.h"

struct guest_files {
	struct services *services;
	struct datagram_receiver *datagrams;
	char *path;
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* A file of the machine's boot image. */
static const char *boot_role(struct services *services, const struct vm *vm, const char *path)
{
	const struct boot_image *image =
	    vm && boot_mode_of(vm)->needs & BOOT_NEEDS_BOOT
		? images_boot(services->images, boot_image_name(vm), vm->arch, boot_image_use(vm))
		: NULL;
	size_t len = image ? strlen(image->folder) : 0;

	if (!image || !begins(path, "/images/") || strncmp(path + 8, image->folder, len) != 0 ||
	    path[8 + len] != '/')
		return NULL;
	const char *file = path + 8 + len + 1;
	if (image->boot.kernel.file && strcmp(file, image->boot.kernel.file) == 0)
		return "kernel";
	for (unsigned i = 0; i < image->boot.initrds; i++)
		if (strcmp(file, image->boot.initrd[i].file) == 0)
			return "initrd";
	return NULL;
}

/* What the file is to a machine that boots; NULL: nothing that is told. */
static const char *role_of(struct services *services, const struct vm *vm, const char *path)
{
	const char *file = strrchr(path, '/') + 1;

	if (begins(path, "/initrds/"))
		return "initrd";
	if (strcmp(file, "vmlinuz") == 0)
		return "kernel";
	if (begins(file, "modules.cpio."))
		return "modules";
	return boot_role(services, vm, path);
}

static void tell(
    struct services *services, const struct vm_snapshot *snapshot, const struct file_sent *sent)
{
	const struct vm *vm = services_vm_at(services, snapshot, &sent->to);
	const char *role = role_of(services, vm, sent->path);
	const struct event_value values[] = {{.text = sent->path}, {.number = (int64_t)sent->bytes},
	    {.number = sent->ms}, {.number = sent->status}};
	struct source source;
	struct mac mac;

	metrics_sent(services->metrics, role, sent->bytes);
	if (!role)
		return;
	if (!vm && (!source_parse(sent->source, &source) || !neighbour_mac(&source, &mac)))
		return;
	state_source("", sent->source);
	state_heard(services->state, vm ? &vm->mac : &mac, vm ? vm->name : NULL, EVENT_FETCH,
	    sent->status < 400 ? role : "failed", values);
	state_source("", "");
}

static void take(void *ctx, const struct datagram *d)
{
	struct guest_files *g = ctx;
	struct syslog_line line;
	struct file_sent sent;

	if (!syslog_parse(d->bytes, d->len, &line) || !file_log_parse(line.text, &sent))
		return;
	const struct vm_snapshot *snapshot = vm_store_snapshot(g->services->store);
	tell(g->services, snapshot, &sent);
	vm_snapshot_unref(snapshot);
}

int guest_files_start(
    const char *path, struct services *services, struct guest_files **out, struct err *e)
{
	_cleanup_free_ struct guest_files *g = calloc(1, sizeof(*g));
	struct datagram_handler handler = {.what = "what nginx logs", .take = take, .ctx = g};

	if (!g || !(g->path = strdup(path)))
		return err_set(e, ENOMEM, "out of memory");
	g->services = services;
	int fd = listen_datagram(path, e);
	int r = fd < 0 ? fd : datagram_receiver_start(fd, &handler, &g->datagrams, e);
	if (r < 0) {
		free(g->path);
		return r;
	}
	*out = steal_ptr(g);
	return 0;
}

void guest_files_stop(struct guest_files *g)
{
	if (!g)
		return;
	datagram_receiver_stop(g->datagrams);
	listen_datagram_remove(g->path);
	free(g->path);
	free(g);
}
