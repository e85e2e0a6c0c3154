#include "boot_handler/state/db_columns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/hook.h"
#include "boot_handler/state/inventory.h"
#include "boot_handler/state/order.h"
#include "boot_handler/state/stranger.h"
#include "lib/machine/event.h"
#include "lib/base/cleanup.h"

enum column_type {
	COLUMN_TEXT,  /* char[]; NULL when empty */
	COLUMN_WORDS, /* char[]; never NULL */
	COLUMN_INT64,
	COLUMN_UNSIGNED,
	COLUMN_BOOL,
	COLUMN_MAC,
	COLUMN_ANY_MAC, /* or none: "" when zero */
	COLUMN_NIC,     /* a MAC; NULL when zero */
	COLUMN_IP4,
	COLUMN_IP6,
	COLUMN_STATE,
	COLUMN_PHASE,
	COLUMN_KIND,
	COLUMN_SEVERITY,
	COLUMN_ACTION,
	COLUMN_ORDER_STATE,
	COLUMN_JSON, /* json_t *; NULL when there is none, or it makes no sense */
};

struct column {
	const char *name;
	enum column_type type;
	size_t offset;
	size_t size;
};

#define MEMBER(row, column, member, kind)                                                          \
	{column, kind, offsetof(struct row, member), sizeof(((struct row *)0)->member)}
#define MACHINE(member, kind) MEMBER(machine_row, #member, member, kind)
#define EVENT(member, kind) MEMBER(event, #member, member, kind)
#define STRANGER(member, kind) MEMBER(stranger, #member, member, kind)
#define ORDER(member, kind) MEMBER(order, #member, member, kind)
#define INVENTORY(member, kind) MEMBER(inventory_row, #member, member, kind)
#define HOOK(member, kind) MEMBER(hook, #member, member, kind)
#define SHOWN(member) MEMBER(stranger, #member, shown.member, COLUMN_TEXT)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct column of_machine[] = {
    MACHINE(mac, COLUMN_MAC),
    MACHINE(name, COLUMN_WORDS),
    MACHINE(state, COLUMN_STATE),
    MACHINE(local, COLUMN_BOOL),
    MACHINE(reinstall, COLUMN_BOOL),
    MACHINE(ordered, COLUMN_BOOL),
    MACHINE(netboot_off, COLUMN_BOOL),
    MACHINE(attempt, COLUMN_UNSIGNED),
    MACHINE(phase, COLUMN_PHASE),
    MACHINE(bytes, COLUMN_INT64),
    MACHINE(total_bytes, COLUMN_INT64),
    MACHINE(changed_at_ms, COLUMN_INT64),
    MACHINE(last_seen_ms, COLUMN_INT64),
    MACHINE(nic, COLUMN_NIC),
    MACHINE(leased_ip, COLUMN_IP4),
    MACHINE(leased_ip6, COLUMN_IP6),
    MACHINE(seen_ip, COLUMN_IP4),
    MACHINE(seen_ip6, COLUMN_IP6),
    MACHINE(error_phase, COLUMN_PHASE),
    MACHINE(error_reason, COLUMN_TEXT),
    MACHINE(error_hint, COLUMN_TEXT),
    MEMBER(machine_row, "host_key_1", host_key[0], COLUMN_TEXT),
    MEMBER(machine_row, "host_key_2", host_key[1], COLUMN_TEXT),
    MEMBER(machine_row, "host_key_3", host_key[2], COLUMN_TEXT),
    MACHINE(cloud_init, COLUMN_TEXT),
    MACHINE(disk_bytes, COLUMN_INT64),
    MACHINE(began_ms, COLUMN_INT64),
    MACHINE(phase_ms, COLUMN_INT64),
};

static const struct column of_event[] = {
    EVENT(id, COLUMN_INT64),
    EVENT(at_ms, COLUMN_INT64),
    EVENT(mac, COLUMN_ANY_MAC),
    EVENT(vm, COLUMN_WORDS),
    EVENT(kind, COLUMN_KIND),
    EVENT(severity, COLUMN_SEVERITY),
    EVENT(stranger, COLUMN_BOOL),
    EVENT(text, COLUMN_WORDS),
    EVENT(source, COLUMN_TEXT),
    EVENT(phase, COLUMN_PHASE),
    EVENT(bytes, COLUMN_INT64),
    EVENT(total_bytes, COLUMN_INT64),
    EVENT(data, COLUMN_TEXT),
};

static const struct column of_stranger[] = {
    STRANGER(slot, COLUMN_UNSIGNED),
    MEMBER(stranger, "mac_1", mac[0], COLUMN_NIC),
    MEMBER(stranger, "mac_2", mac[1], COLUMN_NIC),
    MEMBER(stranger, "mac_3", mac[2], COLUMN_NIC),
    MEMBER(stranger, "mac_4", mac[3], COLUMN_NIC),
    SHOWN(uuid),
    SHOWN(serial),
    SHOWN(arch),
    SHOWN(platform),
    SHOWN(loader),
    SHOWN(version),
    SHOWN(manufacturer),
    SHOWN(product),
    SHOWN(asset),
    STRANGER(ip, COLUMN_IP4),
    STRANGER(ip6, COLUMN_IP6),
    STRANGER(first_seen_ms, COLUMN_INT64),
    STRANGER(last_seen_ms, COLUMN_INT64),
    STRANGER(asked, COLUMN_INT64),
    STRANGER(ignored, COLUMN_BOOL),
    STRANGER(chosen, COLUMN_TEXT),
    STRANGER(chosen_at_ms, COLUMN_INT64),
    STRANGER(memory_bytes, COLUMN_INT64),
    STRANGER(disk_bytes, COLUMN_INT64),
};

static const struct column of_order[] = {
    ORDER(id, COLUMN_INT64),
    ORDER(mac, COLUMN_MAC),
    ORDER(vm, COLUMN_WORDS),
    ORDER(action, COLUMN_ACTION),
    ORDER(state, COLUMN_ORDER_STATE),
    ORDER(created_ms, COLUMN_INT64),
    ORDER(begun_ms, COLUMN_INT64),
    ORDER(ended_ms, COLUMN_INT64),
    ORDER(given, COLUMN_UNSIGNED),
    MEMBER(order, "disk_due", boot_due, COLUMN_BOOL),
    ORDER(text, COLUMN_TEXT),
    ORDER(list, COLUMN_INT64),
    ORDER(timeout_s, COLUMN_UNSIGNED),
    ORDER(begun, COLUMN_BOOL),
    ORDER(phase, COLUMN_TEXT),
    ORDER(done_bytes, COLUMN_INT64),
    ORDER(total_bytes, COLUMN_INT64),
    ORDER(hint, COLUMN_TEXT),
    ORDER(args, COLUMN_JSON),
    ORDER(figures, COLUMN_JSON),
};

/* Its text is written beside these. */
static const struct column of_inventory[] = {
    INVENTORY(id, COLUMN_INT64),
    INVENTORY(mac, COLUMN_MAC),
    INVENTORY(at_ms, COLUMN_INT64),
    INVENTORY(seen_ms, COLUMN_INT64),
    INVENTORY(bytes, COLUMN_INT64),
    INVENTORY(hash, COLUMN_INT64),
};

static const struct column of_hook[] = {
    HOOK(id, COLUMN_INT64),
    HOOK(name, COLUMN_WORDS),
    HOOK(url, COLUMN_WORDS),
    HOOK(secret, COLUMN_WORDS),
    HOOK(filter, COLUMN_WORDS),
    HOOK(created_ms, COLUMN_INT64),
    HOOK(cursor, COLUMN_INT64),
    HOOK(delivered, COLUMN_INT64),
    HOOK(delivered_ms, COLUMN_INT64),
    HOOK(failed, COLUMN_INT64),
    HOOK(failed_ms, COLUMN_INT64),
    HOOK(status, COLUMN_UNSIGNED),
    HOOK(error, COLUMN_WORDS),
    HOOK(missed, COLUMN_INT64),
    HOOK(ended, COLUMN_BOOL),
};

const struct column_table machine_columns = {"machine", of_machine, COUNT(of_machine)};
const struct column_table event_columns = {"event", of_event, COUNT(of_event)};
const struct column_table stranger_columns = {"stranger", of_stranger, COUNT(of_stranger)};
const struct column_table order_columns = {"agent_order", of_order, COUNT(of_order)};
const struct column_table inventory_columns = {"inventory", of_inventory, COUNT(of_inventory)};
const struct column_table hook_columns = {"hook", of_hook, COUNT(of_hook)};

/* ---- statements -------------------------------------------------------------------------- */

static void put_names(FILE *f, const struct column_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		fprintf(f, "%s%s", i == 0 ? "" : ",", table->columns[i].name);
}

char *columns_insert_text(const struct column_table *table)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f, "INSERT OR REPLACE INTO %s (", table->name);
	put_names(f, table);
	fputs(") VALUES (", f);
	for (size_t i = 0; i < table->count; i++)
		fputs(i == 0 ? "?" : ",?", f);
	fputc(')', f);
	return fclose(f) == 0 ? text : NULL;
}

char *columns_select_text(const struct column_table *table)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("SELECT ", f);
	put_names(f, table);
	fprintf(f, " FROM %s", table->name);
	return fclose(f) == 0 ? text : NULL;
}

/* ---- values ------------------------------------------------------------------------------ */

static void bind_text(sqlite3_stmt *s, int i, const char *text)
{
	if (text && text[0])
		sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, i);
}

/* All zero is none, and NULL. */
static void bind_address(sqlite3_stmt *s, int i, int family, const void *ip, size_t size)
{
	static const struct in6_addr none;
	char text[INET6_ADDRSTRLEN];

	if (memcmp(ip, &none, size) != 0 && inet_ntop(family, ip, text, sizeof(text)))
		sqlite3_bind_text(s, i, text, -1, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(s, i);
}

static void bind_json(sqlite3_stmt *s, int i, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	if (text)
		sqlite3_bind_text(s, i, text, -1, free);
	else
		sqlite3_bind_null(s, i);
}

static void bind_one(const struct column *c, sqlite3_stmt *s, int i, const void *value)
{
	char mac[MAC_TEXT_SIZE];

	switch (c->type) {
	case COLUMN_TEXT:
		bind_text(s, i, value);
		break;
	case COLUMN_WORDS:
		sqlite3_bind_text(s, i, value, -1, SQLITE_STATIC);
		break;
	case COLUMN_INT64:
		sqlite3_bind_int64(s, i, *(const sqlite3_int64 *)value);
		break;
	case COLUMN_UNSIGNED:
		sqlite3_bind_int64(s, i, *(const unsigned *)value);
		break;
	case COLUMN_BOOL:
		sqlite3_bind_int(s, i, *(const bool *)value);
		break;
	case COLUMN_MAC:
		sqlite3_bind_text(s, i, mac_format(value, mac), -1, SQLITE_TRANSIENT);
		break;
	case COLUMN_ANY_MAC:
		sqlite3_bind_text(s, i, mac_number(value) == 0 ? "" : mac_format(value, mac), -1,
		    SQLITE_TRANSIENT);
		break;
	case COLUMN_NIC:
		if (mac_number(value) == 0)
			sqlite3_bind_null(s, i);
		else
			sqlite3_bind_text(s, i, mac_format(value, mac), -1, SQLITE_TRANSIENT);
		break;
	case COLUMN_IP4:
		bind_address(s, i, AF_INET, value, c->size);
		break;
	case COLUMN_IP6:
		bind_address(s, i, AF_INET6, value, c->size);
		break;
	case COLUMN_STATE:
		bind_text(s, i, machine_state_name(*(const enum machine_state *)value));
		break;
	case COLUMN_PHASE:
		bind_text(s, i, machine_phase_name(*(const enum machine_phase *)value));
		break;
	case COLUMN_KIND:
		bind_text(s, i, event_info(*(const enum event_kind *)value)->name);
		break;
	case COLUMN_SEVERITY:
		sqlite3_bind_int(s, i, *(const enum event_severity *)value);
		break;
	case COLUMN_ACTION:
		bind_text(s, i, order_action_name(*(const enum order_action *)value));
		break;
	case COLUMN_ORDER_STATE:
		bind_text(s, i, order_state_name(*(const enum order_state *)value));
		break;
	case COLUMN_JSON:
		bind_json(s, i, *(json_t *const *)value);
		break;
	}
}

void columns_bind(const struct column_table *table, sqlite3_stmt *s, const void *row)
{
	for (size_t i = 0; i < table->count; i++)
		bind_one(&table->columns[i], s, (int)i + 1,
		    (const char *)row + table->columns[i].offset);
}

static int read_kind(const char *text, enum event_kind *out)
{
	const struct event_info *info = event_info_find(text);

	if (!info)
		return -EINVAL;
	*out = (enum event_kind)(info - event_info(0));
	return 0;
}

static int read_one(const struct column *c, sqlite3_stmt *s, int i, void *value)
{
	const char *text = (const char *)sqlite3_column_text(s, i);

	if (!text)
		text = "";
	switch (c->type) {
	case COLUMN_TEXT:
	case COLUMN_WORDS:
		snprintf(value, c->size, "%s", text);
		break;
	case COLUMN_INT64:
		*(sqlite3_int64 *)value = sqlite3_column_int64(s, i);
		break;
	case COLUMN_UNSIGNED:
		*(unsigned *)value = (unsigned)sqlite3_column_int64(s, i);
		break;
	case COLUMN_BOOL:
		*(bool *)value = sqlite3_column_int(s, i) != 0;
		break;
	case COLUMN_MAC:
		return mac_parse(text, strlen(text), value, NULL);
	case COLUMN_ANY_MAC:
	case COLUMN_NIC:
		if (mac_parse(text, strlen(text), value, NULL) < 0)
			memset(value, 0, c->size);
		break;
	case COLUMN_IP4:
	case COLUMN_IP6:
		if (inet_pton(c->type == COLUMN_IP4 ? AF_INET : AF_INET6, text, value) != 1)
			memset(value, 0, c->size);
		break;
	case COLUMN_STATE:
		return machine_state_parse(text, value);
	case COLUMN_PHASE:
		if (machine_phase_parse(text, value) < 0)
			*(enum machine_phase *)value = PHASE_NONE;
		break;
	case COLUMN_KIND:
		return read_kind(text, value);
	case COLUMN_SEVERITY:
		*(enum event_severity *)value = sqlite3_column_int(s, i);
		break;
	case COLUMN_ACTION:
		return order_action_parse(text, value);
	case COLUMN_ORDER_STATE:
		return order_state_parse(text, value);
	case COLUMN_JSON:
		*(json_t **)value = *text ? json_loads(text, 0, NULL) : NULL;
		break;
	}
	return 0;
}

int columns_read(const struct column_table *table, sqlite3_stmt *s, void *row)
{
	for (size_t i = 0; i < table->count; i++)
		if (read_one(
			&table->columns[i], s, (int)i, (char *)row + table->columns[i].offset) < 0)
			return -EINVAL;
	return 0;
}
