#include "vmlab/simulate/daemons.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

struct seen {
	char name[DAEMON_NAME_SIZE];
	uint64_t ticks, rss_pages;
};

/* proc_pid_stat(5): fields 14 to 17 are ticks of the process and of its children, 24 its pages. */
static bool look_at(const char *pid, struct seen *out)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	char *name = strchr(text, '('), *rest = strrchr(text, ')');
	if (!name || !rest)
		return false;
	*rest++ = '\0';
	snprintf(out->name, sizeof(out->name), "%s", name + 1);
	uint64_t user, kernel, children_user, children_kernel, rss;
	if (sscanf(rest,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64
		" %" SCNu64 " %*d %*d %*d %*d %*u %*u %" SCNu64,
		&user, &kernel, &children_user, &children_kernel, &rss) != 5)
		return false;
	out->ticks = user + kernel + children_user + children_kernel;
	out->rss_pages = rss;
	return true;
}

static struct daemon *find(struct daemons *d, const char *name)
{
	for (unsigned i = 0; i < d->count; i++)
		if (strcmp(d->item[i].name, name) == 0)
			return &d->item[i];
	if (d->count == DAEMONS_MAX)
		return NULL;
	struct daemon *one = &d->item[d->count++];
	*one = (struct daemon){0};
	memcpy(one->name, name, sizeof(one->name));
	return one;
}

static void begin(struct daemons *d)
{
	for (unsigned i = 0; i < d->count; i++)
		d->item[i].ticks = d->item[i].rss_bytes = 0;
}

static void end(struct daemons *d)
{
	for (unsigned i = 0; i < d->count; i++) {
		struct daemon *one = &d->item[i];
		if (one->rss_bytes > one->peak_bytes)
			one->peak_bytes = one->rss_bytes;
		if (!d->begun)
			one->first_ticks = one->ticks;
	}
	d->begun = true;
}

void daemons_look(struct daemons *d)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct seen seen;

	begin(d);
	while (proc && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid() ||
		    !look_at(entry->d_name, &seen))
			continue;
		struct daemon *one = find(d, seen.name);
		if (one) {
			one->ticks += seen.ticks;
			one->rss_bytes += seen.rss_pages * page;
		}
	}
	end(d);
}

/* A process that has ended took what it took: its parent has waited for it, or another one. */
static double cpu_s(const struct daemon *one)
{
	return one->ticks > one->first_ticks
		   ? (double)(one->ticks - one->first_ticks) / (double)sysconf(_SC_CLK_TCK)
		   : 0;
}

static int busier(const void *a, const void *b)
{
	double x = cpu_s(a), y = cpu_s(b);

	return (x < y) - (x > y);
}

json_t *daemons_json(const struct daemons *d)
{
	struct daemons sorted = *d;
	json_t *list = json_array();

	qsort(sorted.item, sorted.count, sizeof(sorted.item[0]), busier);
	for (unsigned i = 0; i < sorted.count; i++)
		json_array_append_new(
		    list, json_pack("{s:s, s:f, s:I}", "name", sorted.item[i].name, "cpu_s",
			      cpu_s(&sorted.item[i]), "peak_rss_bytes",
			      (json_int_t)sorted.item[i].peak_bytes));
	return list;
}

double daemons_cpu_s(const struct daemons *d)
{
	double sum = 0;

	for (unsigned i = 0; i < d->count; i++)
		sum += cpu_s(&d->item[i]);
	return sum;
}
