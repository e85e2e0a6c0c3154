#include "boot_handler/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/boot/stranger.h"
#include "boot_handler/sources/lease.h"
#include "boot_handler/http/access.h"
#include "boot_handler/sources/listen.h"
#include "lib/base/log.h"
#include "lib/net/domain.h"

#define THREADS_MAX 32

const char options_help[] =
    "boot_handler tells each machine of the lab what to boot, how to install itself and how to\n"
    "configure itself, and remembers what became of it.\n"
    "\n"
    "Usage:\n"
    "  boot_handler --base-url http://192.168.100.1 [options]      serve\n"
    "  boot_handler --check [--vms DIR] [--images DIR] [...]       say what is wrong, and end\n"
    "\n"
    "What it reads and writes:\n"
    "  --vms DIR              definitions, one JSON file each            [/vms]\n"
    "  --images DIR           images as <distro>/<arch>/manifest.json    [/srv/images]\n"
    "  --made-images DIR      where manifests are made for folders of images that have none\n"
    "  --backups DIR          where machines' disks become images, by order   [no such orders]\n"
    "  --state FILE           what happened to each machine (SQLite)     [/state/vmlab.db]\n"
    "                         and beside it, FILE.holders: who holds which name and address,\n"
    "                         and FILE.sessions: the key of browsers' sessions\n"
    "  --machines FILE        for vm_watcher: what dnsmasq cannot know of machines' addresses\n"
    "  --authorized-keys FILE public SSH keys for every machine's user; read again when changed\n"
    "  --authorities FILE     certificates (PEM) by which https receivers of webhooks are judged\n"
    "                         [/srv/tls/ca-certificates.crt, where the images have no\n"
    "                         _tls/ca-certificates.crt]\n"
    "  --notices FILE         what /readyz is to warn of, a sentence a line\n"
    "  --consoles DIR         serial consoles of this host's VMs, a folder for each MAC address: log,\n"
    "                         and keys.in to type into                           [no consoles]\n"
    "  --xterm DIR            xterm.mjs and xterm.css, for the page of a console   [text alone]\n"
    "\n"
    "Where it listens:\n"
    "  --listen WHERE         for machines                [unix:/run/boot_handler/guest.sock]\n"
    "  --report-listen WHERE  for what machines tell and wait for\n"
    "                         [report.sock beside --listen unix:...]\n"
    "  --upload-listen WHERE  for machines' disks, with --backups\n"
    "                         [upload.sock beside --listen unix:...]\n"
    "  --operator-listen WHERE for you\n"
    "                         [unix:/run/boot_handler/operator.sock, for its owner only]\n"
    "  --lease-socket PATH    where dnsmasq's leases come [lease.sock beside --listen unix:...]\n"
    "  --dashboard-listen WHERE for browsers, by the relay of `vmlab dashboard`: who comes this way\n"
    "                         needs a session                                            [off]\n"
    "                         WHERE is unix:/path, fd:3 for a socket it inherits, 127.0.0.1:8080\n"
    "                         or [::1]:8080; --operator-listen and --dashboard-listen take the first two\n"
    "  --file-log PATH        for what nginx logs of files that it sent, by syslog, or fd:6\n"
    "                         [files.sock beside --listen unix:...]\n"
    "  --syslog WHERE         for the syslog of other systems' installers, over UDP at\n"
    "                         192.168.100.1:514, or fd:4                                 [off]\n"
    "  --operator-tcp ADDRESS:PORT   for you, over TCP as well                       [off]\n"
    "  --operator-token-file FILE    what a client over TCP has to send as bearer token\n"
    "  --operator-hosts A,B          names it is reached by, besides localhost and the address\n"
    "  --operator-tls on|off         TLS there             [on where ADDRESS is not a loopback one]\n"
    "  --operator-certificate FILE, --operator-key FILE   its certificate, in PEM [one is made, and\n"
    "                                kept beside the state; its SHA-256 is in the log]\n"
    "  --guest-access own|any who is answered about a machine: that machine's own address, or\n"
    "                         anyone           [own behind a proxy, on unix:...; any over TCP]\n"
    "  --strangers wait|local|off|menu  what a machine without a definition gets: it asks again,\n"
    "                         boots from its disk, its firmware goes on, or a menu       [wait]\n"
    "  --threads N            threads answering machines                 [one per CPU but one]\n"
    "\n"
    "What it tells machines:\n"
    "  --base-url URL         how a machine reaches the web server in front of this program;\n"
    "                         every address in a script or document starts with it (required)\n"
    "  --initrds DIR          the installers, <arch>/initrd.zst, to know which there are\n"
    "  --initrds-url-path P   where below it the initrds are             [/initrds]\n"
    "  --domain D             the lab's DNS domain                       [pvmlab.local]\n"
    "  --lab CIDR             the lab's network: a definition's ip must lie in it\n"
    "  --lab6 CIDR            the same for IPv6: no other ipv6 is used\n"
    "\n"
    "  --stall-limits LIST    how long a stage may go without getting on before the machine is\n"
    "                         said to be stalled: boot=SECONDS, a phase of the installer such as\n"
    "                         rootfs=SECONDS, installer=SECONDS of one that is not ours and\n"
    "                         tells nothing, first-boot=SECONDS; 0: for ever  [STALL_LIMITS]\n"
    "\n"
    "  --check   parse definitions, manifests and keys; print file:line:column: sentence for each\n"
    "            problem; exit status 1 when there is one\n"
    "  --verbose log more     --version     --help\n"
    "\n"
    "Try it without a lab:\n"
    "  boot_handler --vms vms --images images --state /tmp/state.db \\\n"
    "      --base-url http://127.0.0.1:8001 --listen 127.0.0.1:8001 \\\n"
    "      --operator-listen unix:/tmp/operator.sock\n"
    "  curl 'http://127.0.0.1:8001/ipxe?mac=52:54:00:00:00:11'\n"
    "  curl --unix-socket /tmp/operator.sock http://localhost/api/v1/vms\n";

enum {
	OPT_VMS = 256,
	OPT_IMAGES,
	OPT_MADE,
	OPT_BACKUPS,
	OPT_REPORT_LISTEN,
	OPT_UPLOAD_LISTEN,
	OPT_STATE,
	OPT_BASE_URL,
	OPT_LISTEN,
	OPT_OPERATOR_LISTEN,
	OPT_DASHBOARD_LISTEN,
	OPT_OPERATOR_TCP,
	OPT_OPERATOR_TOKEN_FILE,
	OPT_OPERATOR_HOSTS,
	OPT_OPERATOR_TLS,
	OPT_OPERATOR_CERTIFICATE,
	OPT_OPERATOR_KEY,
	OPT_LEASE_SOCKET,
	OPT_SYSLOG,
	OPT_FILE_LOG,
	OPT_AUTHORIZED_KEYS,
	OPT_AUTHORITIES,
	OPT_NOTICES,
	OPT_CONSOLES,
	OPT_XTERM,
	OPT_DOMAIN,
	OPT_LAB,
	OPT_LAB6,
	OPT_INITRDS,
	OPT_INITRDS_DIR,
	OPT_MACHINES,
	OPT_GUEST_ACCESS,
	OPT_STRANGERS,
	OPT_THREADS,
	OPT_STALL_LIMITS,
	OPT_CHECK,
	OPT_VERBOSE,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
    {"vms", required_argument, NULL, OPT_VMS},
    {"images", required_argument, NULL, OPT_IMAGES},
    {"made-images", required_argument, NULL, OPT_MADE},
    {"backups", required_argument, NULL, OPT_BACKUPS},
    {"report-listen", required_argument, NULL, OPT_REPORT_LISTEN},
    {"upload-listen", required_argument, NULL, OPT_UPLOAD_LISTEN},
    {"state", required_argument, NULL, OPT_STATE},
    {"base-url", required_argument, NULL, OPT_BASE_URL},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"operator-listen", required_argument, NULL, OPT_OPERATOR_LISTEN},
    {"dashboard-listen", required_argument, NULL, OPT_DASHBOARD_LISTEN},
    {"operator-tcp", required_argument, NULL, OPT_OPERATOR_TCP},
    {"operator-token-file", required_argument, NULL, OPT_OPERATOR_TOKEN_FILE},
    {"operator-hosts", required_argument, NULL, OPT_OPERATOR_HOSTS},
    {"operator-tls", required_argument, NULL, OPT_OPERATOR_TLS},
    {"operator-certificate", required_argument, NULL, OPT_OPERATOR_CERTIFICATE},
    {"operator-key", required_argument, NULL, OPT_OPERATOR_KEY},
    {"lease-socket", required_argument, NULL, OPT_LEASE_SOCKET},
    {"syslog", required_argument, NULL, OPT_SYSLOG},
    {"file-log", required_argument, NULL, OPT_FILE_LOG},
    {"authorized-keys", required_argument, NULL, OPT_AUTHORIZED_KEYS},
    {"authorities", required_argument, NULL, OPT_AUTHORITIES},
    {"notices", required_argument, NULL, OPT_NOTICES},
    {"consoles", required_argument, NULL, OPT_CONSOLES},
    {"xterm", required_argument, NULL, OPT_XTERM},
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"lab6", required_argument, NULL, OPT_LAB6},
    {"lab", required_argument, NULL, OPT_LAB},
    {"machines", required_argument, NULL, OPT_MACHINES},
    {"initrds", required_argument, NULL, OPT_INITRDS_DIR},
    {"initrds-url-path", required_argument, NULL, OPT_INITRDS},
    {"guest-access", required_argument, NULL, OPT_GUEST_ACCESS},
    {"strangers", required_argument, NULL, OPT_STRANGERS},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"stall-limits", required_argument, NULL, OPT_STALL_LIMITS},
    {"check", no_argument, NULL, OPT_CHECK},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int parse_threads(const char *text, unsigned *out, struct err *e)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || n < 1 || n > THREADS_MAX)
		return err_set(e, EINVAL, "--threads has to be a number from 1 to %d", THREADS_MAX);
	*out = (unsigned)n;
	return 0;
}

static int take(struct options *o, int option, const char *value, struct err *e)
{
	switch (option) {
	case OPT_VMS:
		o->vms = value;
		return OPTIONS_RUN;
	case OPT_IMAGES:
		o->images = value;
		return OPTIONS_RUN;
	case OPT_MADE:
		o->made = value;
		return OPTIONS_RUN;
	case OPT_BACKUPS:
		o->backups = value;
		return OPTIONS_RUN;
	case OPT_REPORT_LISTEN:
		o->report_listen = value;
		return OPTIONS_RUN;
	case OPT_UPLOAD_LISTEN:
		o->upload_listen = value;
		return OPTIONS_RUN;
	case OPT_STATE:
		o->state = value;
		return OPTIONS_RUN;
	case OPT_BASE_URL:
		o->base_url = value;
		return OPTIONS_RUN;
	case OPT_LISTEN:
		o->listen = value;
		return OPTIONS_RUN;
	case OPT_OPERATOR_LISTEN:
		o->operator_listen = value;
		return OPTIONS_RUN;
	case OPT_DASHBOARD_LISTEN:
		o->dashboard_listen = value;
		return OPTIONS_RUN;
	case OPT_OPERATOR_TCP:
		o->operator_tcp = value;
		return OPTIONS_RUN;
	case OPT_OPERATOR_TOKEN_FILE:
		o->operator_token_file = value;
		return OPTIONS_RUN;
	case OPT_OPERATOR_HOSTS:
		o->operator_hosts = value;
		return OPTIONS_RUN;
	case OPT_OPERATOR_TLS:
		o->operator_tls = value;
		return OPTIONS_RUN;
	case OPT_OPERATOR_CERTIFICATE:
		o->operator_certificate = value;
		return OPTIONS_RUN;
	case OPT_OPERATOR_KEY:
		o->operator_key = value;
		return OPTIONS_RUN;
	case OPT_LEASE_SOCKET:
		o->lease_socket = value;
		return OPTIONS_RUN;
	case OPT_SYSLOG:
		o->syslog = value;
		return OPTIONS_RUN;
	case OPT_FILE_LOG:
		o->file_log = value;
		return OPTIONS_RUN;
	case OPT_AUTHORIZED_KEYS:
		o->authorized_keys = value;
		return OPTIONS_RUN;
	case OPT_AUTHORITIES:
		o->trust.usual = value;
		return OPTIONS_RUN;
	case OPT_NOTICES:
		o->notices = value;
		return OPTIONS_RUN;
	case OPT_CONSOLES:
		o->consoles = value;
		return OPTIONS_RUN;
	case OPT_XTERM:
		o->xterm = value;
		return OPTIONS_RUN;
	case OPT_DOMAIN:
		o->domain = value;
		return domain_valid(value)
			   ? OPTIONS_RUN
			   : err_set(e, EINVAL,
				 "--domain has to be a domain name in lower case, such as pvmlab.local");
	case OPT_INITRDS_DIR:
		o->initrds = value;
		return OPTIONS_RUN;
	case OPT_INITRDS:
		o->initrds_url_path = value;
		return OPTIONS_RUN;
	case OPT_MACHINES:
		o->machines = value;
		return OPTIONS_RUN;
	case OPT_LAB:
		o->has_lab = true;
		if (cidr4_parse(value, true, &o->lab, e) < 0)
			return err_wrap(e, "--lab");
		return OPTIONS_RUN;
	case OPT_LAB6:
		o->has_lab6 = true;
		if (cidr6_parse(value, true, &o->lab6, e) < 0)
			return err_wrap(e, "--lab6");
		return OPTIONS_RUN;
	case OPT_GUEST_ACCESS:
		o->guest_access = value;
		return OPTIONS_RUN;
	case OPT_STRANGERS:
		return boot_stranger_find(value, &o->strangers, e) < 0 ? err_wrap(e, "--strangers")
								       : OPTIONS_RUN;
	case OPT_THREADS:
		return parse_threads(value, &o->threads, e);
	case OPT_CHECK:
		o->check = true;
		return OPTIONS_RUN;
	case OPT_STALL_LIMITS:
		return outlook_limits_parse(value, &o->limits, e) < 0
			   ? err_wrap(e, "--stall-limits")
			   : OPTIONS_RUN;
	case OPT_VERBOSE:
		o->verbose = true;
		return OPTIONS_RUN;
	case OPT_VERSION:
		return OPTIONS_VERSION;
	case OPT_HELP:
		return OPTIONS_HELP;
	default:
		return err_set(
		    e, EINVAL, "the command line is not understood: see boot_handler --help");
	}
}

static bool is_local(const char *listen)
{
	return listen_unix_path(listen) || strncmp(listen, "fd:", 3) == 0;
}

/* Whoever reads the network would read the token. */
static int derive_tls(struct options *o, struct err *e)
{
	const char *word = o->operator_tls;

	if (word && strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
		return err_set(e, EINVAL, "--operator-tls has to be on or off, not %s", word);
	if (!o->operator_certificate != !o->operator_key)
		return err_set(e, EINVAL, "--operator-certificate and --operator-key go together");
	if ((word || o->operator_certificate) && !o->operator_tcp)
		return err_set(
		    e, EINVAL, "TLS is for the operator over TCP: give --operator-tcp as well");
	o->tls = o->operator_tcp &&
		 (word ? strcmp(word, "on") == 0 : !access_is_loopback(o->operator_tcp));
	return 0;
}

static int validate_operator(const struct options *o, struct err *e)
{
	if (o->dashboard_listen && !is_local(o->dashboard_listen))
		return err_set(e, EINVAL,
		    "--dashboard-listen has to be unix:/path or fd:NUMBER; over TCP pages are served by --operator-tcp");
	if (!is_local(o->operator_listen))
		return err_set(e, EINVAL,
		    "--operator-listen has to be unix:/path or fd:NUMBER; over TCP the operator is served by --operator-tcp %s with --operator-token-file FILE",
		    o->operator_listen);
	if (!o->operator_tcp != !o->operator_token_file)
		return err_set(e, EINVAL,
		    "--operator-tcp and --operator-token-file go together: without a token nobody is served over TCP");
	if (o->operator_hosts && !o->operator_tcp)
		return err_set(e, EINVAL, "--operator-hosts is of use only with --operator-tcp");
	return 0;
}

static int derive_access(struct options *o, struct err *e)
{
	const char *access = o->guest_access;

	if (!access)
		access = listen_unix_path(o->listen) ? "own" : "any";
	o->any_source = strcmp(access, "any") == 0;
	if (!o->any_source && strcmp(access, "own") != 0)
		return err_set(e, EINVAL, "--guest-access has to be own or any, not %s", access);
	return 0;
}

static int validate(struct options *o, struct err *e)
{
	if (o->base_url && !boot_url_valid(o->base_url))
		return err_set(e, EINVAL,
		    "--base-url has to look like http://192.168.100.1, without a slash at its end");
	if (!o->base_url && !o->check)
		return err_set(e, EINVAL,
		    "--base-url is missing: give the URL under which machines reach this service, such as http://192.168.100.1");
	if (!boot_path_valid(o->initrds_url_path))
		return err_set(e, EINVAL,
		    "--initrds-url-path has to look like /initrds, without a slash at its end");
	if (o->upload_listen && !o->backups)
		return err_set(e, EINVAL, "--upload-listen is of use only with --backups");
	return validate_operator(o, e);
}

static int derive_files(struct options *o, struct err *e)
{
	int n = snprintf(o->holders, sizeof(o->holders), "%s.holders", o->state);
	int k = snprintf(o->sessions, sizeof(o->sessions), "%s.sessions", o->state);

	snprintf(o->certificate, sizeof(o->certificate), "%.380s.certificate.pem", o->state);
	snprintf(o->key, sizeof(o->key), "%.380s.key.pem", o->state);
	if (n <= 0 || k <= n || k >= (int)sizeof(o->sessions) - 8)
		return err_set(e, EINVAL, "--state has a path that is too long");
	n = snprintf(
	    o->authorities, sizeof(o->authorities), "%s/_tls/ca-certificates.crt", o->images);
	if (n <= 0 || n >= (int)sizeof(o->authorities))
		return err_set(e, EINVAL, "--images has a path that is too long");
	o->trust.own = o->authorities;
	return 0;
}

/* A socket beside the one of --listen; false: that is none. */
static bool beside(const struct options *o, const char *before, const char *name, char out[108])
{
	const char *path = listen_unix_path(o->listen);
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!path)
		return false;
	int n =
	    snprintf(out, 108, "%s%.*s%s", before, slash ? (int)(slash + 1 - path) : 0, path, name);
	return n > 0 && n < 108;
}

static void derive_sockets(struct options *o)
{
	if (!o->lease_socket && beside(o, "", "lease.sock", o->lease_path))
		o->lease_socket = o->lease_path;
	if (!o->file_log && beside(o, "", "files.sock", o->file_log_path))
		o->file_log = o->file_log_path;
	if (!o->report_listen && beside(o, "unix:", "report.sock", o->report_path))
		o->report_listen = o->report_path;
	if (o->backups && !o->upload_listen && beside(o, "unix:", "upload.sock", o->upload_path))
		o->upload_listen = o->upload_path;
}

int options_parse(int argc, char **argv, struct options *out, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int option;

	*out = (struct options){
	    .vms = "/vms",
	    .images = "/srv/images",
	    .state = "/state/vmlab.db",
	    .listen = "unix:/run/boot_handler/guest.sock",
	    .operator_listen = "unix:/run/boot_handler/operator.sock",
	    .domain = "pvmlab.local",
	    .strangers = boot_stranger_at(0),
	    .initrds_url_path = "/initrds",
	    .trust.usual = "/srv/tls/ca-certificates.crt",
	    /* The one left is for whoever asks: nginx. */
	    .threads = cpus < 3   ? 1
		       : cpus > 9 ? 8
				  : (unsigned)cpus - 1,
	};
	outlook_limits_default(&out->limits);
	/* No reason to serve nobody. */
	if (outlook_limits_parse(getenv("STALL_LIMITS"), &out->limits, e) < 0)
		log_warn("STALL_LIMITS: %s", e->msg);
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == '?')
			return err_set(e, EINVAL,
			    "the option %s is not known or lacks its value: see boot_handler --help",
			    argv[optind - 1]);
		int r = take(out, option, optarg, e);
		if (r != OPTIONS_RUN)
			return r;
	}
	if (optind < argc)
		return err_set(e, EINVAL,
		    "the word \"%s\" is not understood: see boot_handler --help", argv[optind]);
	int r = validate(out, e);
	if (r == 0)
		r = derive_access(out, e);
	if (r == 0)
		r = derive_tls(out, e);
	if (r < 0)
		return r;
	derive_sockets(out);
	if (derive_files(out, e) < 0)
		return -EINVAL;
	return OPTIONS_RUN;
}
