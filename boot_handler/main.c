/* main.c - arguments and wiring. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot_handler/http/access.h"
#include "boot_handler/state/address.h"
#include "boot_handler/check.h"
#include "boot_handler/http/call.h"
#include "boot_handler/http/certificate.h"
#include "boot_handler/http/consoles.h"
#include "boot_handler/http/definition_news.h"
#include "boot_handler/http/guest.h"
#include "boot_handler/http/guest_backup.h"
#include "boot_handler/http/guest_files.h"
#include "boot_handler/http/guest_syslog.h"
#include "boot_handler/http/metrics.h"
#include "boot_handler/http/neighbour.h"
#include "boot_handler/sources/lease_receiver.h"
#include "boot_handler/sources/listen.h"
#include "boot_handler/sources/port.h"
#include "boot_handler/http/operator.h"
#include "boot_handler/http/order_eeprom.h"
#include "boot_handler/http/order_news.h"
#include "boot_handler/options.h"
#include "boot_handler/pages/pages.h"
#include "boot_handler/http/server.h"
#include "boot_handler/http/services.h"
#include "boot_handler/http/stream.h"
#include "boot_handler/webhook/sender.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/definition/origin.h"
#include "lib/store/holders.h"

#define RETRY_S 1
#define REPORT_THREADS 4 /* at least */
#define UPLOAD_THREADS 4

static volatile sig_atomic_t stopping;
static struct vm_store *woken_by_signal;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
	vm_store_wake(woken_by_signal);
}

static void catch_signals(struct vm_store *store)
{
	struct sigaction action = {.sa_handler = on_signal};

	woken_by_signal = store;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static void note_stranger(struct services *services, const struct lease *lease)
{
	struct stranger_sight sight = {.mac = &lease->mac,
	    .ip = lease->ip,
	    .ip6 = lease->ip6,
	    .goes_on = lease->fetched,
	    .now_ms = wall_ms()};
	struct shown shown = {0};

	memcpy(shown.uuid, lease->uuid, sizeof(shown.uuid));
	memcpy(shown.arch, lease->arch, sizeof(shown.arch));
	memcpy(shown.platform, lease->platform, sizeof(shown.platform));
	sight.shown = &shown;
	(void)services_stranger_seen(services, &sight);
}

static void tell_fetched(struct services *services, const struct vm *vm, const struct lease *lease)
{
	const struct event_value values[] = {{.text = lease->file}, {.number = lease->size}};
	char address[INET6_ADDRSTRLEN];

	state_source("", lease_ip_text(lease, address));
	state_heard(services->state, vm ? &vm->mac : &lease->mac, vm ? vm->name : NULL, EVENT_TFTP,
	    "", values);
	state_source("", "");
}

/* A file was sent to an address: that of who has it on this network, or, behind a router, by its
 * lease. */
static void on_fetch(struct services *services, const struct lease *lease)
{
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	struct source source = {.six = lease->six, .ip = lease->ip, .ip6 = lease->ip6};
	struct lease seen = *lease;

	seen.has_mac = neighbour_mac(&source, &seen.mac) ||
		       lease_memory_holder(&services->undeclared, lease, &seen.mac);
	const struct vm *vm =
	    seen.has_mac ? services_vm_by_mac(services, snapshot, &seen.mac) : NULL;
	if (seen.has_mac)
		tell_fetched(services, vm, &seen);
	if (vm)
		order_eeprom_fetched(services, vm, seen.file);
	if (seen.has_mac && !vm)
		note_stranger(services, &seen);
	vm_snapshot_unref(snapshot);
}

/* The first that shows the UUID of a definition without MAC address is its machine. */
static void learn_card(struct services *services, const struct lease *lease)
{
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct vm *vm = lease->uuid[0] && lease->has_mac && !lease->gone
				  ? vm_snapshot_by_uuid(snapshot, lease->uuid)
				  : NULL;

	if (vm && vm->mac_made && !services_vm_by_mac(services, snapshot, &lease->mac) &&
	    services_may_be_its_card(services, vm, &lease->mac))
		services_learn_card(services, vm, &lease->mac);
	vm_snapshot_unref(snapshot);
}

static void on_lease(void *ctx, const struct lease *lease)
{
	struct services *services = ctx;

	if (lease->fetched) {
		on_fetch(services, lease);
		return;
	}
	learn_card(services, lease);
	if (services_take_lease(services, lease))
		return;
	bool asked = lease_memory_asked(&services->undeclared, lease);
	if (lease_memory_take(&services->undeclared, lease) && !lease->gone)
		state_taken(services->state, &lease->mac, lease);
	if (services_take_lease(services, lease)) { /* its definition has just appeared */
		struct lease taken = *lease;
		taken.gone = true;
		lease_memory_take(&services->undeclared, &taken);
	} else if (asked) {
		note_stranger(services, lease);
	}
}

static void on_said(void *ctx, const struct dhcp_said *said)
{
	struct services *services = ctx;
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct vm *vm = services_vm_by_mac(services, snapshot, &said->mac);

	char card[MAC_TEXT_SIZE];

	/* It has no address of IP yet: what is heard of it came from its card. */
	state_source("dhcp", mac_format(&said->mac, card));
	state_heard(services->state, vm ? &vm->mac : &said->mac, vm ? vm->name : NULL, said->kind,
	    said->why, &(struct event_value){.text = said->ip});
	state_source("", "");
	vm_snapshot_unref(snapshot);
}

/* What it runs with until it is started again; off, it has nothing. */
static void keep_values(struct services *services, const struct vm *vm, bool there)
{
	json_t *values = there ? vm_values(vm) : json_null();

	state_keep(services->state, &vm->mac, STATE_STARTED_WITH,
	    values ? json_dumps(values, JSON_COMPACT | JSON_ENCODE_ANY) : NULL);
	json_decref(values);
}

/* A VM's first card; its others are told of, too, and are nobody's. */
static void on_port(void *ctx, const struct mac *mac, bool there)
{
	struct services *services = ctx;
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct vm *vm = services_vm_by_mac(services, snapshot, mac);

	char card[MAC_TEXT_SIZE];

	state_source("bridge", mac_format(mac, card));
	if (vm) {
		state_tell(
		    services->state, &vm->mac, vm->name, EVENT_POWER, there ? "on" : "off", NULL);
		keep_values(services, vm, there);
	}
	state_source("", "");
	vm_snapshot_unref(snapshot);
}

/* No reason to serve nobody. */
static void listen_ports(struct services *services, struct port_receiver **out)
{
	struct err e = ERR_INIT;

	if (port_receiver_start(on_port, services, out, &e) < 0)
		log_warn("when VMs are switched on and off is not heard: %s", e.msg);
}

/* The problems of vms/ go to the log once for each snapshot that has other ones. */
static void log_problems(struct vm_store *store)
{
	const struct vm_snapshot *snapshot = vm_store_snapshot(store);
	size_t count = vm_snapshot_problem_count(snapshot);

	log_info("definitions read vms=%zu problems=%zu generation=%lu",
	    vm_snapshot_count(snapshot), count, vm_snapshot_generation(snapshot));
	for (size_t i = 0; i < count && i < 20; i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snapshot, i);

		log_warn("%s:%d:%d: %s%s", p->file, p->where.line, p->where.column, p->text,
		    p->serving_last_good ? " (its last good definition stays in force)" : "");
	}
	vm_snapshot_unref(snapshot);
}

/* What the memory of holders costs: a fiftieth of a processor at most. */
#define HOLDERS_PAUSE 50

struct keeper {
	const char *path;
	bool due;
	int64_t not_before_ms;
};

static void keep_holders(struct keeper *k, struct vm_store *store)
{
	const struct vm_snapshot *snapshot = vm_store_snapshot(store);
	struct err e = ERR_INIT;
	int cost_ms = 0;

	if (vm_holders_write(k->path, snapshot, &cost_ms, &e) < 0)
		log_warn("who holds which name and address cannot be kept: %s", e.msg);
	vm_snapshot_unref(snapshot);
	k->due = false;
	k->not_before_ms = wall_ms() + (int64_t)cost_ms * HOLDERS_PAUSE;
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* Judges strangers, however many ask, no more often than this. */
#define DECLARE_EVERY_MS 200

/* In how many ms to come again at the latest; -1: not before it is woken. */
static int declare_strangers(struct services *services)
{
	static int64_t not_before_ms;
	int64_t now = monotonic_ms();

	if (atomic_load(&services->declare_due) && now < not_before_ms)
		return (int)(not_before_ms - now);
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	bool declares = declare_applies(snapshot);
	atomic_store(&services->declares, declares);
	atomic_store(&services->declare_due, false);
	if (declares) /* by what was learned since */
		services_forget_declared(services);
	state_source("profile", "");
	int again = declarer_round(&services->declarer, snapshot);
	state_source("", "");
	vm_snapshot_unref(snapshot);
	not_before_ms = monotonic_ms() + DECLARE_EVERY_MS;
	return again;
}

/* `*before` is what was in force, and becomes what is. */
static void note_snapshot(struct services *services, const struct vm_snapshot **before)
{
	const struct vm_snapshot *after = vm_store_snapshot(services->store);

	definition_news_tell(services, *before, after);
	vm_snapshot_unref(*before);
	*before = after;
	services_forget_cards(services);
	services_replay_leases(services);
	services_forget_declared(services);
	if (services->addresses)
		address_file_changed(services->addresses);
	log_problems(services->store);
}

static void watch(struct services *services, const char *holders)
{
	const struct vm_snapshot *known = vm_store_snapshot(services->store);
	struct keeper keeper = {.path = holders, .due = true};
	struct err e = ERR_INIT;

	services_forget_cards(services); /* what was declared while this program did not run */
	while (!stopping) {
		int64_t left = keeper.not_before_ms - wall_ms();
		if (keeper.due && left <= 0)
			keep_holders(&keeper, services->store);
		int again = sooner(declare_strangers(services), order_news_round(services));
		int r =
		    vm_store_wait(services->store, sooner(keeper.due ? (int)left : -1, again), &e);

		if (r == 1) {
			keeper.due = true;
			note_snapshot(services, &known);
		}
		if (r < 0 && !atomic_exchange(&services->store_unreadable, true))
			log_error("%s; the last definitions stay in force", e.msg);
		if (r >= 0)
			atomic_store(&services->store_unreadable, false);
		else if (!stopping)
			sleep(RETRY_S);
	}
	if (keeper.due)
		keep_holders(&keeper, services->store);
	vm_snapshot_unref(known);
}

/* Of all that happens, once it is on disk. */
static void heard(void *ctx, const struct event *events, size_t count)
{
	struct services *services = ctx;

	streams_put(services->streams, events, count);
	metrics_heard(services->metrics, events, count);
	sender_heard(services->sender, events, count);
}

static int start_services(const struct options *options, struct services *services, struct err *e)
{
	_cleanup_free_ char *holders = NULL;

	if (vm_holders_read(options->holders, &holders, e) < 0)
		log_warn("who held which name and address is not known: %s", e->msg);
	struct vm_store_options store_options = {.dir = options->vms,
	    .lab = options->has_lab ? &options->lab : NULL,
	    .lab6 = options->has_lab6 ? &options->lab6 : NULL,
	    .holders = holders};

	lease_memory_init(&services->undeclared);
	services->urls.base = options->base_url;
	services->urls.initrds = options->initrds_url_path;
	services->domain = options->domain;
	services->limits = options->limits;
	services->strangers = options->strangers;
	services->any_source = options->any_source;
	services->notices = options->notices;
	if (options->has_lab)
		inet_ntop(AF_INET, &options->lab.addr, services->dns, sizeof(services->dns));
	int r = vm_store_open(&store_options, &services->store, e);
	if (r == 0 && options->backups)
		r = backups_new(options->backups, options->images, guest_backup_use, services,
		    &services->backups, e);
	if (r == 0)
		r = images_new(options->images, options->made, backups_images(services->backups),
		    options->initrds, &services->images, e);
	if (r == 0)
		r = image_list_new(services->images, options->images, &services->boot_images, e);
	services->images_dir = options->images;
	services->vms_dir = options->vms;
	if (r == 0)
		r = keys_new(options->authorized_keys, &services->keys, e);
	if (r == 0)
		r = state_open(options->state, &services->state, e);
	if (r == 0)
		r = streams_new(services->state, STREAM_KEEPALIVE_MS, &services->streams, e);
	if (r == 0)
		r = metrics_new(&services->metrics, e);
	if (r == 0 && options->consoles)
		r = consoles_new(options->consoles, CONSOLES_KEEPALIVE_MS, &services->consoles, e);
	services->xterm_dir = options->xterm;
	if (r == 0)
		r = sender_start(services, &options->trust, &services->sender, e);
	if (r == 0)
		state_on_events(services->state, heard, services);
	services->declarer = (struct declarer){.state = services->state, .dir = options->vms};
	if (r == 0 && options->machines)
		r = address_file_start(&(struct address_options){.path = options->machines,
					   .state = services->state,
					   .store = services->store,
					   .eeprom = order_eeprom_wish,
					   .ctx = services},
		    &services->addresses, e);
	return r;
}

static void stop_services(struct services *services)
{
	sender_stop(services->sender);
	address_file_stop(services->addresses);
	json_decref(services->declarer.profiles);
	state_close(services->state);
	sender_free(services->sender);
	streams_free(services->streams);
	consoles_free(services->consoles);
	metrics_free(services->metrics);
	keys_free(services->keys);
	image_list_free(services->boot_images);
	images_free(services->images);
	backups_free(services->backups);
	if (services->store)
		vm_store_close(services->store);
}

struct listeners {
	struct server *guest;
	struct server *report; /* NULL: guest is both */
	struct server *upload; /* NULL without backups */
	struct server *operator;
	struct server *dashboard;    /* NULL when not asked for */
	struct server *operator_tcp; /* NULL when not asked for */
	struct access *browsers, *access;
	struct certificate certificate; /* of operator_tcp */
	struct lease_receiver *leases;
	struct guest_files *files;
	struct port_receiver *ports;
	struct guest_syslog *syslog;
};

/* No reason to serve nobody: in a host's network the port may be the host's own. */
static void listen_syslog(const char *where, struct services *services, struct guest_syslog **out)
{
	struct err e = ERR_INIT;

	if (where && guest_syslog_start(where, services, out, &e) < 0)
		log_warn("the syslog of other systems' installers is not heard: %s", e.msg);
}

/* No reason to serve nobody: then there are no pages over TCP, and none by the relay. */
static void begin_sessions(const struct options *options, struct services *services)
{
	struct err e = ERR_INIT;

	if (sessions_new(options->sessions, &services->sessions, &e) < 0)
		log_warn("browsers cannot sign in: %s", e.msg);
}

static int start_dashboard(const struct server_options *usual, const struct options *options,
    struct listeners *l, struct err *e)
{
	const struct services *services = usual->ctx;
	struct server_options browsers = *usual;

	int r = access_new(NULL, "", options->operator_hosts, services->sessions, &l->browsers, e);
	browsers.listen = options->dashboard_listen;
	browsers.access = l->browsers;
	return r < 0 ? r : server_start(&browsers, &l->dashboard, e);
}

/* The user's, else ours. */
static int find_certificate(const struct options *options, struct certificate *out, struct err *e)
{
	struct certificate_names names;
	int r;

	if (options->operator_certificate) {
		r = certificate_read(options->operator_certificate, options->operator_key, out, e);
	} else {
		certificate_names(options->operator_tcp, options->operator_hosts, &names);
		r = certificate_keep(options->certificate, options->key, &names, out, e);
		certificate_names_clear(&names);
	}
	if (r >= 0)
		log_info("the operator's certificate is %s sha256=%s",
		    r                               ? "made"
		    : options->operator_certificate ? "given"
						    : "kept",
		    out->fingerprint);
	return r < 0 ? r : 0;
}

static int start_operator_tcp(const struct server_options *usual, const struct options *options,
    struct listeners *l, struct err *e)
{
	struct services *services = usual->ctx;
	struct server_options tcp = *usual;

	int r = access_new(options->operator_token_file, options->operator_tcp,
	    options->operator_hosts, services->sessions, &l->access, e);
	if (r == 0 && options->tls)
		r = find_certificate(options, &l->certificate, e);
	if (r == 0 && options->tls)
		services->certificate = l->certificate.fingerprint;
	tcp.listen = options->operator_tcp;
	tcp.access = l->access;
	tcp.certificate = options->tls ? &l->certificate : NULL;
	return r < 0 ? r : server_start(&tcp, &l->operator_tcp, e);
}

static int start_listeners(const struct options *options, struct services *services,
    struct listeners *listeners, struct err *e)
{
	struct server_options guest = {
	    .listen = options->listen,
	    .socket_mode = 0666,
	    .endpoints = &guest_endpoints,
	    .threads = options->threads,
	    .connection_bytes = SERVER_GUEST_BYTES,
	    .proxied = listen_unix_path(options->listen) != NULL,
	    .handle = call_answer,
	    .ctx = services,
	};
	struct server_options operator= {
		.listen = options->operator_listen,
		.socket_mode = 0600,
		.endpoints = &operator_endpoints,
		.pages = &page_endpoints,
		.threads = 2,
		.connection_bytes = SERVER_OPERATOR_BYTES,
		.handle = call_answer,
		.ctx = services,
	};

	/* These threads wait for the disk, which nobody who boots should. */
	struct server_options report = guest;
	report.listen = options->report_listen;
	report.threads = options->threads > REPORT_THREADS ? options->threads : REPORT_THREADS;
	report.proxied = options->report_listen && listen_unix_path(options->report_listen);
	struct server_options upload = {
	    .listen = options->upload_listen,
	    .socket_mode = 0666,
	    .endpoints = &guest_backup_endpoints,
	    .threads = UPLOAD_THREADS,
	    .connection_bytes = SERVER_UPLOAD_BYTES,
	    .proxied = options->upload_listen && listen_unix_path(options->upload_listen),
	    .handle = call_answer,
	    .begin = call_begin,
	    .ctx = services,
	};

	int r = server_start(&guest, &listeners->guest, e);
	atomic_store(&services->guests[0], listeners->guest);
	if (r == 0 && options->report_listen)
		r = server_start(&report, &listeners->report, e);
	atomic_store(&services->guests[1], listeners->report);
	if (r == 0 && options->upload_listen)
		r = server_start(&upload, &listeners->upload, e);
	if (r == 0)
		r = server_start(&operator, & listeners->operator, e);
	if (r == 0 && options->dashboard_listen)
		r = start_dashboard(&operator, options, listeners, e);
	if (r == 0 && options->operator_tcp)
		r = start_operator_tcp(&operator, options, listeners, e);
	if (r == 0 && options->lease_socket)
		r = lease_receiver_start(options->lease_socket,
		    &(struct lease_handler){on_lease, on_said, services}, &listeners->leases, e);
	if (r == 0 && options->file_log)
		r = guest_files_start(options->file_log, services, &listeners->files, e);
	if (r == 0)
		listen_syslog(options->syslog, services, &listeners->syslog);
	if (r == 0)
		listen_ports(services, &listeners->ports);
	return r;
}

static int serve(const struct options *options)
{
	struct services services = {0};
	struct listeners listeners = {0};
	struct err e = ERR_INIT;

	int r = start_services(options, &services, &e);
	if (r == 0) {
		catch_signals(services.store);
		begin_sessions(options, &services);
		r = start_listeners(options, &services, &listeners, &e);
	}
	if (r == 0) {
		log_info("serving guests=%s operator=%s operator_tcp=%s base_url=%s",
		    options->listen, options->operator_listen,
		    options->operator_tcp ? options->operator_tcp : "off", options->base_url);
		services_forget_declared(&services);
		log_problems(services.store);
		watch(&services, options->holders);
		log_info("stopping");
	} else {
		log_error("%s", e.msg);
	}
	streams_stop(services.streams);
	consoles_stop(services.consoles);
	server_stop(listeners.operator);
	server_stop(listeners.dashboard);
	server_stop(listeners.operator_tcp);
	server_stop(listeners.guest);
	server_stop(listeners.report);
	server_stop(listeners.upload);
	certificate_clear(&listeners.certificate);
	access_free(listeners.access);
	access_free(listeners.browsers);
	sessions_free(services.sessions);
	lease_receiver_stop(listeners.leases);
	guest_files_stop(listeners.files);
	port_receiver_stop(listeners.ports);
	guest_syslog_stop(listeners.syslog);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	stop_services(&services);
	return r < 0;
}

static void print_help(void)
{
	fputs(options_help, stdout);
	puts("\nWhat machines may ask:");
	endpoint_print(&guest_endpoints, stdout);
	puts("\nWhat they may ask of --upload-listen:");
	endpoint_print(&guest_backup_endpoints, stdout);
	puts("\nWhat you may ask:");
	endpoint_print(&operator_endpoints, stdout);
	puts("\nAnd in a browser:");
	endpoint_print(&page_endpoints, stdout);
}

int main(int argc, char **argv)
{
	struct options options;
	struct err e = ERR_INIT;

	log_init("boot_handler", LOG_LEVEL_INFO);

	int wish = options_parse(argc, argv, &options, &e);
	if (wish < 0) {
		log_error("%s", e.msg);
		return 2;
	}
	if (wish == OPTIONS_HELP)
		print_help();
	if (wish == OPTIONS_VERSION)
		puts("boot_handler " VMLAB_VERSION);
	if (wish == OPTIONS_HELP || wish == OPTIONS_VERSION)
		return fflush(stdout) != 0;
	if (options.verbose)
		log_init("boot_handler", LOG_LEVEL_DEBUG);
	return options.check ? check_main(&options) : serve(&options);
}
