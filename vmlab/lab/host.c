#include "vmlab/lab/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

#define CPUINFO_MAX_BYTES (4 * 1024 * 1024)

static bool has_word(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++) {
		if (memcmp(line + i, word, n) != 0)
			continue;
		bool starts = i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t';
		bool ends = i + n == len || line[i + n] == ' ';
		if (starts && ends)
			return true;
	}
	return false;
}

bool host_cpuinfo_virtualises(const char *cpuinfo, enum vm_arch arch)
{
	const char *const *flags = arch_of(arch)->kvm_flags;

	if (!flags[0])
		return true;
	for (const char *line = cpuinfo; line && *line;) {
		size_t len = strcspn(line, "\n");
		if (strncmp(line, "flags", 5) == 0 &&
		    (has_word(line, len, flags[0]) || has_word(line, len, flags[1])))
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}

/* A file of /proc has no size beforehand: read to the end. */
static char *read_proc(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t size = 0, len = 0;

	while (f && len < CPUINFO_MAX_BYTES) {
		char *grown = realloc(text, size + 65537);
		if (!grown)
			return NULL;
		text = grown;
		size += 65536;
		size_t n = fread(text + len, 1, size - len, f);
		len += n;
		text[len] = '\0';
		if (n == 0)
			break;
	}
	return steal_ptr(text);
}

bool host_kvm_usable(enum vm_arch arch, const char **why)
{
	if (arch != host_arch()) {
		*why = "the guest's architecture is not this machine's";
		return false;
	}
	_cleanup_close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		*why = errno == ENOENT ? "there is no /dev/kvm"
				       : "/dev/kvm may not be opened by this user";
		return false;
	}
	_cleanup_free_ char *cpuinfo = read_proc("/proc/cpuinfo");
	if (!host_cpuinfo_virtualises(cpuinfo, arch)) {
		*why = "/dev/kvm is there, but the processor shows neither vmx nor svm";
		return false;
	}
	*why = NULL;
	return true;
}

bool host_has_ipv6(void)
{
	return access("/proc/sys/net/ipv6/conf/all/disable_ipv6", F_OK) == 0;
}

bool host_binfmt(enum vm_arch arch)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/fs/binfmt_misc/qemu-%s", arch_of(arch)->machine);
	_cleanup_free_ char *text = read_proc(path);
	/* Flag F: the interpreter is held open, so it is found inside a chroot too. */
	const char *flags = text ? strstr(text, "flags:") : NULL;
	return flags && strncmp(text, "enabled", 7) == 0 &&
	       memchr(flags, 'F', strcspn(flags, "\n"));
}

uint64_t host_free_bytes(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	struct statvfs st;

	while (copy && statvfs(copy, &st) < 0) {
		char *slash = strrchr(copy, '/');
		if (!slash)
			return 0;
		slash[slash == copy] = '\0';
		if (slash == copy && strcmp(copy, "/") == 0 && errno != ENOENT)
			return 0;
	}
	return copy ? (uint64_t)st.f_bavail * st.f_frsize : 0;
}

bool host_port_free(int port)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int on = 1;

	if (fd < 0)
		return true;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

int host_find_free_port(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(addr);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	return ntohs(addr.sin_port);
}
