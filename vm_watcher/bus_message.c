#include "vm_watcher/bus_message.h"

#include <errno.h>
#include <string.h>

#define FIXED_BYTES 16 /* up to and with the length of the fields */
#define DNSMASQ_NAME "uk.org.thekelleys.dnsmasq"
#define DNSMASQ_PATH "/uk/org/thekelleys/dnsmasq"
#define OUR_NAME "org.freedesktop.DBus"

enum field {
	FIELD_PATH = 1,
	FIELD_INTERFACE = 2,
	FIELD_MEMBER = 3,
	FIELD_REPLY_SERIAL = 5,
	FIELD_DESTINATION = 6,
	FIELD_SENDER = 7,
	FIELD_SIGNATURE = 8,
};

static size_t align(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* ---- reading ------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *data;
	size_t len, at;
	bool bad;
};

static uint32_t read_u32(struct reader *r)
{
	uint32_t value = 0;

	r->at = align(r->at, 4);
	if (r->bad || r->at > r->len || r->len - r->at < 4)
		r->bad = true;
	else
		memcpy(&value, r->data + r->at, 4);
	r->at += 4;
	return value;
}

static uint8_t read_byte(struct reader *r)
{
	if (r->bad || r->at >= r->len) {
		r->bad = true;
		return 0;
	}
	return r->data[r->at++];
}

/* `len` bytes and the NUL that must follow them. */
static const char *read_chars(struct reader *r, size_t len)
{
	if (r->bad || r->at > r->len || r->len - r->at <= len || r->data[r->at + len] != '\0') {
		r->bad = true;
		return "";
	}
	const char *text = (const char *)r->data + r->at;
	r->at += len + 1;
	return text;
}

static const char *read_string(struct reader *r)
{
	uint32_t len = read_u32(r);

	return read_chars(r, len);
}

static const char *read_signature(struct reader *r)
{
	uint8_t len = read_byte(r);

	return read_chars(r, len);
}

int bus_message_length(const uint8_t *data, size_t len)
{
	struct reader r = {.data = data, .len = len, .at = 4};

	if (len < FIXED_BYTES)
		return 0;
	if (data[0] != 'l' || data[3] != 1)
		return -EPROTO;
	uint32_t body = read_u32(&r);
	read_u32(&r);
	uint32_t fields = read_u32(&r);
	if (body > BUS_MESSAGE_MAX || fields > BUS_MESSAGE_MAX)
		return -EPROTO;
	size_t all = align(FIXED_BYTES + fields, 8) + body;
	return all > BUS_MESSAGE_MAX ? -EPROTO : len < all ? 0 : (int)all;
}

static void read_field(struct reader *r, struct bus_message *out)
{
	uint8_t code = read_byte(r);
	const char *type = read_signature(r), *text = "";
	uint32_t number = 0;

	if (strcmp(type, "u") == 0)
		number = read_u32(r);
	else if (strcmp(type, "s") == 0 || strcmp(type, "o") == 0)
		text = read_string(r);
	else if (strcmp(type, "g") == 0)
		text = read_signature(r);
	else
		r->bad = true; /* the header has no others */
	if (code == FIELD_MEMBER)
		out->member = text;
	else if (code == FIELD_SIGNATURE)
		out->signature = text;
	else if (code == FIELD_REPLY_SERIAL)
		out->reply_serial = number;
}

int bus_message_parse(const uint8_t *data, size_t len, struct bus_message *out)
{
	struct reader r = {.data = data, .len = len, .at = 4};

	if (bus_message_length(data, len) != (int)len)
		return -EPROTO;
	*out = (struct bus_message){.member = "", .signature = ""};
	out->type = (enum bus_type)data[1];
	out->no_reply = data[2] & 1;
	out->body_len = read_u32(&r);
	out->serial = read_u32(&r);
	r.len = FIXED_BYTES + read_u32(&r);
	while (!r.bad && align(r.at, 8) < r.len) {
		r.at = align(r.at, 8);
		read_field(&r, out);
	}
	out->body = data + (len - out->body_len);
	return r.bad ? -EPROTO : 0;
}

bool bus_message_first(const struct bus_message *m, uint32_t *out)
{
	struct reader r = {.data = m->body, .len = m->body_len};

	*out = read_u32(&r);
	return !r.bad && (m->signature[0] == 'b' || m->signature[0] == 'u');
}

bool bus_message_number(const struct bus_message *m, const char *key, uint32_t *out)
{
	struct reader r = {.data = m->body, .len = m->body_len};

	if (strcmp(m->signature, "a{su}") != 0)
		return false;
	size_t len = read_u32(&r);
	if (r.bad || len > r.len - 4)
		return false;
	while (!r.bad && align(r.at, 8) < r.len) {
		r.at = align(r.at, 8);
		bool found = strcmp(read_string(&r), key) == 0;
		uint32_t value = read_u32(&r);
		if (found && !r.bad) {
			*out = value;
			return true;
		}
	}
	return false;
}

/* ---- writing ------------------------------------------------------------------------------- */

struct writer {
	uint8_t *buf;
	size_t at;
};

static void put_padding(struct writer *w, size_t to)
{
	while (w->at % to)
		w->buf[w->at++] = 0;
}

static void put_u32(struct writer *w, uint32_t value)
{
	put_padding(w, 4);
	memcpy(w->buf + w->at, &value, 4);
	w->at += 4;
}

static void put_signature(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	w->buf[w->at++] = (uint8_t)len;
	memcpy(w->buf + w->at, text, len + 1);
	w->at += len + 1;
}

static void put_string(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	put_u32(w, (uint32_t)len);
	memcpy(w->buf + w->at, text, len + 1);
	w->at += len + 1;
}

static void put_field(struct writer *w, enum field field, const char *type, const char *text)
{
	put_padding(w, 8);
	w->buf[w->at++] = (uint8_t)field;
	put_signature(w, type);
	if (type[0] == 'g')
		put_signature(w, text);
	else
		put_string(w, text);
}

static struct writer begin(uint8_t *buf, enum bus_type type, uint32_t serial)
{
	struct writer w = {buf, 4};

	memcpy(buf, (const uint8_t[]){'l', (uint8_t)type, 0, 1}, 4);
	put_u32(&w, 0); /* the body's length; end() knows it */
	put_u32(&w, serial);
	put_u32(&w, 0); /* the fields' */
	return w;
}

static void end_fields(struct writer *w)
{
	uint32_t len = (uint32_t)w->at - FIXED_BYTES;

	memcpy(w->buf + 12, &len, 4);
	put_padding(w, 8);
}

static size_t end(struct writer *w, size_t body_at)
{
	uint32_t len = (uint32_t)(w->at - body_at);

	memcpy(w->buf + 4, &len, 4);
	return w->at;
}

size_t bus_message_call(uint8_t *buf, uint32_t serial, const char *member, const char *argument)
{
	struct writer w = begin(buf, BUS_CALL, serial);

	put_field(&w, FIELD_PATH, "o", DNSMASQ_PATH);
	put_field(&w, FIELD_INTERFACE, "s", DNSMASQ_NAME);
	put_field(&w, FIELD_MEMBER, "s", member);
	put_field(&w, FIELD_DESTINATION, "s", DNSMASQ_NAME);
	put_field(&w, FIELD_SENDER, "s", ":1.0");
	if (argument)
		put_field(&w, FIELD_SIGNATURE, "g", "s");
	end_fields(&w);
	size_t body_at = w.at;
	if (argument)
		put_string(&w, argument);
	return end(&w, body_at);
}

size_t bus_message_answer(
    uint8_t *buf, uint32_t serial, uint32_t reply_serial, const char *text, uint32_t number)
{
	struct writer w = begin(buf, BUS_RETURN, serial);

	put_padding(&w, 8);
	w.buf[w.at++] = FIELD_REPLY_SERIAL;
	put_signature(&w, "u");
	put_u32(&w, reply_serial);
	put_field(&w, FIELD_DESTINATION, "s", ":1.1");
	put_field(&w, FIELD_SENDER, "s", OUR_NAME);
	put_field(&w, FIELD_SIGNATURE, "g", text ? "s" : "u");
	end_fields(&w);
	size_t body_at = w.at;
	if (text)
		put_string(&w, text);
	else
		put_u32(&w, number);
	return end(&w, body_at);
}
