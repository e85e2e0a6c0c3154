#include "os_installer/bootloader/memory_map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* ---- free ranges ---------------------------------------------------------------------------- */

static void insert(struct memory_map *m, size_t at, struct memory_range r)
{
	if (r.begin >= r.end || m->count == MEMORY_RANGES_MAX)
		return;
	memmove(&m->free[at + 1], &m->free[at], (m->count - at) * sizeof(r));
	m->free[at] = r;
	m->count++;
}

static void remove_at(struct memory_map *m, size_t at)
{
	m->count--;
	memmove(&m->free[at], &m->free[at + 1], (m->count - at) * sizeof(m->free[0]));
}

static void cut(struct memory_map *m, uint64_t begin, uint64_t end)
{
	for (size_t i = 0; i < m->count;) {
		const struct memory_range r = m->free[i];
		if (r.end <= begin || r.begin >= end) {
			i++;
			continue;
		}
		remove_at(m, i);
		if (r.begin < begin)
			insert(m, i++, (struct memory_range){r.begin, begin});
		if (r.end > end)
			insert(m, i++, (struct memory_range){end, r.end});
	}
}

/* ---- the text ------------------------------------------------------------------------------- */

struct line {
	struct memory_range range;
	bool inner; /* it is part of one before it */
	const char *name;
	size_t len;
};

/* "  00000000-0009ffff : name"; its last byte is in it. */
static bool line_read(const char *at, size_t len, struct line *out)
{
	char text[64];
	int name = 0;
	size_t indent = strspn(at, " ");

	snprintf(
	    text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1), at);
	*out = (struct line){.inner = indent > 0};
	if (sscanf(text, " %" SCNx64 "-%" SCNx64 " : %n", &out->range.begin, &out->range.end,
		&name) != 2 ||
	    name == 0 || out->range.end == UINT64_MAX || out->range.end++ < out->range.begin)
		return false;
	out->name = at + name;
	out->len = len - (size_t)name;
	return true;
}

static bool is_called(const struct line *l, const char *name)
{
	return l->len == strlen(name) && memcmp(l->name, name, l->len) == 0;
}

int memory_map_parse(const char *iomem, struct memory_map *out, struct err *e)
{
	const char *next;

	out->count = 0;
	for (const char *at = iomem; at && *at; at = next) {
		const char *end = strchr(at, '\n');
		struct line l;
		next = end ? end + 1 : NULL;
		if (!line_read(at, end ? (size_t)(end - at) : strlen(at), &l))
			continue;
		if (!l.inner && is_called(&l, "System RAM") && l.range.end > 1)
			insert(out, out->count, l.range);
		else if (is_called(&l, "reserved"))
			cut(out, l.range.begin, l.range.end);
	}
	if (out->count == 0)
		return err_set(e, ENOENT,
		    "/proc/iomem tells of no memory that another kernel can be put into");
	return 0;
}

uint64_t memory_map_take(struct memory_map *m, uint64_t size, uint64_t align, uint64_t below)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct memory_range r = m->free[i];
		uint64_t at = (r.begin + align - 1) & ~(align - 1);
		if (at < r.begin || at == 0 || size > UINT64_MAX - at || at + size > r.end ||
		    at + size > below)
			continue;
		cut(m, at, at + size);
		return at;
	}
	return 0;
}
