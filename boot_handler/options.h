/* options.h - the command line. */
#ifndef BOOT_HANDLER_OPTIONS_H
#define BOOT_HANDLER_OPTIONS_H

#include <stdbool.h>

#include "boot_handler/state/outlook.h"
#include "boot_handler/webhook/sender.h"
#include "lib/net/addr.h"
#include "lib/base/err.h"

/* Strings are borrowed from argv or static. */
struct options {
	const char *vms;
	const char *images;
	const char *made;    /* NULL: manifests are made nowhere */
	const char *backups; /* NULL: no disk becomes an image */
	const char *state;
	char holders[400];     /* beside it: see lib/store/holders.h */
	char authorities[400]; /* the user's own, below images */
	struct sender_trust trust;
	char sessions[400]; /* the key of the pages' sessions, likewise: see session.h */
	char certificate[400],
	    key[400]; /* of the operator's listener, where they are made; likewise */
	const char *base_url;
	const char *listen;
	const char *report_listen; /* NULL: what is told comes to `listen` as well */
	const char *upload_listen; /* NULL without backups */
	const char *operator_listen;
	const char *dashboard_listen;     /* NULL: none */
	const char *operator_tcp;         /* NULL: no TCP listener for the operator */
	const char *operator_token_file;  /* NULL without operator_tcp */
	const char *operator_hosts;       /* NULL: none more */
	const char *operator_tls;         /* "on", "off"; NULL: on where others can connect */
	const char *operator_certificate; /* NULL: one is made */
	const char *operator_key;
	const char *lease_socket;    /* NULL: none */
	const char *syslog;          /* NULL: not heard */
	const char *file_log;        /* likewise */
	const char *authorized_keys; /* NULL: none */
	const char *machines;        /* NULL: none */
	const char *notices;         /* NULL: none; what /readyz warns of, a sentence a line */
	const char *consoles;        /* NULL: no machine's is here */
	const char *xterm;           /* xterm.js' files; NULL: none */
	const char *domain;
	const char *initrds; /* NULL: not known which there are */
	const char *initrds_url_path;
	struct cidr4 lab;
	bool has_lab;
	struct cidr6 lab6;
	bool has_lab6;
	const char *guest_access; /* NULL: follows from listen */
	const struct boot_stranger *strangers;
	bool any_source;
	bool tls; /* the operator's TCP listener speaks it */
	bool check;
	bool verbose;
	unsigned threads;
	struct outlook_limits limits;
	char report_path[108]; /* what report_listen points to when it follows from listen */
	char upload_path[108]; /* what upload_listen points to when it follows from listen */
	char lease_path[108];  /* what lease_socket points to when it follows from listen */
	char file_log_path[108];
};

enum options_wish { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/* Parses and validates. Returns an options_wish, or -EINVAL with one sentence. */
must_check int options_parse(int argc, char **argv, struct options *out, struct err *e);

extern const char options_help[];

#endif
