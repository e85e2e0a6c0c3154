#include "vm_watcher/dnsmasq.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"

/* 0 when the file is not there or holds no process id. */
static pid_t read_pid(const char *pid_file)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (file_read(pid_file, 64, &text, &len, NULL) < 0)
		return 0;
	char *end;
	errno = 0;
	long pid = strtol(text, &end, 10);
	if (errno || end == text || (*end != '\0' && *end != '\n') || pid < 2 || pid > INT_MAX)
		return 0;
	return (pid_t)pid;
}

static bool is_dnsmasq(pid_t pid)
{
	_cleanup_free_ char *comm = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return file_read(path, 64, &comm, &len, NULL) == 0 && strcmp(comm, "dnsmasq\n") == 0;
}

static int dnsmasq_signal(const char *pid_file, int sig, const char *what, struct err *e)
{
	pid_t pid = read_pid(pid_file);

	if (pid == 0)
		return DNSMASQ_NOT_RUNNING;
	/* The descriptor stays with this process even if its number is given to another one. */
	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0 && errno == ESRCH)
		return DNSMASQ_NOT_RUNNING;
	if (!is_dnsmasq(pid))
		return DNSMASQ_NOT_RUNNING;
	int rc = process >= 0 ? (int)syscall(SYS_pidfd_send_signal, process, sig, NULL, 0)
			      : kill(pid, sig); /* a kernel before 5.3 */
	if (rc < 0 && errno == ESRCH)
		return DNSMASQ_NOT_RUNNING;
	if (rc < 0)
		return err_errno(e, "dnsmasq (process %d) cannot be told to %s", (int)pid, what);
	return 0;
}

bool dnsmasq_runs(const char *pid_file)
{
	pid_t pid = read_pid(pid_file);

	return pid && is_dnsmasq(pid);
}

int dnsmasq_reload(const char *pid_file, struct err *e)
{
	return dnsmasq_signal(pid_file, SIGHUP, "reload", e);
}

int dnsmasq_end(const char *pid_file, struct err *e)
{
	return dnsmasq_signal(pid_file, SIGTERM, "end", e);
}
