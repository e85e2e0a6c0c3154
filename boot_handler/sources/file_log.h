/* file_log.h - what nginx logs of a file that it was asked for: "ADDRESS STATUS BYTES SECONDS
 * TARGET", as docker/stack/nginx.conf has it. Pure.
 */
#ifndef BOOT_HANDLER_SOURCES_FILE_LOG_H
#define BOOT_HANDLER_SOURCES_FILE_LOG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct file_sent {
	struct in6_addr to; /* IPv4 as ip4_mapped() */
	char source[INET6_ADDRSTRLEN];
	unsigned status;
	uint64_t bytes; /* sent of its contents */
	int64_t ms;     /* it took */
	char path[256]; /* as it was asked for, cut, without a query; begins with a slash */
};

/* False: it is no such line. */
bool file_log_parse(const char *line, struct file_sent *out);

#endif
