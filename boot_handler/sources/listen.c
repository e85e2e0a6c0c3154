#include "boot_handler/sources/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/base/cleanup.h"

#define BACKLOG 1024

const char *listen_unix_path(const char *text)
{
	return strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
}

static int unix_address(const char *path, struct sockaddr_un *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (path[0] == '\0' || strlen(path) >= sizeof(out->sun_path))
		return err_set(e, EINVAL,
		    "the socket path has to have 1 to %zu bytes: shorten \"%s\"",
		    sizeof(out->sun_path) - 1, path);
	memcpy(out->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Refuses to take the socket away from a program that still answers on it. */
static int clear_path(const struct sockaddr_un *address, int type, struct err *e)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(
		    e, EEXIST, "%s exists and is no socket: move it away", address->sun_path);
	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return err_set(e, EADDRINUSE, "another program is listening on %s: stop it first",
		    address->sun_path);
	if (unlink(address->sun_path) < 0)
		return err_errno(e, "cannot remove the old socket %s", address->sun_path);
	return 0;
}

static int open_unix(const char *path, int type, int flags, mode_t mode, struct err *e)
{
	struct sockaddr_un address;

	int r = unix_address(path, &address, e);
	if (r == 0)
		r = clear_path(&address, type, e);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | flags, 0);
	/* Before bind, as bind takes the new file's mode from here: no moment with another one. */
	if (fd < 0 || fchmod(fd, mode) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(e, "cannot listen on %s", path);
	if (chmod(path, mode) < 0)
		return err_errno(e, "cannot set who may use %s", path);
	return steal_fd(&fd);
}

static int open_inet(const char *text, int type, int flags, struct err *e)
{
	struct addrinfo hints = {
	    .ai_socktype = type, .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
	const char *colon = strrchr(text, ':');
	struct addrinfo *address = NULL;
	char host[80];
	int on = 1;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return err_set(e, EINVAL,
		    "\"%s\" is no address to listen on: write unix:/path, 127.0.0.1:8080 or [::1]:8080",
		    text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	size_t len = strlen(host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	int code = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &address);
	if (code != 0)
		return err_set(e, EINVAL,
		    "\"%s\" is no address to listen on (%s): write unix:/path, 127.0.0.1:8080 or [::1]:8080",
		    text, gai_strerror(code));
	_cleanup_close_ int fd = socket(address->ai_family, type | SOCK_CLOEXEC | flags, 0);
	int r = 0;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) < 0)
		r = err_errno(e, "cannot listen on %s", text);
	freeaddrinfo(address);
	return r < 0 ? r : steal_fd(&fd);
}

/* `wanted` is SOCK_STREAM or SOCK_DGRAM. */
static int take_inherited(const char *number, int wanted, int status_flags, struct err *e)
{
	char *end;
	long fd = strtol(number, &end, 10);
	int flags, type = 0;
	socklen_t len = sizeof(type);

	if (end == number || *end || fd < 0 || fd > 1023 ||
	    getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != wanted)
		return err_set(e, EINVAL, "\"fd:%s\" is no inherited %s socket", number,
		    wanted == SOCK_STREAM ? "stream" : "datagram");
	flags = fcntl((int)fd, F_GETFL);
	if (flags < 0 || fcntl((int)fd, F_SETFL, flags | status_flags) < 0 ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(e, "cannot use the inherited socket fd:%s", number);
	return (int)fd;
}

static int open_any(const char *text, mode_t mode, struct err *e)
{
	const char *path = listen_unix_path(text);

	if (path)
		return open_unix(path, SOCK_STREAM, SOCK_NONBLOCK, mode, e);
	return strncmp(text, "fd:", 3) == 0 ? take_inherited(text + 3, SOCK_STREAM, O_NONBLOCK, e)
					    : open_inet(text, SOCK_STREAM, SOCK_NONBLOCK, e);
}

int listen_open(const char *text, mode_t mode, struct err *e)
{
	_cleanup_close_ int fd = open_any(text, mode, e);

	if (fd < 0)
		return fd;
	if (listen(fd, BACKLOG) < 0)
		return err_errno(e, "cannot listen on %s", text);
	return steal_fd(&fd);
}

void listen_remove(const char *text)
{
	const char *path = listen_unix_path(text);

	if (path)
		unlink(path);
}

int listen_datagram(const char *path, struct err *e)
{
	return strncmp(path, "fd:", 3) == 0 ? take_inherited(path + 3, SOCK_DGRAM, 0, e)
					    : open_unix(path, SOCK_DGRAM, 0, 0666, e);
}

void listen_datagram_remove(const char *path)
{
	if (strncmp(path, "fd:", 3) != 0)
		unlink(path);
}

int listen_udp(const char *text, struct err *e)
{
	return strncmp(text, "fd:", 3) == 0 ? take_inherited(text + 3, SOCK_DGRAM, 0, e)
					    : open_inet(text, SOCK_DGRAM, 0, e);
}
