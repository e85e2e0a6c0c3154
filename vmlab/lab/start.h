/* start.h - brings the lab's containers up, each only as far as it is not up already. What to do
 * with a container is decided by start_decide(), which is pure.
 */
#ifndef VMLAB_LAB_START_H
#define VMLAB_LAB_START_H

#include <stdbool.h>
#include <stdio.h>

#include "vmlab/lab/command.h"
#include "vmlab/lab/container.h"
#include "vmlab/lab/net_clash.h"

enum start_action {
	START_CREATE,       /* there is none */
	START_START,        /* stopped, and still made of what it should be */
	START_RECREATE,     /* stopped or replaceable, and made of something else */
	START_KEEP,         /* running as it should */
	START_KEEP_CHANGED, /* running, and made of something else: a restart would change it */
};

/* What a container should be made of. */
struct start_wish {
	const char *spec;
	const char *image_id;
	const char *net_id;   /* NULL: the net container itself */
	bool replace_running; /* holds no state of its own: may be replaced while it runs */
};

/* `c` is NULL when there is none. A newer image alone never touches a running container that may
 * not be replaced. */
enum start_action start_decide(const struct container *c, const struct start_wish *wish);

/* The container of another VM that runs with the MAC of `vm`, or NULL. */
const struct container *start_mac_holder(
    const struct container_list *containers, const struct vm *vm);

struct start {
	struct session *s;
	const struct vm_snapshot *snap; /* the definitions; borrowed */
	FILE *out;
	char *stack_image_id, *vm_image_id;
	struct container_vm_options vm_options;
};

/* Finds the images, or says how to get them. */
must_check int start_images(struct start *st, struct err *e);
void start_clear(struct start *st);

/* What the lab's network hides or overlaps here; `what` gets it. */
enum net_clash start_clash(const struct lab *lab, const struct engine *en, char *what, size_t size);

must_check int start_network(struct start *st, struct err *e);
must_check int start_stack(struct start *st, struct err *e);

/* Waits until the stack's own health check passes and its API is ready; prints what is missing
 * while it waits, and the stack's last lines when it does not come. */
must_check int start_wait_healthy(struct start *st, int64_t timeout_ms, struct err *e);

/* -EADDRINUSE with a sentence while another VM runs with its MAC address, unless that is the same
 * machine under the name it had. Before anything is changed or ordered. */
must_check int start_vm_check(const struct start *st, const struct vm *vm, struct err *e);

/* Starts one VM that start_vm_check() lets pass, and says what was done. *action tells; for
 * START_KEEP_CHANGED nothing was. `kept`: vm_container_kept(). */
must_check int start_vm(struct start *st, const struct vm *vm, const char *kept,
    enum start_action *action, struct err *e);

#endif
