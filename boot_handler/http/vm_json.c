#include "boot_handler/http/vm_json.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/cloudinit.h"
#include "boot_handler/http/json_value.h"
#include "boot_handler/http/machine_now.h"

static struct machine_addresses addresses_of(const struct machine_row *row)
{
	return (struct machine_addresses){.leased_ip = row->leased_ip,
	    .leased_ip6 = row->leased_ip6,
	    .seen_ip = row->seen_ip,
	    .seen_ip6 = row->seen_ip6};
}

/* Where the machine is, and what its definition says. */
static void put_addresses(json_t *json, const struct vm *vm, const struct machine_row *row)
{
	struct machine_addresses a = addresses_of(row);
	struct in_addr ip = address_ip(vm, &a);
	struct in6_addr ip6 = address_ip6(vm, &a), declared6 = vm->has_ip6 ? vm->ip6 : in6addr_any;

	json_object_set_new(json, "ip", ip_json(AF_INET, &ip));
	json_object_set_new(json, "declared_ip", ip_json(AF_INET, &vm->ip));
	json_object_set_new(json, "ipv6", ip_json(AF_INET6, &ip6));
	json_object_set_new(json, "declared_ipv6", ip_json(AF_INET6, &declared6));
}

static json_t *error_json(const struct machine_row *row)
{
	if (row->state != MACHINE_FAILED)
		return json_null();
	return json_pack("{s:o, s:s, s:o}", "phase",
	    text_or_null(machine_phase_name(row->error_phase)), "reason", row->error_reason, "hint",
	    text_or_null(row->error_hint));
}

static json_t *host_keys_json(const struct machine_row *row)
{
	json_t *keys = json_array();

	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		if (row->host_key[i][0])
			json_array_append_new(keys, json_string(row->host_key[i]));
	return keys;
}

static json_t *login_json(const struct vm *vm)
{
	char *login = NULL;
	json_t *json;

	if (cloudinit_login(vm, &login, NULL) < 0)
		return json_null();
	json = text_or_null(login);
	free(login);
	return json;
}

static json_t *disks_json(const struct vm *vm)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < vm->disk_count; i++)
		json_array_append_new(list, json_integer((json_int_t)vm->disk_bytes[i]));
	return list;
}

/* {"status", "errors", ...} of firstboot.h, and "stage" while it is on its way; null before. */
static json_t *cloud_init_json(const struct machine_row *row)
{
	json_t *json = row->cloud_init[0] ? json_loads(row->cloud_init, 0, NULL) : NULL;

	if (row->stage[0]) {
		json = json ? json : json_pack("{s:s}", "status", "running");
		json_object_set_new(json, "status", json_string("running"));
		json_object_set_new(json, "stage", json_string(row->stage));
	}
	return json ? json : json_null();
}

/* The definition's word, else the guest's own. */
static json_t *user_json(const struct vm *vm, const json_t *cloud_init)
{
	json_t *user = login_json(vm);
	const json_t *told = json_object_get(cloud_init, "user");

	if (!json_is_null(user) || !json_is_string(told))
		return user;
	json_decref(user);
	return json_copy((json_t *)told);
}

static json_t *recorded_json(const struct vm *vm, const struct machine_row *row)
{
	char mac[MAC_TEXT_SIZE], nic[MAC_TEXT_SIZE];
	struct mac own;

	bool known = address_mac(vm, row, &own);
	json_t *cloud_init = cloud_init_json(row);
	json_t *json =
	    json_pack("{s:s, s:s?, s:o, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:o, s:i,"
		      " s:b, s:o, s:o, s:o, s:o, s:o, s:i, s:I, s:o}",
		"name", vm->name, "mac", known ? mac_format(&own, mac) : NULL, "nic",
		mac_number(&row->nic) ? json_string(mac_format(&row->nic, nic)) : json_null(),
		"arch", vm_arch_name(vm->arch), "distro", vm->distro ? vm->distro : "", "hostname",
		vm->hostname, "mode", boot_mode_name(vm->mode), "phase",
		text_or_null(machine_phase_name(row->phase)), "bytes", (json_int_t)row->bytes,
		"total_bytes", (json_int_t)row->total_bytes, "rate_bytes_per_s",
		(json_int_t)row->rate_bytes_per_s, "eta_s",
		row->eta_s >= 0 ? json_integer(row->eta_s) : json_null(), "attempt",
		(int)row->attempt, "local", row->local, "last_seen", time_json(row->last_seen_ms),
		"error", error_json(row), "user", user_json(vm, cloud_init), "cloud_init",
		cloud_init, "ssh_host_keys", host_keys_json(row), "cpus", (int)vm->cpus,
		"memory_bytes", (json_int_t)vm->memory_bytes, "disks_bytes", disks_json(vm));
	if (json) {
		put_addresses(json, vm, row);
		json_object_set_new(json, "installed_disk_bytes",
		    row->disk_bytes ? json_integer((json_int_t)row->disk_bytes) : json_null());
	}
	return json;
}

/* What keeps it from getting on; null: nothing. */
static json_t *outlook_json(const struct outlook *look)
{
	if (!look->stage)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "stage", look->stage, "reason", look->reason,
	    "hint", look->hint, "since", time_json(look->since_ms), "limit_s",
	    look->limit_s ? json_integer(look->limit_s) : json_null());
}

json_t *vm_json(struct services *services, const struct vm_snapshot *snapshot, const struct vm *vm)
{
	_cleanup_machine_now_ struct machine_now now;

	machine_now_find(services, snapshot, vm, &now);
	const struct outlook *look = &now.look;
	json_t *json = recorded_json(vm, &now.row);
	machine_now_put(&now, json);
	json_object_set_new(json, "told", told_json(&now.row));
	json_object_set_new(json, "image",
	    boot_mode_of(vm)->needs & BOOT_NEEDS_BOOT ? text_or_null(vm->image) : json_null());
	json_object_set_new(json, "outlook", outlook_json(look));
	json_object_set_new(json, "expected",
	    json_pack("{s:s, s:s?}", "does", look->does, "ends", boot_end_name(look->ends)));
	json_object_set_new(json, "netboot", json_boolean(!now.row.netboot_off));
	json_object_set_new(json, "after_install", json_string(vm_after_name(vm->after_install)));
	if (look->boots && json_is_null(json_object_get(json, "cloud_init")))
		json_object_set_new(json, "cloud_init", json_pack("{s:s}", "status", "booting"));
	return json;
}

/* ---- problems ----------------------------------------------------------------------------- */

/* What a definition declares and the machine does not have. */
static void add_address_problems(
    json_t *list, struct state *state, const struct vm_snapshot *snapshot, const struct vm *vm)
{
	struct machine_addresses a;
	char text[ADDRESS_TEXT_SIZE];

	if (!(vm->ip.s_addr || vm->has_ip6) || !state_addresses(state, &vm->mac, &a))
		return;
	for (int six = 0; six < 2; six++)
		if (address_problem(vm, &a, six, text))
			json_array_append_new(
			    list, json_pack("{s:s, s:i, s:i, s:s, s:b, s:b}", "file",
				      vm_snapshot_file(snapshot, vm), "line", 0, "column", 0,
				      "text", text, "serving_last_good", 0, "warning", 1));
}

json_t *vm_problems_json(struct state *state, const struct vm_snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < vm_snapshot_problem_count(snapshot); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snapshot, i);

		json_array_append_new(
		    list, json_pack("{s:s, s:i, s:i, s:s, s:b, s:b}", "file", p->file, "line",
			      p->where.line, "column", p->where.column, "text", p->text,
			      "serving_last_good", p->serving_last_good, "warning", p->warning));
	}
	for (size_t i = 0; i < vm_snapshot_count(snapshot); i++)
		add_address_problems(list, state, snapshot, vm_snapshot_at(snapshot, i));
	return list;
}
