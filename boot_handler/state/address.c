#include "boot_handler/state/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define WRITE_EVERY_MS 500

bool address_mac(const struct vm *vm, const struct machine_row *row, struct mac *out)
{
	*out = vm->mac_made && mac_number(&row->nic) ? row->nic : vm->mac;
	return !vm->mac_made || mac_number(&row->nic) || row->last_seen_ms;
}

struct in_addr address_ip(const struct vm *vm, const struct machine_addresses *a)
{
	return a->seen_ip.s_addr ? a->seen_ip : a->leased_ip.s_addr ? a->leased_ip : vm->ip;
}

struct in6_addr address_ip6(const struct vm *vm, const struct machine_addresses *a)
{
	if (ip6_is_set(&a->seen_ip6))
		return a->seen_ip6;
	if (ip6_is_set(&a->leased_ip6))
		return a->leased_ip6;
	return vm->has_ip6 ? vm->ip6 : in6addr_any;
}

bool address_problem(const struct vm *vm, const struct machine_addresses *a, bool six, char *buf)
{
	char declared[INET6_ADDRSTRLEN], has[INET6_ADDRSTRLEN];
	struct in_addr ip = address_ip(vm, a);
	struct in6_addr ip6 = address_ip6(vm, a);
	bool leased = six ? !ip6_is_set(&a->seen_ip6) : a->seen_ip.s_addr == 0;

	if (six ? !vm->has_ip6 || ip6_equal(&ip6, &vm->ip6)
		: !vm->ip.s_addr || ip.s_addr == vm->ip.s_addr)
		return false;
	inet_ntop(six ? AF_INET6 : AF_INET, six ? (const void *)&vm->ip6 : &vm->ip, declared,
	    sizeof(declared));
	inet_ntop(six ? AF_INET6 : AF_INET, six ? (const void *)&ip6 : &ip, has, sizeof(has));
	snprintf(buf, ADDRESS_TEXT_SIZE, "\"%s\" declares %s and the machine has %s, %s",
	    six ? "ipv6" : "ip", declared, has,
	    leased
		? "by DHCP: it gets the declared one when it asks again, at its next boot at the latest"
		: "which it gave itself: declare that one, or have its network_config say the other");
	return true;
}

void address_line(FILE *f, const struct vm *vm, const struct machine_addresses *a,
    const struct eeprom_wish *eeprom)
{
	char wish[EEPROM_WISH_SIZE], ip[INET_ADDRSTRLEN] = "-", ip6[INET6_ADDRSTRLEN] = "-",
				     nic[MAC_TEXT_SIZE] = "-";
	int64_t booted_ms = vm->has_ip6 ? a->booted_ms : 0;

	if (a->seen_ip.s_addr)
		inet_ntop(AF_INET, &a->seen_ip, ip, sizeof(ip));
	if (ip6_is_set(&a->seen_ip6))
		inet_ntop(AF_INET6, &a->seen_ip6, ip6, sizeof(ip6));
	if (mac_number(&a->nic))
		mac_format(&a->nic, nic);
	if (a->seen_ip.s_addr || ip6_is_set(&a->seen_ip6) || booted_ms || mac_number(&a->nic) ||
	    a->netboot_off || eeprom->kind)
		fprintf(f, "%s %s %s %lld %s %s %s\n", vm->name, ip, ip6, (long long)booted_ms, nic,
		    a->netboot_off ? "off" : "-", eeprom_wish_format(eeprom, wish));
}

/* ---- the file ------------------------------------------------------------------------------ */

struct address_file {
	char *path;
	struct address_options is; /* but for its path */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool due, stop;
};

static char *render(const struct address_file *a, size_t *len)
{
	const struct vm_snapshot *snap = vm_store_snapshot(a->is.store);
	struct machine_addresses addresses;
	struct eeprom_wish eeprom;
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	for (size_t i = 0; f && i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		if (!state_addresses(a->is.state, &vm->mac, &addresses))
			continue;
		a->is.eeprom(a->is.ctx, vm, &eeprom);
		address_line(f, vm, &addresses, &eeprom);
	}
	vm_snapshot_unref(snap);
	if (f && fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* False when it is to be tried again. */
static bool write_file(const struct address_file *a)
{
	struct err e = ERR_INIT;
	size_t len;
	_cleanup_free_ char *text = render(a, &len);

	if (text && atomic_file_replace(a->path, text, len, 0644, &e) >= 0)
		return true;
	log_error("%s", text ? e.msg : "out of memory");
	return false;
}

static void *run(void *arg)
{
	struct address_file *a = arg;

	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		if (!a->due) {
			pthread_cond_wait(&a->wake, &a->lock);
			continue;
		}
		a->due = false;
		pthread_mutex_unlock(&a->lock);
		bool written = write_file(a);
		sleep_ms(WRITE_EVERY_MS);
		pthread_mutex_lock(&a->lock);
		a->due = a->due || !written;
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

void address_file_changed(void *arg)
{
	struct address_file *a = arg;

	pthread_mutex_lock(&a->lock);
	a->due = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

int address_file_start(
    const struct address_options *options, struct address_file **out, struct err *e)
{
	struct address_file *a = calloc(1, sizeof(*a));

	if (!a || !(a->path = strdup(options->path))) {
		free(a);
		return err_set(e, ENOMEM, "out of memory");
	}
	a->is = *options;
	a->due = true;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	int r = pthread_create(&a->thread, NULL, run, a);
	if (r != 0) {
		free(a->path);
		free(a);
		return err_set(e, r, "no thread can be started for %s", options->path);
	}
	state_on_addresses(a->is.state, address_file_changed, a);
	*out = a;
	return 0;
}

void address_file_stop(struct address_file *a)
{
	if (!a)
		return;
	state_on_addresses(a->is.state, NULL, NULL);
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a->path);
	free(a);
}
