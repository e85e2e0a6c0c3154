/* call.h - one request on its way: the machine that its path names is found, whether it may ask is
 * judged, its endpoint's handler called, and an error told. */
#ifndef BOOT_HANDLER_HTTP_CALL_H
#define BOOT_HANDLER_HTTP_CALL_H

#include "boot_handler/http/endpoint.h"
#include "boot_handler/http/server.h"
#include "boot_handler/http/services.h"

/* What a handler is given; borrowed until it returns. */
struct call {
	struct services *services;
	const struct server_request *request;
	const struct vm_snapshot *snapshot;
	const struct vm *vm; /* that the path names; NULL: it names none */
};

/* A server_options.handle; ctx is a struct services. */
void call_answer(void *services, const struct server_request *request, struct server_answer *a);

/* A server_options.begin. */
must_check int call_begin(
    void *services, const struct server_request *request, struct server_sink *sink, struct err *e);

/* True when the request, which is about `vm`, comes from an address of it. */
bool call_is_its_own(const struct call *c, const struct vm *vm);

/* Whether it came by way of a proxy: the stack's own addresses are no machine's. */
bool call_is_proxied(const struct call *c);

/* Remembers where the machine is. */
void call_note_address(const struct call *c, const struct vm *vm);

/* 0 when it does, else -EPERM with the sentence; then that is an event of the machine. */
must_check int call_need_itself(const struct call *c, const struct vm *vm, struct err *e);

/* The handler of /healthz. */
int call_health(const struct call *c, struct server_answer *a, struct err *e);

#endif
