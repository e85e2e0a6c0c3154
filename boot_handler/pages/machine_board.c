#include "boot_handler/pages/machine_board.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/stream.h"
#include "boot_handler/pages/machine_rows.h"
#include "boot_handler/pages/page.h"
#include "lib/base/clock.h"

#define FRESH_MS 500

const char *const board_values[BOARD_VALUES] = {
    "says", "percent", "detail", "event", "event_at", "seen"};

/* ---- what has changed -------------------------------------------------------------------- */

static bool is_value(const char *key)
{
	for (size_t i = 0; i < BOARD_VALUES; i++)
		if (strcmp(board_values[i], key) == 0)
			return true;
	return false;
}

/* But for its values. */
static bool is_formed_alike(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;

	if (json_object_size(a) != json_object_size(b))
		return false;
	json_object_foreach((json_t *)a, key, value) {
		if (!is_value(key) && !json_equal(value, json_object_get(b, key)))
			return false;
	}
	return true;
}

static bool is_set_alike(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x == y || (x && y && json_equal(x, y));
}

static const struct board_row *before(const struct board *old, const char *id)
{
	const json_t *place = old ? json_object_get(old->places, id) : NULL;

	return place ? &old->rows[json_integer_value(place)] : NULL;
}

/* Two may be called alike: only the first has a place. */
static void follow(struct board_row *row, const struct board_row *was, uint64_t version)
{
	bool same = was && is_formed_alike(was->row, row->row);

	row->formed = same ? was->formed : version;
	for (size_t i = 0; i < BOARD_VALUES; i++)
		row->set[i] = same && is_set_alike(was->row, row->row, board_values[i])
				  ? was->set[i]
				  : version;
}

static bool is_in_place(const struct board *old, const struct board *b, size_t i)
{
	return old && i < old->count &&
	       strcmp(page_text(old->rows[i].row, "id"), page_text(b->rows[i].row, "id")) == 0;
}

static void take(struct board *b, const struct board *old, size_t i, json_t *json)
{
	const char *id = page_text(json, "id"), *state = page_text(json, "state");

	b->rows[i].row = json_incref(json);
	follow(&b->rows[i], before(old, id), b->version);
	if (!json_object_get(b->places, id))
		json_object_set_new(b->places, id, json_integer((json_int_t)i));
	json_object_set_new(b->counts, state, json_integer(page_number(b->counts, state) + 1));
	if (!is_in_place(old, b, i) || b->rows[i].formed == b->version)
		b->ordered = b->version;
}

struct board *board_next(const struct board *old, uint64_t version, const json_t *rows)
{
	size_t count = json_array_size(rows);
	struct board *b = calloc(1, sizeof(*b) + count * sizeof(b->rows[0]));

	if (!b)
		return NULL;
	*b = (struct board){.version = version,
	    .ordered = old && old->count == count ? old->ordered : version,
	    .counts = json_object(),
	    .places = json_object(),
	    .count = count};
	atomic_init(&b->references, 1);
	for (size_t i = 0; i < count; i++)
		take(b, old, i, json_array_get(rows, i));
	return b;
}

void board_unref(const struct board *board)
{
	struct board *b = (struct board *)board;

	if (!b || atomic_fetch_sub(&b->references, 1) > 1)
		return;
	for (size_t i = 0; i < b->count; i++)
		json_decref(b->rows[i].row);
	json_decref(b->counts);
	json_decref(b->places);
	free(b);
}

/* ---- the one that is now ----------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	struct board *board; /* NULL: nobody has looked yet */
} now = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The first of this run is after all of those before it: who has seen one of them gets everything.
 */
static uint64_t next_version(void)
{
	return now.board ? now.board->version + 1 : (uint64_t)wall_ms();
}

static int make(const struct call *c, struct err *e)
{
	uint64_t heard = streams_last(c->services->streams);
	json_t *rows = NULL;

	int r = machine_rows_make(c, &rows, e);
	struct board *made = r == 0 ? board_next(now.board, next_version(), rows) : NULL;
	json_decref(rows);
	if (!made)
		return r < 0 ? r : err_set(e, ENOMEM, "out of memory");
	made->made_ms = monotonic_ms();
	made->heard = heard;
	board_unref(now.board);
	now.board = made;
	return 0;
}

/* An event that there is not is none to wait for: whoever names one saw another state file. */
static bool is_fresh(const struct call *c, uint64_t heard)
{
	return heard != BOARD_NOW && now.board && monotonic_ms() - now.board->made_ms < FRESH_MS &&
	       (heard <= now.board->heard ||
		   streams_last(c->services->streams) <= now.board->heard);
}

int board_get(const struct call *c, uint64_t heard, const struct board **out, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&now.lock);
	if (!is_fresh(c, heard))
		r = make(c, e);
	*out = r == 0 ? now.board : NULL;
	if (r == 0)
		atomic_fetch_add(&now.board->references, 1);
	pthread_mutex_unlock(&now.lock);
	return r;
}
