/* lease-event - dnsmasq's dhcp-script: keeps the leases for it (lib/net/lease_file.h) and tells
 * boot_handler which machine has which address. dnsmasq starts it for each answer, hundreds of
 * times when a rack is switched on: a small static program, and no shell before it. What else
 * dnsmasq tells its script is left alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot_handler/sources/lease_sender.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/net/lease_file.h"

#define LEASES "/run/dnsmasq/leases"
#define JOURNAL "/run/dnsmasq/journal"

/* dnsmasq has been started and asks what it had leased. */
static int tell_leases(void)
{
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (lease_file_read(LEASES, JOURNAL, &text, &len, &e) < 0) {
		log_error("dnsmasq knows of no lease: %s", e.msg);
		return 1;
	}
	return fwrite(text, 1, len, stdout) == len && fflush(stdout) == 0 ? 0 : 1;
}

static void note(int argc, char **argv)
{
	const struct lease_told told = {
	    .action = argv[1],
	    .mac = argv[2],
	    .ip = argv[3],
	    .name = argc > 4 ? argv[4] : NULL,
	    .ends = getenv("DNSMASQ_LEASE_EXPIRES"),
	    /* IPv6: the first argument is the DUID. */
	    .client_id = strchr(argv[3], ':') ? argv[2] : getenv("DNSMASQ_CLIENT_ID"),
	    .iaid = getenv("DNSMASQ_IAID"),
	    .server_duid = getenv("DNSMASQ_SERVER_DUID"),
	};
	struct err e = ERR_INIT;

	if (lease_file_note(JOURNAL, &told, &e) < 0)
		log_error("the lease of %s would be forgotten over a restart of dnsmasq: %s",
		    argv[3], e.msg);
}

int main(int argc, char **argv)
{
	log_init("lease-event", LOG_LEVEL_INFO);
	if (argc == 2 && strcmp(argv[1], "init") == 0)
		return tell_leases();
	/* The next machine's address comes before the news of this one's. */
	if (nice(10) < 0)
		errno = 0;
	if (argc > 3)
		note(argc, argv);
	return lease_event_main(argc - 1, argv + 1);
}
