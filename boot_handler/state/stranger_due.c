/* Those that have asked and are to be looked at for it: in turn, each once, however often it asks.
 */
#include "boot_handler/state/stranger_inside.h"

void stranger_set_due(struct strangers *t, struct stranger_place *p, bool due)
{
	if (due != p->due)
		t->due += due ? 1 : -1u;
	p->due = due;
}

bool strangers_next_due(struct strangers *t, struct stranger *out)
{
	bool found = false;

	pthread_mutex_lock(&t->lock);
	while (t->due > 0 && !found) {
		struct stranger_place *p = &t->places[t->due_cursor];

		t->due_cursor = (t->due_cursor + 1) % STRANGERS_MAX;
		if (!p->due)
			continue;
		stranger_set_due(t, p, false);
		*out = p->is;
		found = true;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

void strangers_due_again(struct strangers *t, unsigned slot)
{
	pthread_mutex_lock(&t->lock);
	if (t->places[slot].used)
		stranger_set_due(t, &t->places[slot], true);
	pthread_mutex_unlock(&t->lock);
}

void strangers_all_due(struct strangers *t)
{
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		if (t->places[i].used)
			stranger_set_due(t, &t->places[i], true);
	pthread_mutex_unlock(&t->lock);
}

bool strangers_is_news(struct strangers *t, unsigned slot, uint64_t what)
{
	pthread_mutex_lock(&t->lock);
	bool news = t->places[slot].used && t->places[slot].told != what;
	t->places[slot].told = what;
	pthread_mutex_unlock(&t->lock);
	return news;
}

unsigned strangers_called(struct strangers *t, const char *id)
{
	unsigned count = 0;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		count += t->places[i].used && stranger_is_called(&t->places[i].is, id);
	pthread_mutex_unlock(&t->lock);
	return count;
}
