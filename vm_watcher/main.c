/* main.c - vm_watcher: keeps dnsmasq's hosts files as the folder of VM definitions says. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vm_watcher/dnsmasq.h"
#include "lib/base/clock.h"
#include "lib/net/domain.h"
#include "vm_watcher/hosts.h"
#include "vm_watcher/lease_watch.h"
#include "lib/base/log.h"
#include "lib/base/pace.h"
#include "vm_watcher/ports.h"
#include "vm_watcher/raspberry.h"
#include "lib/store/holders.h"
#include "lib/store/store.h"

#define RELOAD_RETRY_MS 250
#define HEARTBEAT_MS                                                                               \
	1000 /* how often leases are looked at, and the DNS file is touched: what watches          \
		us sees that we look */

struct options {
	const char *vms, *dhcp_hosts, *dns_hosts, *pid_file, *domain, *holders;
	const char *journal;      /* NULL: dnsmasq writes its leases itself */
	const char *dns_pid_file; /* NULL: the same dnsmasq */
	const char *leases, *keep_leases, *machines, *bus, *ports, *dhcp_opts, *tftp,
	    *eeproms; /* NULL: none */
	struct cidr4 lab;
	struct cidr6 lab6;
	bool has_lab, has_lab6, check, once;
};

struct watcher {
	const struct options *options;
	struct vm_store *store;
	struct lease_watch *leases;       /* NULL: none */
	const struct vm_snapshot *logged; /* whose problems have been told */
	bool reload_due;                  /* dnsmasq is to tell its leases, too */
	bool reread_due;
	bool names_due; /* another dnsmasq is to read the names again */
	bool ports_due, ports_told;
	bool moved; /* addresses that machines have: not yet written */
	struct pace moves;
	char last_error[1000]; /* the folder's; told once */
	char last_tftp[1000];  /* likewise, of the folders of boards */
};

/* Machines can change their addresses as often as they like. */
static const struct pace_rule moves_pace = {.free = 20, .first_ms = 500, .most_ms = 1000};

static atomic_bool stopping;

/* ---- arguments --------------------------------------------------------------------------------*/

static const char usage[] =
    "Usage: vm_watcher --vms DIR --dhcp-hosts FILE --dns-hosts FILE --pid-file FILE [options]\n"
    "\n"
    "Watches the folder of VM definitions and keeps dnsmasq's hosts files up to date.\n"
    "\n"
    "  --vms DIR          the folder with <name>.json files\n"
    "  --dhcp-hosts FILE  written for dnsmasq's dhcp-hostsfile=\n"
    "  --dns-hosts FILE   written for dnsmasq's addn-hosts=\n"
    "  --dhcp-opts FILE   written for dnsmasq's dhcp-optsfile=: loaders of the user's own; needs --lab\n"
    "  --tftp DIR         the TFTP server's folder: in it each Raspberry Pi has its own, by its serial\n"
    "                     number; needs --lab\n"
    "  --eeproms DIR      where images of their EEPROMs are, 2711/pieeprom.bin and 2712/pieeprom.bin;\n"
    "                     needs --tftp\n"
    "  --pid-file FILE    dnsmasq's; it gets SIGHUP when a file has changed\n"
    "  --dns-pid-file FILE  of the dnsmasq that answers DNS, where that is another one: it gets SIGHUP when\n"
    "                     names have changed, and the other one then not\n"
    "  --domain DOMAIN    of the DNS names (pvmlab.local)\n"
    "  --holders FILE     boot_handler's memory of who holds which name and address\n"
    "  --lab CIDR         network every \"ip\" must lie in, such as 192.168.100.1/24\n"
    "  --lab6 CIDR        network outside of which no \"ipv6\" is used\n"
    "  --leases FILE      dnsmasq's leases: DNS names follow the addresses that machines have\n"
    "  --journal FILE     what its script has noted since (leasefile-ro): is made part of that file\n"
    "  --keep-leases FILE a copy of it, for when the lease file is in memory: at most half a second old\n"
    "  --machines FILE    boot_handler's, with addresses that machines have without a lease\n"
    "  --bus PATH         socket for dnsmasq's DBUS_SYSTEM_BUS_ADDRESS=unix:path=PATH (enable-dbus):\n"
    "                     leases of declared addresses that others hold are dropped\n"
    "  --ports FILE       written for nft(8), which is run with it: who may use which address on the\n"
    "                     bridge; needs the capability NET_ADMIN\n"
    "  --check            only say what is wrong with the definitions; exit status 1 if anything is\n"
    "  --once             write the files once and exit\n"
    "  --verbose          log more\n"
    "  --help, --version\n";

static int usage_error(const char *sentence, const char *value)
{
	fprintf(stderr, "vm_watcher: %s%s; see vm_watcher --help\n", sentence, value);
	return 2;
}

static int set_lab(struct options *o, const char *text)
{
	struct err e = ERR_INIT;

	if (cidr4_parse(text, true, &o->lab, &e) < 0)
		return usage_error("--lab: ", e.msg);
	o->has_lab = true;
	return 0;
}

static int set_lab6(struct options *o, const char *text)
{
	struct err e = ERR_INIT;

	if (cidr6_parse(text, true, &o->lab6, &e) < 0)
		return usage_error("--lab6: ", e.msg);
	o->has_lab6 = true;
	return 0;
}

static int check_options(const struct options *o)
{
	if (!o->vms)
		return usage_error("--vms is missing", "");
	if (!domain_valid(o->domain))
		return usage_error("--domain is no DNS domain: ", o->domain);
	if (!o->check && (!o->dhcp_hosts || !o->dns_hosts))
		return usage_error("--dhcp-hosts and --dns-hosts are needed", "");
	if (!o->check && !o->once && !o->pid_file)
		return usage_error("--pid-file is missing", "");
	if (o->dhcp_opts && !o->has_lab)
		return usage_error("--dhcp-opts needs --lab", "");
	if (o->tftp && !o->has_lab)
		return usage_error("--tftp needs --lab", "");
	if (o->eeproms && !o->tftp)
		return usage_error("--eeproms needs --tftp", "");
	if (o->bus && !o->leases)
		return usage_error("--bus needs --leases", "");
	return 0;
}

/* 0: go on; else the exit status plus 1. */
static int parse_options(int argc, char **argv, struct options *o)
{
	enum {
		VMS = 1,
		DHCP,
		DNS,
		OPTS,
		PID,
		DNS_PID,
		DOMAIN,
		HOLDERS,
		LAB,
		LAB6,
		LEASES,
		JOURNAL,
		MACHINES,
		BUS,
		PORTS,
		TFTP,
		EEPROMS,
		KEEP,
		CHECK,
		ONCE,
		VERBOSE,
		HELP,
		VERSION
	};
	static const struct option known[] = {{"vms", 1, NULL, VMS}, {"dhcp-hosts", 1, NULL, DHCP},
	    {"dns-hosts", 1, NULL, DNS}, {"dhcp-opts", 1, NULL, OPTS}, {"pid-file", 1, NULL, PID},
	    {"dns-pid-file", 1, NULL, DNS_PID}, {"domain", 1, NULL, DOMAIN},
	    {"holders", 1, NULL, HOLDERS}, {"lab", 1, NULL, LAB}, {"lab6", 1, NULL, LAB6},
	    {"leases", 1, NULL, LEASES}, {"journal", 1, NULL, JOURNAL},
	    {"machines", 1, NULL, MACHINES}, {"bus", 1, NULL, BUS}, {"ports", 1, NULL, PORTS},
	    {"tftp", 1, NULL, TFTP}, {"eeproms", 1, NULL, EEPROMS}, {"keep-leases", 1, NULL, KEEP},
	    {"check", 0, NULL, CHECK}, {"once", 0, NULL, ONCE}, {"verbose", 0, NULL, VERBOSE},
	    {"help", 0, NULL, HELP}, {"version", 0, NULL, VERSION}, {NULL, 0, NULL, 0}};
	int c, rc = 0;

	while (rc == 0 && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case VMS:
			o->vms = optarg;
			break;
		case DHCP:
			o->dhcp_hosts = optarg;
			break;
		case DNS:
			o->dns_hosts = optarg;
			break;
		case OPTS:
			o->dhcp_opts = optarg;
			break;
		case PID:
			o->pid_file = optarg;
			break;
		case DNS_PID:
			o->dns_pid_file = optarg;
			break;
		case DOMAIN:
			o->domain = optarg;
			break;
		case HOLDERS:
			o->holders = optarg;
			break;
		case LAB:
			rc = set_lab(o, optarg);
			break;
		case LAB6:
			rc = set_lab6(o, optarg);
			break;
		case LEASES:
			o->leases = optarg;
			break;
		case JOURNAL:
			o->journal = optarg;
			break;
		case KEEP:
			o->keep_leases = optarg;
			break;
		case MACHINES:
			o->machines = optarg;
			break;
		case BUS:
			o->bus = optarg;
			break;
		case PORTS:
			o->ports = optarg;
			break;
		case TFTP:
			o->tftp = optarg;
			break;
		case EEPROMS:
			o->eeproms = optarg;
			break;
		case CHECK:
			o->check = true;
			break;
		case ONCE:
			o->once = true;
			break;
		case VERBOSE:
			log_init("vm_watcher", LOG_LEVEL_DEBUG);
			break;
		case HELP:
			fputs(usage, stdout);
			return 1;
		case VERSION:
			puts("vm_watcher " VMLAB_VERSION);
			return 1;
		default:
			return 3;
		}
	}
	if (rc == 0 && optind < argc)
		rc = usage_error("unexpected argument ", argv[optind]);
	if (rc == 0)
		rc = check_options(o);
	return rc ? rc + 1 : 0;
}

/* ---- telling what is wrong --------------------------------------------------------------------*/

static void log_problem(const struct vm_problem *p)
{
	if (p->warning)
		log_warn("%s:%d:%d: %s", p->file, p->where.line, p->where.column, p->text);
	else
		log_error("%s:%d:%d: %s%s", p->file, p->where.line, p->where.column, p->text,
		    p->serving_last_good ? "; its last good definition stays in force" : "");
}

static bool told_before(const struct vm_snapshot *before, const struct vm_problem *p)
{
	size_t n = before ? vm_snapshot_problem_count(before) : 0, low = 0, high = n;

	while (low < high) { /* they are ordered by file */
		size_t middle = low + (high - low) / 2;
		if (strcmp(vm_snapshot_problem_at(before, middle)->file, p->file) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n && strcmp(vm_snapshot_problem_at(before, low)->file, p->file) == 0; low++)
		if (strcmp(vm_snapshot_problem_at(before, low)->text, p->text) == 0)
			return true;
	return false;
}

/* Each problem is logged when it appears, not again while it lasts. Takes the snapshot over. */
static void log_news(struct watcher *w, const struct vm_snapshot *snap)
{
	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		if (!told_before(w->logged, p))
			log_problem(p);
	}
	vm_snapshot_unref(w->logged);
	w->logged = snap;
}

static int check(const struct vm_snapshot *snap)
{
	bool bad = false;

	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		printf("%s:%d:%d: %s%s\n", p->file, p->where.line, p->where.column,
		    p->warning ? "warning: " : "", p->text);
		bad = bad || !p->warning;
	}
	printf("%zu usable definitions, %zu problems\n", vm_snapshot_count(snap),
	    vm_snapshot_problem_count(snap));
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- writing ----------------------------------------------------------------------------------*/

/* 0: replaced, ATOMIC_FILE_UNCHANGED, or -errno after logging it. */
static int write_file(const char *path, const char *text, size_t len)
{
	struct err e = ERR_INIT;
	int rc = atomic_file_replace(path, text, len, 0644, &e);

	if (rc < 0)
		log_error("%s", e.msg);
	return rc;
}

/* Tried again until it has taken effect; what is wrong is told once. */
static void apply_ports(struct watcher *w)
{
	struct err e = ERR_INIT;

	if (!w->ports_due)
		return;
	int rc = ports_apply(w->options->ports, &e);
	w->ports_due = rc < 0;
	if (rc < 0 && !w->ports_told)
		log_warn("a machine can take the address of another: %s", e.msg);
	w->ports_told = rc < 0;
}

static void write_ports(
    struct watcher *w, const struct vm_snapshot *snap, const struct leases *leases)
{
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (!w->options->ports)
		return;
	if (ports_render(snap, leases, &text, &len, &e) < 0)
		log_error("%s", e.msg);
	else if (write_file(w->options->ports, text, len) == 0)
		w->ports_due = true;
	apply_ports(w);
}

/* 0: replaced, ATOMIC_FILE_UNCHANGED, or -errno after logging it. */
static int write_opts(const struct options *o, const struct vm_snapshot *snap)
{
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (!o->dhcp_opts)
		return ATOMIC_FILE_UNCHANGED;
	if (hosts_render_opts(snap, o->lab.addr, &text, &len, &e) < 0) {
		log_error("%s", e.msg);
		return -e.code;
	}
	return write_file(o->dhcp_opts, text, len);
}

/* dnsmasq looks for each file when it is asked: nothing has to be told. */
static void write_tftp(
    struct watcher *w, const struct vm_snapshot *snap, const struct leases *leases)
{
	const struct options *o = w->options;
	const struct raspberry_place place = {
	    .root = o->tftp, .images = o->eeproms, .server = o->lab.addr};
	struct err e = ERR_INIT;

	if (!o->tftp)
		return;
	int rc = raspberry_folders(&place, snap, leases, &e);
	if (rc < 0 && strcmp(w->last_tftp, e.msg) != 0)
		log_error("a Raspberry Pi is not served: %s", e.msg);
	snprintf(w->last_tftp, sizeof(w->last_tftp), "%s", rc < 0 ? e.msg : "");
}

static int write_hosts(struct watcher *w, const struct vm_snapshot *snap, bool defined)
{
	static const struct leases none;
	const struct options *o = w->options;
	const struct leases *leases = w->leases ? lease_watch_leases(w->leases) : &none;
	struct err e = ERR_INIT;
	struct hosts_text text;

	write_ports(w, snap, leases);
	write_tftp(w, snap, leases);
	if (hosts_render(snap, o->domain, leases, &text, &e) < 0) {
		log_error("%s", e.msg);
		return -e.code;
	}
	int dhcp = write_file(o->dhcp_hosts, text.dhcp, text.dhcp_len);
	int dns = write_file(o->dns_hosts, text.dns, text.dns_len);
	int opts = write_opts(o, snap);
	hosts_text_free(&text);
	bool leads = dhcp == 0 || opts == 0 || (dns == 0 && !o->dns_pid_file);
	w->names_due = w->names_due || (dns == 0 && o->dns_pid_file);
	if (leads) {
		w->reload_due = w->reload_due || defined;
		w->reread_due = true;
	}
	if (leads || dns == 0) {
		log_info("hosts files written vms=%zu problems=%zu", vm_snapshot_count(snap),
		    vm_snapshot_problem_count(snap));
	}
	return dhcp < 0 ? dhcp : dns < 0 ? dns : opts < 0 ? opts : 0;
}

static void reload_names_if_due(struct watcher *w)
{
	struct err e = ERR_INIT;

	if (!w->names_due)
		return;
	int rc = dnsmasq_reload(w->options->dns_pid_file, &e);
	if (rc < 0)
		log_error("%s", e.msg);
	w->names_due = rc == DNSMASQ_NOT_RUNNING;
}

/* Until dnsmasq is up it is tried again: it may read its files a moment before they change. */
static void reload_if_due(struct watcher *w)
{
	struct err e = ERR_INIT;

	reload_names_if_due(w);
	if ((!w->reload_due && !w->reread_due) || !w->options->pid_file)
		return;
	if (!w->reload_due && w->leases && lease_watch_reload(w->leases)) {
		w->reread_due = false;
		return;
	}
	int rc = dnsmasq_reload(w->options->pid_file, &e);
	if (rc == DNSMASQ_NOT_RUNNING)
		return;
	w->reload_due = w->reread_due = false;
	if (rc < 0)
		log_error("%s", e.msg);
	else
		log_debug("dnsmasq reloads");
}

/* ---- running ----------------------------------------------------------------------------------*/

static void *await_signal(void *store)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigwait(&set, &sig) == 0) {
		atomic_store(&stopping, true);
		vm_store_wake(store);
	}
	return NULL;
}

static void log_folder_error(struct watcher *w, const struct err *e)
{
	if (strcmp(w->last_error, e->msg) != 0)
		log_error("%s", e->msg);
	snprintf(w->last_error, sizeof(w->last_error), "%s", e->msg);
}

static void wake(void *ctx)
{
	struct watcher *w = ctx;

	vm_store_wake(w->store);
}

static int watch_leases(struct watcher *w, struct err *e)
{
	const struct options *o = w->options;
	struct lease_watch_options lo = {.leases = o->leases,
	    .journal = o->journal,
	    .keep = o->once ? NULL : o->keep_leases,
	    .machines = o->machines,
	    .bus = o->once ? NULL : o->bus,
	    .pid_file = o->pid_file,
	    .news = wake,
	    .ctx = w};

	return o->leases ? lease_watch_open(&lo, &w->leases, e) : 0;
}

/* Only what dnsmasq has read is enforced: else it would give the address away again. */
static void enforce(struct watcher *w)
{
	if (!w->leases || w->reload_due || w->reread_due)
		return;
	const struct vm_snapshot *snap = vm_store_snapshot(w->store);
	if (lease_watch_enforce(w->leases, snap)) {
		w->reread_due = true;
		reload_if_due(w);
	}
	vm_snapshot_unref(snap);
}

static bool is_due(const struct watcher *w)
{
	return w->reload_due || w->reread_due || w->names_due || w->moved ||
	       (w->leases && lease_watch_is_due(w->leases));
}

static void note_move(struct watcher *w)
{
	if (w->reread_due && !w->reload_due && pace_take(&w->moves, &moves_pace, monotonic_ms()))
		log_warn("addresses of machines change all the time: DNS follows once a second");
}

static void run(struct watcher *w)
{
	bool write_due = false;

	while (!atomic_load(&stopping)) {
		struct err e = ERR_INIT;
		apply_ports(w);
		reload_if_due(w);
		enforce(w);
		int rc = vm_store_wait(
		    w->store, is_due(w) || write_due ? RELOAD_RETRY_MS : HEARTBEAT_MS, &e);
		if (rc < 0)
			log_folder_error(w, &e);
		else if (rc > 0 || !is_due(w))
			w->last_error[0] = '\0'; /* it waited through a rescan that went well */
		if (rc >= 0)
			utimensat(AT_FDCWD, w->options->dns_hosts, NULL, 0);
		if (w->leases && lease_watch_answered(w->leases))
			utimensat(AT_FDCWD, w->options->dhcp_hosts, NULL, 0);
		w->moved = (w->leases && lease_watch_read(w->leases)) || w->moved;
		bool moves = w->moved && pace_wait_ms(&w->moves, &moves_pace, monotonic_ms()) == 0;
		if (rc > 0 || write_due || moves) {
			const struct vm_snapshot *snap = vm_store_snapshot(w->store);
			write_due = write_hosts(w, snap, rc > 0 || write_due) < 0;
			log_news(w, snap);
			w->moved = false;
			note_move(w);
		}
	}
	log_info("stopped");
}

int main(int argc, char **argv)
{
	struct options o = {.domain = "pvmlab.local"};
	struct err e = ERR_INIT;

	log_init("vm_watcher", LOG_LEVEL_INFO);
	int status = parse_options(argc, argv, &o);
	if (status)
		return status - 1;

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread: await_signal() takes them */

	_cleanup_free_ char *holders = NULL;
	if (o.holders && vm_holders_read(o.holders, &holders, &e) < 0)
		log_warn("who held which name and address is not known: %s", e.msg);
	struct vm_store_options so = {.dir = o.vms,
	    .lab = o.has_lab ? &o.lab : NULL,
	    .lab6 = o.has_lab6 ? &o.lab6 : NULL,
	    .holders = holders};
	struct watcher w = {.options = &o, .ports_due = o.ports != NULL};
	if (vm_store_open(&so, &w.store, &e) < 0) {
		log_error("%s", e.msg);
		return EXIT_FAILURE;
	}
	const struct vm_snapshot *snap = vm_store_snapshot(w.store);
	if (o.check) {
		status = check(snap);
		vm_snapshot_unref(snap);
	} else {
		if (watch_leases(&w, &e) < 0) {
			log_error("%s", e.msg);
			return EXIT_FAILURE;
		}
		status = write_hosts(&w, snap, true) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
		log_news(&w, snap);
		reload_if_due(&w);
		pthread_t thread;
		if (status == EXIT_SUCCESS && !o.once) {
			if (pthread_create(&thread, NULL, await_signal, w.store) != 0) {
				log_error("no thread can be started");
				return EXIT_FAILURE;
			}
			run(&w);
			pthread_join(thread, NULL);
		}
	}
	vm_snapshot_unref(w.logged);
	lease_watch_close(w.leases);
	vm_store_close(w.store);
	return status;
}
