#include "os_installer/base/offspring.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define NAP_MS 10

struct process_at {
	pid_t pid, parent;
	bool ours;
};

struct table {
	struct process_at *at;
	size_t count, room;
};

void offspring_adopt(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* The name, in parentheses, may hold anything: the parent is the second word behind the last. */
static pid_t parent_of(const char *pid)
{
	char path[64], text[512];
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	const char *behind = strrchr(text, ')');
	return behind && sscanf(behind + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool add(struct table *t, pid_t pid, pid_t parent)
{
	if (t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct process_at *grown = realloc(t->at, room * sizeof(*grown));
		if (!grown)
			return false;
		t->at = grown;
		t->room = room;
	}
	t->at[t->count++] = (struct process_at){pid, parent, false};
	return true;
}

/* /proc may be of another process namespace than ours; then its numbers mean nothing here. */
static bool proc_is_ours(void)
{
	char self[32];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	return atoi(self) == getpid();
}

static void read_all(struct table *t)
{
	_cleanup_closedir_ DIR *d = proc_is_ours() ? opendir("/proc") : NULL;
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    !add(t, atoi(entry->d_name), parent_of(entry->d_name)))
			return;
}

static bool mark(struct table *t)
{
	bool more = false;

	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; !t->at[i].ours && k < t->count; k++)
			if (t->at[i].parent == getpid() ||
			    (t->at[k].ours && t->at[k].pid == t->at[i].parent))
				t->at[i].ours = more = true;
	return more;
}

static unsigned end_those_there_are(void)
{
	struct table t = {0};
	unsigned count = 0;

	read_all(&t);
	while (mark(&t))
		;
	for (size_t i = 0; i < t.count; i++)
		if (t.at[i].ours) {
			kill(t.at[i].pid, SIGKILL);
			count++;
		}
	free(t.at);
	return count;
}

unsigned offspring_end(int64_t patience_ms)
{
	int64_t deadline = monotonic_ms() + patience_ms;
	unsigned left;

	for (;;) {
		left = end_those_there_are();
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (left == 0 || monotonic_ms() >= deadline)
			return left;
		sleep_ms(NAP_MS);
	}
}
