/* A swap area: its header. What was swapped out means nothing to a system that starts anew. */
#include <string.h>

#include "os_installer/backup/used.h"

#define HEADER_BYTES (64U << 10) /* a page of whatever size */
#define SIGNATURE "SWAPSPACE2"

struct swap {
	struct used_source source;
	uint64_t header_bytes; /* 0: it was told */
};

static int open_swap(const struct used_source *s, void **state, struct err *e)
{
	uint64_t header = s->bytes < HEADER_BYTES ? s->bytes : HEADER_BYTES;

	/* A page's last bytes; a system that sleeps on the disk has another word there. */
	for (uint64_t page = 4096; page <= header; page *= 2) {
		char word[sizeof(SIGNATURE) - 1];
		int r = s->read(s->ctx, page - sizeof(word), word, sizeof(word), e);
		if (r < 0)
			return r;
		if (memcmp(word, SIGNATURE, sizeof(word)) != 0)
			continue;
		r = used_state_new(s, sizeof(struct swap), 0, state, e);
		if (r == 0)
			((struct swap *)*state)->header_bytes = header;
		return r;
	}
	err_set(e, 0, "it is none that is simply swapped on");
	return USED_UNSURE;
}

static int next_swap(void *state, struct used_run *out, struct err *e)
{
	struct swap *s = state;

	(void)e;
	*out = (struct used_run){0, s->header_bytes};
	s->header_bytes = 0;
	return out->len != 0;
}

const struct used_kind used_swap = {{"swap"}, open_swap, next_swap};
