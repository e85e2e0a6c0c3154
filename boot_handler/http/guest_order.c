#include "boot_handler/http/guest_order.h"

#include <errno.h>

#include "boot_handler/documents/agent_call.h"
#include "boot_handler/http/guest_caller.h"
#include "boot_handler/http/order_news.h"
#include "boot_handler/sources/backup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* Output of a run before is another one's. What installs is begun as a boot would: its reports are
 * those of the next attempt. */
void guest_order_begins(const struct call *c, const struct vm *vm, const struct order *order)
{
	struct state *state = c->services->state;

	order_news_begun(c->services);
	outputs_drop(state_outputs(c->services->state), order->id);
	if (!vm || !order_row(order->action)->installs || order->given > 1)
		return;
	state_reinstall(state, &vm->mac, vm->name);
	(void)state_booted(
	    state, &vm->mac, vm->name, (struct boot_choice){.mode = &boot_mode_install});
}

/* That it was begun is on disk before it is: it may not be begun twice. */
int guest_order_progress(const struct call *c, struct server_answer *a, struct err *e)
{
	struct agent_progress told;
	struct guest_caller who;
	bool first = false;

	int r = agent_progress_parse(c->request->body, c->request->body_len, &told, e);
	if (r == 0)
		r = guest_caller_find(c, &told.mac, &who, e);
	if (r < 0)
		return r;
	if (who.vm)
		state_seen(c->services->state, &who.vm->mac, who.vm->name);
	const struct order_progress now = {.phase = told.phase[0] ? told.phase : NULL,
	    .text = told.text,
	    .done_bytes = told.done_bytes,
	    .total_bytes = told.total_bytes};
	r = orders_progress(
	    state_orders(c->services->state), &who.cards, told.id, &now, wall_ms(), &first, e);
	order_news_tell(c->services);
	a->status = 204;
	return r == 0 && first ? state_save(c->services->state, e) : r;
}

/* Told twice is as good as once. */
static int judge_again(const struct order *order, bool ok, struct err *e)
{
	if (order->state == (ok ? ORDER_DONE : ORDER_FAILED))
		return 0;
	return err_set(e, EBUSY, "order %lld is over: %s", (long long)order->id,
	    order->text[0] ? order->text : order_state_name(order->state));
}

/* What the agent says of the disk is true also of one that was taken back when it had begun. */
static bool took_system(const struct order *order, const struct agent_ending *ending, int r)
{
	return order->action == ORDER_WIPE &&
	       (r == 0 || (r == ORDER_ENDED_BEFORE && order->state == ORDER_CANCELLED)) &&
	       json_is_true(json_object_get(ending->figures, "system_gone"));
}

/* It is well only where what it is for is there. */
static void judge_end(
    const struct call *c, const struct guest_caller *who, int64_t id, struct order_end *how)
{
	_cleanup_order_ struct order order = {0};

	if (!how->ok ||
	    orders_find(state_orders(c->services->state), &who->cards, id, &order, NULL) < 0 ||
	    order.action != ORDER_BACKUP || order.state != ORDER_RUNNING)
		return;
	const char *name = json_string_value(json_object_get(order.args, "name"));
	if (c->services->backups && name && backups_made(c->services->backups, id, name))
		return;
	how->ok = false;
	how->text = "its agent told that it is done, and no image was made of it";
	how->hint = "look at the machine's console, then begin it again (`vmlab order resume`)";
}

static int end_order(const struct call *c, const struct guest_caller *who,
    const struct agent_ending *ending, struct err *e)
{
	struct order_end how = {.ok = ending->ok,
	    .text = ending->text,
	    .phase = ending->phase[0] ? ending->phase : NULL,
	    .hint = ending->hint,
	    .figures = ending->figures};
	struct state *state = c->services->state;
	_cleanup_order_ struct order order = {0};

	judge_end(c, who, ending->id, &how);
	int r =
	    orders_end(state_orders(state), &who->cards, ending->id, &how, wall_ms(), &order, e);
	if (took_system(&order, ending, r) && who->vm)
		state_wiped(state, &who->vm->mac, who->vm->name);
	if (r == ORDER_ENDED_BEFORE)
		return judge_again(&order, ending->ok, e);
	if (r < 0)
		return r;
	if (ending->ok && order.action == ORDER_DEPLOY && who->vm)
		state_deployed(state, &who->vm->mac, who->vm->name);
	if (order.netboot_off && who->vm)
		state_netboot(state, &who->vm->mac, who->vm->name, false);
	order_news_tell(c->services);
	return state_save(state, e);
}

static int take_output(const struct call *c, const struct guest_caller *who, struct err *e)
{
	const struct route *route = c->request->route;
	struct orders *orders = state_orders(c->services->state);

	int r = orders_running(orders, &who->cards, route->number, wall_ms(), e);
	order_news_tell(c->services);
	return r < 0 ? r
		     : outputs_take(state_outputs(c->services->state), route->number, route->after,
			   c->request->body, c->request->body_len, e);
}

int guest_order_output(const struct call *c, struct server_answer *a, struct err *e)
{
	struct guest_caller who;

	int r = guest_caller_find(c, &c->request->route->mac, &who, e);
	if (r == 0)
		r = take_output(c, &who, e);
	a->status = 204;
	return r;
}

int guest_order_done(const struct call *c, struct server_answer *a, struct err *e)
{
	struct agent_ending ending;
	struct guest_caller who;

	int r = agent_ending_parse(c->request->body, c->request->body_len, &ending, e);
	if (r == 0)
		r = guest_caller_find(c, &ending.mac, &who, e);
	if (r == 0)
		r = end_order(c, &who, &ending, e);
	agent_ending_clear(&ending);
	a->status = 204;
	return r;
}
