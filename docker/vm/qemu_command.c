/* qemu_command.c - the machine that the environment's VM_* variables describe, for the scripts.
 *
 *	qemu-command settings   the variables, checked and whole: see machine_print()
 *	qemu-command start      what is started, for the log; then program and arguments
 *
 * What `start` prints ends with NUL each. Looks at the host and starts nothing; `start` makes the
 * console's log where that is shared. Whether KVM may be
 * used depends on who asks: `start` is for the user who will run QEMU.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/base/argv.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "docker/vm/machine.h"
#include "docker/vm/qemu.h"
#include "lib/machine/console.h"

static bool is_word(const char *at, size_t len, const char *line)
{
	static const char name[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return (at == line || !strchr(name, at[-1])) && (!at[len] || !strchr(name, at[len]));
}

static bool line_has(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = line; (p = strstr(p, word)); p++)
		if (is_word(p, len, line))
			return true;
	return false;
}

static bool cpu_shows(const char *const flags[])
{
	_cleanup_fclose_ FILE *f = fopen("/proc/cpuinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0)
		for (const char *const *flag = flags; *flag; flag++)
			if (line_has(line, *flag))
				return true;
	return false;
}

static int read_mtu(const char *bridge, unsigned *mtu, struct err *e)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", bridge);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f || fscanf(f, "%u", mtu) != 1)
		return err_errno(e, "the MTU of the bridge %s cannot be read", bridge);
	return 0;
}

/* QEMU does not start with a log that it cannot write to, nor without the FIFO. */
static bool console_is_shared(void)
{
	struct stat st;

	if (lstat(CONSOLE_OF_VM "/" CONSOLE_KEYS, &st) < 0 || !S_ISFIFO(st.st_mode) ||
	    access(CONSOLE_OF_VM "/" CONSOLE_KEYS_OUT, W_OK) < 0)
		return false;
	_cleanup_close_ int fd =
	    open(CONSOLE_OF_VM "/" CONSOLE_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	return fd >= 0;
}

static int look_at_host(const struct machine *m, struct vm_host *host, struct err *e)
{
	struct utsname u;

	*host = (struct vm_host){.arch = uname(&u) == 0 ? qemu_arch_find(u.machine) : NULL};
	if (faccessat(AT_FDCWD, "/dev/kvm", F_OK, AT_EACCESS) == 0)
		host->kvm = faccessat(AT_FDCWD, "/dev/kvm", R_OK | W_OK, AT_EACCESS) == 0
				? KVM_OPEN
				: KVM_CLOSED;
	host->console = console_is_shared();
	host->kvm_flag = host->arch && cpu_shows(host->arch->is->kvm_flags);
	return read_mtu(machine_setting(m, "VM_BRIDGE"), &host->mtu, e);
}

static void print_start(
    const struct machine *m, const struct qemu_accel *accel, const struct argv *argv)
{
	printf("%s: %s %s, %u CPUs, %u MiB, %zu disks, accel %s", m->name, m->arch->is->name,
	    m->bios ? "bios" : "uefi", m->cpus, m->memory_mib, m->disk_count,
	    accel->kvm ? "kvm" : "tcg");
	if (*accel->why)
		printf(" (%s)", accel->why);
	putchar('\0');
	for (size_t i = 0; i < argv->count; i++) {
		fputs(argv->items[i], stdout);
		putchar('\0');
	}
}

static int start(const struct machine *m, struct err *e)
{
	_cleanup_argv_ struct argv argv = ARGV_INIT;
	struct qemu_accel accel;
	struct vm_host host;
	int rc = look_at_host(m, &host, e);

	if (rc == 0)
		rc = qemu_choose_accel(m, &host, &accel, e);
	if (rc < 0)
		return rc;
	qemu_command(m, &host, &accel, &argv);
	if (argv.failed)
		return err_set(e, ENOMEM, "there is no memory for QEMU's command");
	print_start(m, &accel, &argv);
	return 0;
}

static int run(const char *verb, struct err *e)
{
	struct machine m;
	int rc = machine_parse(environ, &m, e);

	if (rc < 0)
		return rc;
	if (strcmp(verb, "start") == 0)
		rc = start(&m, e);
	else
		machine_print(&m, stdout);
	if (rc == 0 && fflush(stdout) != 0)
		rc = err_errno(e, "the command cannot be written");
	return rc;
}

int main(int argc, char **argv)
{
	const char *name = getenv("VM_NAME");
	struct err e = ERR_INIT;

	if (argc != 2 || (strcmp(argv[1], "settings") != 0 && strcmp(argv[1], "start") != 0)) {
		fputs("usage: qemu-command settings|start\n", stderr);
		return 2;
	}
	if (run(argv[1], &e) == 0)
		return 0;
	fprintf(
	    stderr, "run-vm: cannot start %s: %s\n", name && *name ? name : "the machine", e.msg);
	return 1;
}
