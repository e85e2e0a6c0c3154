/* order_settle.c - what the operator changed is not so before it is on disk: until then nobody
 * hears of it or changes it, and it can be taken back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/order_inside.h"
#include "lib/base/cleanup.h"

struct order_before {
	struct order is;
	size_t bytes;
	bool news;
};

int order_hold(struct order_kept *k, struct err *e)
{
	k->before = calloc(1, sizeof(*k->before));
	if (!k->before)
		return err_set(e, ENOMEM, "out of memory");
	order_copy(&k->is, &k->before->is);
	k->before->bytes = k->bytes;
	k->before->news = k->news;
	return 0;
}

void order_let_go(struct order_kept *k)
{
	if (k->before)
		order_clear(&k->before->is);
	free(steal_ptr(k->before));
	k->fresh = false;
}

bool order_is_held(const struct order_kept *k)
{
	return k->before || k->fresh;
}

int order_check_held(const struct order_kept *k, struct err *e)
{
	return order_is_held(k)
		   ? err_set(e, ETIMEDOUT, "order %lld is being changed at this moment: ask again",
			 (long long)k->is.id)
		   : 0;
}

static void put_back(struct orders *t, struct order_kept *k)
{
	struct order_before *before = k->before;

	t->bytes += before->bytes - k->bytes;
	t->news += (unsigned)before->news - (unsigned)k->news;
	t->open -= order_is_open(&k->is);
	order_clear(&k->is);
	order_copy(&before->is, &k->is);
	t->open += order_is_open(&k->is);
	k->bytes = before->bytes;
	k->news = before->news;
	order_mark(t, k);
	order_let_go(k);
}

/* What was written of it all the same goes again. */
static void take_away(struct orders *t, struct order_kept *k)
{
	(void)order_gone(t, k->is.id);
	t->open -= order_is_open(&k->is);
	order_forget(t, k);
}

void orders_settle(struct orders *t, int64_t list, bool saved)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = t->count; i-- > 0;) {
		struct order_kept *k = &t->items[i];
		if (k->is.list != list || !order_is_held(k))
			continue;
		if (saved)
			order_let_go(k);
		else if (k->fresh)
			take_away(t, k);
		else
			put_back(t, k);
	}
	pthread_mutex_unlock(&t->lock);
}
