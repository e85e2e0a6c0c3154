#include "boot_handler/sources/lease_receiver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/sources/datagram.h"
#include "boot_handler/sources/listen.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

struct lease_receiver {
	struct datagram_receiver *datagrams;
	char *path;
	struct lease_handler handler;
};

static void take_log(struct lease_receiver *r, const char *bytes, size_t len)
{
	_cleanup_free_ char *text = strndup(bytes, len);
	char *rest = text;
	struct dhcp_said said;

	for (const char *line; (line = strsep(&rest, "\n"));)
		if (dhcp_log_parse(line, &said))
			r->handler.said(r->handler.ctx, &said);
}

static void take(void *ctx, const struct datagram *d)
{
	struct lease_receiver *r = ctx;
	const size_t mark = strlen(LEASE_LOG);
	struct err e = ERR_INIT;
	struct lease lease;

	if (d->len > mark && memcmp(d->bytes, LEASE_LOG, mark) == 0)
		take_log(r, d->bytes + mark, d->len - mark);
	else if (lease_parse(d->bytes, d->len, &lease, &e) < 0)
		log_warn("%s", e.msg);
	else
		r->handler.leased(r->handler.ctx, &lease);
}

int lease_receiver_start(
    const char *path, const struct lease_handler *with, struct lease_receiver **out, struct err *e)
{
	_cleanup_free_ struct lease_receiver *r = calloc(1, sizeof(*r));

	if (!r || !(r->path = strdup(path)))
		return err_set(e, ENOMEM, "out of memory");
	r->handler = *with;
	int fd = listen_datagram(path, e);
	struct datagram_handler handler = {.what = "lease events", .take = take, .ctx = r};
	int code = fd < 0 ? fd : datagram_receiver_start(fd, &handler, &r->datagrams, e);
	if (code < 0) {
		free(r->path);
		return code;
	}
	*out = steal_ptr(r);
	return 0;
}

void lease_receiver_stop(struct lease_receiver *r)
{
	if (!r)
		return;
	datagram_receiver_stop(r->datagrams);
	listen_datagram_remove(r->path);
	free(r->path);
	free(r);
}
