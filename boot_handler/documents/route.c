#include "boot_handler/documents/route.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/image/image_name.h"
#include "lib/machine/smbios_id.h"
#include "lib/definition/vm.h"

int route_decode(const char *text, size_t len, bool form, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			if (len - i < 3)
				return -EINVAL;
			int byte = hex_byte(text + i + 1);
			if (byte < 0)
				return -EINVAL;
			c = (char)byte;
			i += 2;
		} else if (c == '+' && form) {
			c = ' ';
		}
		if (c == '\0' || n + 1 >= size)
			return -EINVAL;
		out[n++] = c;
	}
	out[n] = '\0';
	return (int)n;
}

static bool piece_is(struct piece p, const char *word)
{
	return p.len == strlen(word) && memcmp(p.text, word, p.len) == 0;
}

bool route_segment(struct piece *path, struct piece *segment)
{
	if (path->len == 0 || path->text[0] != '/')
		return false;
	path->text++;
	path->len--;
	const char *end = memchr(path->text, '/', path->len);
	segment->text = path->text;
	segment->len = end ? (size_t)(end - path->text) : path->len;
	path->text += segment->len;
	path->len -= segment->len;
	return true;
}

/* Splits off the next key=value of a query. */
static bool next_parameter(struct piece *query, struct piece *key, struct piece *value)
{
	if (query->len == 0)
		return false;
	const char *end = memchr(query->text, '&', query->len);
	size_t len = end ? (size_t)(end - query->text) : query->len;
	const char *equals = memchr(query->text, '=', len);

	key->text = query->text;
	key->len = equals ? (size_t)(equals - query->text) : len;
	value->text = equals ? equals + 1 : query->text + len;
	value->len = equals ? len - key->len - 1 : 0;
	query->text += end ? len + 1 : len;
	query->len -= end ? len + 1 : len;
	return true;
}

bool route_field(struct piece form, const char *name, char *out, size_t size)
{
	struct piece key, value;

	out[0] = '\0';
	while (next_parameter(&form, &key, &value))
		if (piece_is(key, name))
			return route_decode(value.text, value.len, true, out, size) >= 0 ||
			       (out[0] = '\0');
	return false;
}

static int parse_mac(struct piece p, struct route *out, struct err *e)
{
	char text[32];
	int n = route_decode(p.text, p.len, false, text, sizeof(text));

	if (n < 0)
		return err_set(
		    e, EINVAL, "the MAC address is malformed: write it like 52:54:00:12:34:56");
	if (mac_parse(text, (size_t)n, &out->mac, e) < 0)
		return -EINVAL;
	out->has_mac = true;
	return 0;
}

static int parse_name(struct piece p, struct route *out, struct err *e)
{
	char text[sizeof(out->name)];

	if (route_decode(p.text, p.len, false, text, sizeof(text)) < 0 || !vm_name_valid(text))
		return err_set(e, EINVAL,
		    "the name is malformed: a VM's name has at most 63 letters, digits and inner hyphens, underscores and dots");
	memcpy(out->name, text, sizeof(text));
	return 0;
}

/* ---- what a machine shows: what makes no sense is as good as absent ----------------------- */

/* Decodes without the blanks around it; false: it cannot be decoded, or is longer than its place.
 */
static bool decode_trimmed(struct piece p, char *out, size_t size)
{
	char text[256];
	int len = route_decode(p.text, p.len, false, text, sizeof(text));
	const char *start = text + (len < 0 ? 0 : strspn(text, " "));

	if (len < 0)
		return false;
	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
	if (start > text + len || strlen(start) >= size)
		return false;
	memcpy(out, start, strlen(start) + 1);
	return true;
}

static void take_uuid(struct piece p, struct route *out)
{
	char text[sizeof(out->uuid)], uuid[sizeof(out->uuid)];

	if (decode_trimmed(p, text, sizeof(text)) && smbios_uuid_parse(text, uuid) &&
	    !smbios_uuid_unset(uuid))
		memcpy(out->uuid, uuid, sizeof(uuid));
}

/* Machines carry the oddest serial numbers, some with blanks up to a field's width; one that cannot
 * be in a definition is as good as none. */
static void take_serial(struct piece p, struct route *out)
{
	char text[sizeof(out->serial)];

	if (decode_trimmed(p, text, sizeof(text)) && smbios_serial_valid(text) &&
	    !smbios_serial_unset(text))
		memcpy(out->serial, text, sizeof(text));
}

static void take_arch(struct piece p, struct route *out)
{
	char text[SHOWN_WORD_SIZE];

	if (decode_trimmed(p, text, sizeof(text)))
		out->arch = arch_of_ipxe(text);
}

/* A word of the menu's; what the menu has not is as good as none. */
static void take_choice(struct piece p, struct route *out)
{
	char text[sizeof(out->choice)];

	if (decode_trimmed(p, text, sizeof(text)))
		memcpy(out->choice, text, sizeof(text));
}

/* What is said for people to read, by enum route_said. Of texts from SMBIOS a short one may be a
 * name (a serial number may not). */
static const struct {
	const char *key;
	bool smbios;
	size_t offset, size;
} said[ROUTE_SAID_COUNT] = {
#define SAID(member, smbios)                                                                       \
	{#member, smbios, offsetof(struct shown, member), sizeof(((struct shown *)0)->member)}
    [ROUTE_SAID_ARCH] = SAID(arch, false),
    [ROUTE_SAID_PLATFORM] = SAID(platform, false),
    [ROUTE_SAID_VERSION] = SAID(version, false),
    [ROUTE_SAID_MANUFACTURER] = SAID(manufacturer, true),
    [ROUTE_SAID_PRODUCT] = SAID(product, true),
    [ROUTE_SAID_ASSET] = SAID(asset, true),
#undef SAID
};

/* Cut to its place. */
static void read_said(struct piece p, bool smbios, char *out, size_t size)
{
	char text[256];

	out[0] = '\0';
	if (decode_trimmed(p, text, sizeof(text)) &&
	    !(smbios && strlen(text) > 3 && smbios_serial_unset(text)))
		text_copy_clean(text, out, size);
}

void route_shown(const struct route *route, struct shown *out)
{
	*out = (struct shown){0};
	memcpy(out->uuid, route->uuid, sizeof(out->uuid));
	memcpy(out->serial, route->serial, sizeof(out->serial));
	for (size_t i = 0; i < ROUTE_SAID_COUNT; i++)
		read_said(
		    route->said[i], said[i].smbios, (char *)out + said[i].offset, said[i].size);
	if (route->arch < VM_ARCH_COUNT)
		snprintf(out->arch, sizeof(out->arch), "%s", vm_arch_name(route->arch));
}

static bool take_shown(struct piece key, struct piece value, struct route *out)
{
	for (size_t i = 0; i < ROUTE_SAID_COUNT; i++)
		if (piece_is(key, said[i].key)) {
			out->said[i] = value;
			if (i == ROUTE_SAID_ARCH)
				take_arch(value, out);
			return true;
		}
	if (piece_is(key, "uuid"))
		take_uuid(value, out);
	else if (piece_is(key, "serial"))
		take_serial(value, out);
	else if (piece_is(key, "choose"))
		take_choice(value, out);
	else
		return false;
	return true;
}

int route_query_ipxe(struct piece query, struct route *out, struct err *e)
{
	struct piece key;
	struct piece value;
	bool mac_seen = false;

	out->arch = VM_ARCH_NOT_SAID;
	while (next_parameter(&query, &key, &value)) {
		if (take_shown(key, value, out) || !piece_is(key, "mac"))
			continue;
		if (mac_seen)
			return err_set(e, EINVAL, "mac is given twice: give it once");
		mac_seen = true;
		if (value.len > 0 && parse_mac(value, out, e) < 0)
			return -EINVAL;
	}
	if (!out->has_mac && !out->uuid[0] && !out->serial[0])
		return err_set(e, EINVAL,
		    "mac is missing: ask with ?mac=52:54:00:12:34:56, the machine's address");
	return 0;
}

static int parse_document(struct piece p, struct route *out, struct err *e)
{
	static const char *const documents[] = {
	    [ROUTE_META_DATA] = "meta-data",
	    [ROUTE_USER_DATA] = "user-data",
	    [ROUTE_VENDOR_DATA] = "vendor-data",
	    [ROUTE_NETWORK_CONFIG] = "network-config",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		if (piece_is(p, documents[i])) {
			out->document = (enum route_document)i;
			return 0;
		}
	err_set(e, ENOENT, "there is nothing at this path");
	return ROUTE_NOT_FOUND;
}

static int parse_machine(struct piece p, struct route *out, struct err *e)
{
	if (!decode_trimmed(p, out->machine, sizeof(out->machine)) ||
	    !smbios_serial_valid(out->machine))
		return err_set(e, EINVAL,
		    "a machine is named by its definition's name, its MAC address, its UUID or its serial number");
	return 0;
}

/* Decimal digits only, at most `max`. */
static int parse_number(struct piece p, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (p.len == 0 || p.len > 19)
		return -EINVAL;
	for (size_t i = 0; i < p.len; i++) {
		if (p.text[i] < '0' || p.text[i] > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(p.text[i] - '0');
	}
	*out = n;
	return n > max ? -EINVAL : 0;
}

static int parse_order(struct piece p, struct route *out, struct err *e)
{
	uint64_t n;

	if (parse_number(p, INT64_MAX, &n) < 0 || n == 0)
		return err_set(e, EINVAL, "an order is named by its number");
	out->number = (int64_t)n;
	return 0;
}

static int parse_slice(struct piece p, struct route *out, struct err *e)
{
	return parse_number(p, UINT32_MAX, &out->slice) == 0
		   ? 0
		   : err_set(e, EINVAL, "a slice is named by its number, from 0");
}

static int parse_image(struct piece p, struct route *out, struct err *e)
{
	if (route_decode(p.text, p.len, false, out->image, sizeof(out->image)) < 0 ||
	    !image_name_valid(out->image))
		return err_set(e, EINVAL, "the name is malformed: no image is called so");
	return 0;
}

static int parse_hook(struct piece p, struct route *out, struct err *e)
{
	return parse_name(p, out, NULL) == 0
		   ? 0
		   : err_set(e, EINVAL,
			 "the name is malformed: a webhook's has at most 63 letters, digits and inner hyphens, underscores and dots");
}

int route_part(struct piece called, struct piece segment, struct route *out, struct err *e)
{
	if (piece_is(called, "<mac>") || piece_is(called, "<card>"))
		return parse_mac(segment, out, e);
	if (piece_is(called, "<document>"))
		return parse_document(segment, out, e);
	if (piece_is(called, "<id>"))
		return parse_machine(segment, out, e);
	if (piece_is(called, "<n>"))
		return parse_order(segment, out, e);
	if (piece_is(called, "<image>"))
		return parse_image(segment, out, e);
	if (piece_is(called, "<hook>"))
		return parse_hook(segment, out, e);
	if (piece_is(called, "<secret>"))
		return route_decode(
			   segment.text, segment.len, false, out->secret, sizeof(out->secret)) < 0
			   ? err_set(e, EINVAL, "this link is cut off: take the whole of it")
			   : 0;
	if (piece_is(called, "<slice>"))
		return parse_slice(segment, out, e);
	return parse_name(segment, out, e);
}

int route_query_report(struct piece query, struct route *out, struct err *e)
{
	struct piece key;
	struct piece value;

	while (next_parameter(&query, &key, &value)) {
		if (!piece_is(key, "phase"))
			continue;
		if (piece_is(value, "ready"))
			out->report = ROUTE_REPORT_READY;
		else if (piece_is(value, "cloud-init"))
			out->report = ROUTE_REPORT_CLOUD_INIT;
		else
			return err_set(e, EINVAL,
			    "phase in the query can only be \"ready\" or \"cloud-init\"; the installer's phases go into the JSON body");
	}
	return 0;
}

int route_event_id(const char *text, uint64_t *out)
{
	return parse_number((struct piece){text, strlen(text)}, INT64_MAX, out);
}

/* "dhcp,ipxe" */
static int parse_kinds(struct piece p, struct route *out, struct err *e)
{
	char text[256], *rest = text;

	if (!decode_trimmed(p, text, sizeof(text)))
		return err_set(
		    e, EINVAL, "kind is malformed: give names of kinds, as kind=dhcp,ipxe");
	for (const char *word; (word = strsep(&rest, ","));) {
		const struct event_info *info = event_info_find(word);
		if (!info)
			return err_set(e, EINVAL,
			    "there is no kind of event \"%s\": vmlab/README.md lists them", word);
		out->kinds |= UINT64_C(1) << (info - event_info(0));
	}
	return 0;
}

static int parse_severity(struct piece p, struct route *out, struct err *e)
{
	char text[16];

	out->has_severity = true;
	if (!decode_trimmed(p, text, sizeof(text)) ||
	    event_severity_parse(text, &out->severity) < 0)
		return err_set(e, EINVAL,
		    "severity is malformed: give debug, info, warning or error, for this and more");
	return 0;
}

static int parse_time(struct piece key, struct piece value, int64_t *out, struct err *e)
{
	char text[TIME_TEXT_SIZE + 8];

	*out = decode_trimmed(value, text, sizeof(text)) ? time_parse(text) : -1;
	if (*out <= 0)
		return err_set(e, EINVAL, "%.*s is malformed: give a time as 2026-01-31T12:00:00Z",
		    (int)key.len, key.text);
	return 0;
}

/* ROUTE_NOT_FOUND: it is none. */
static int parse_event_filter(
    struct piece key, struct piece value, struct route *out, struct err *e)
{
	if (piece_is(key, "vm"))
		return parse_name(value, out, e);
	if (piece_is(key, "machine"))
		return parse_machine(value, out, e);
	if (piece_is(key, "kind"))
		return parse_kinds(value, out, e);
	if (piece_is(key, "severity"))
		return parse_severity(value, out, e);
	if (piece_is(key, "since"))
		return parse_time(key, value, &out->since_ms, e);
	if (piece_is(key, "until"))
		return parse_time(key, value, &out->until_ms, e);
	return ROUTE_NOT_FOUND;
}

/* A misspelt one must not choose everything. */
static int refuse_parameter(struct piece key, const char *known, struct err *e)
{
	return err_set(e, EINVAL, "there is no parameter \"%.*s\" here: there is %s",
	    key.len < 40 ? (int)key.len : 40, key.text, known);
}

int route_query_filter(struct piece query, struct route *out, struct err *e)
{
	struct piece key;
	struct piece value;

	while (next_parameter(&query, &key, &value)) {
		int r = parse_event_filter(key, value, out, e);
		if (r == ROUTE_NOT_FOUND)
			return refuse_parameter(
			    key, "machine, vm, kind, severity, since and until", e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_after(struct piece value, const char *of, struct route *out, struct err *e)
{
	out->has_after = true;
	if (parse_number(value, INT64_MAX, &out->after) < 0)
		return err_set(e, EINVAL, "after is malformed: give the id of %s", of);
	return 0;
}

static int parse_limit(struct piece value, uint64_t *out, struct err *e)
{
	if (parse_number(value, ROUTE_EVENTS_LIMIT_MAX, out) < 0 || *out == 0)
		return err_set(e, EINVAL, "limit is malformed: give a number from 1 to %d",
		    ROUTE_EVENTS_LIMIT_MAX);
	return 0;
}

int route_query_events(struct piece query, struct route *out, struct err *e)
{
	struct piece key;
	struct piece value;
	uint64_t limit = ROUTE_EVENTS_LIMIT_DEFAULT;

	while (next_parameter(&query, &key, &value)) {
		int r = parse_event_filter(key, value, out, e);
		if (piece_is(key, "after"))
			r = parse_after(value, "an event", out, e);
		else if (piece_is(key, "limit"))
			r = parse_limit(value, &limit, e);
		if (r == ROUTE_NOT_FOUND)
			return refuse_parameter(
			    key, "after, limit, machine, vm, kind, severity, since and until", e);
		if (r < 0)
			return r;
	}
	out->limit = (unsigned)limit;
	return 0;
}

int route_query_console(struct piece query, struct route *out, struct err *e)
{
	struct piece key;
	struct piece value;

	while (next_parameter(&query, &key, &value)) {
		int r = piece_is(key, "after") ? parse_after(value, "what the stream gave", out, e)
					       : refuse_parameter(key, "after", e);
		if (r < 0)
			return r;
	}
	return 0;
}

int route_query_output(struct piece query, struct route *out, struct err *e)
{
	struct piece key;
	struct piece value;

	while (next_parameter(&query, &key, &value)) {
		if (piece_is(key, "id") && parse_order(value, out, e) < 0)
			return -EINVAL;
		if (piece_is(key, "at") && parse_number(value, INT64_MAX / 2, &out->after) < 0)
			return err_set(
			    e, EINVAL, "at is malformed: give the number of bytes before");
	}
	if (out->number == 0)
		return err_set(e, EINVAL, "id is missing: give the order's number");
	return 0;
}

/* More than the most is the most: it asks again. */
int route_query_poll(struct piece query, struct route *out, struct err *e)
{
	struct piece key;
	struct piece value;
	uint64_t wait = 0;

	while (next_parameter(&query, &key, &value)) {
		if (piece_is(key, "wait") && parse_number(value, INT64_MAX, &wait) < 0)
			return err_set(e, EINVAL,
			    "wait is malformed: give a number of seconds, at most %d",
			    ROUTE_WAIT_MAX_S);
		if (piece_is(key, "mac") && parse_mac(value, out, e) < 0)
			return -EINVAL;
	}
	if (!out->has_mac)
		return err_set(e, EINVAL,
		    "mac is missing: ask with ?mac=52:54:00:12:34:56, the machine's address");
	out->wait_s = wait > ROUTE_WAIT_MAX_S ? ROUTE_WAIT_MAX_S : (unsigned)wait;
	return 0;
}

int route_query_slice(struct piece query, struct route *out, struct err *e)
{
	char text[2 * DIGEST_BYTES + 1];
	struct piece key, value;

	while (next_parameter(&query, &key, &value)) {
		if (!piece_is(key, "sha256") || value.len != sizeof(text) - 1)
			continue;
		memcpy(text, value.text, value.len);
		text[value.len] = '\0';
		if (hex_decode(text, out->sha256.byte, DIGEST_BYTES))
			return 0;
	}
	return err_set(e, EINVAL, "sha256 is missing, or no SHA-256: give that of the slice");
}
