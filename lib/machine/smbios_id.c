#include "lib/machine/smbios_id.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "lib/base/hash_table.h"
#include "lib/base/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- serial numbers ---------------------------------------------------------------------------*/

bool smbios_serial_valid(const char *serial)
{
	size_t len = strlen(serial);

	return len >= 1 && len <= SMBIOS_SERIAL_MAX && serial[0] != ' ' && serial[len - 1] != ' ' &&
	       text_is_ascii(serial);
}

bool smbios_serial_same(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

uint64_t smbios_serial_hash(const char *serial, uint64_t seed)
{
	char upper[SMBIOS_SERIAL_MAX];
	size_t len = strnlen(serial, sizeof(upper));

	for (size_t i = 0; i < len; i++)
		upper[i] = (char)toupper((unsigned char)serial[i]);
	return hash_bytes(upper, len, seed);
}

/* Letters and digits alone, in lower case: "To be filled by O.E.M." has a dozen spellings. */
static const char *const fillers[] = {"na", "nil", "tbd", "tba", "notset", "nosn", "notspecified",
    "notdefined", "notapplicable", "notavailable", "notprovided", "notpresent", "oemm",
    "systemserialnumb", "123490en400015", "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz",
    "type1productconfigid", "type1family", "type1skunumber", "type2boardserialnumber",
    "type3chassisserialnumber"};

/* A serial number of such words alone says nothing, however many. */
static const char *const words[] = {"none", "no", "not", "na", "nil", "null", "empty", "blank",
    "default", "string", "unknown", "undefined", "unspecified", "unset", "uninitialized", "invalid",
    "void", "set", "specified", "defined", "applicable", "available", "provided", "present",
    "programmed", "assigned", "tbd", "tba", "to", "be", "filled", "fill", "in", "by", "oem", "or",
    "the", "is", "serial", "sn", "ssn", "bsn", "ser", "num", "number", "nr", "mb", "sys", "system",
    "base", "board", "baseboard", "mainboard", "motherboard", "chassis", "enclosure", "product",
    "asset", "tag", "name", "version", "manufacturer", "vendor", "standard", "generic",
    "placeholder", "value", "field", "text"};

#define SERIAL_LEAST 2 /* letters and digits */
#define COUNT_LEAST 3  /* digits */
#define COUNT_BESIDE_WORDS 8
#define JOINED_LEAST 8 /* shorter ones may be chance */

static bool is_one_of(const char *text, size_t len, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(list[i]) == len && memcmp(text, list[i], len) == 0)
			return true;
	return false;
}

/* "0000", "FFFFFFFF", "XXX". */
static bool all_alike(const char *text, size_t len)
{
	return strspn(text, (char[]){text[0], '\0'}) >= len;
}

/* "12345", "0123456789", "01234567890123456789", and down "987654321": from one end of the digits
 * on. */
static bool counts(const char *text, size_t len, size_t least)
{
	bool up = true, down = true;

	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		if (i > 0) {
			up = up && text[i] - '0' == (text[i - 1] - '0' + 1) % 10;
			down = down && text[i - 1] - '0' == (text[i] - '0' + 1) % 10;
		}
	}
	return len >= least && ((up && text[0] <= '1') || (down && text[len - 1] <= '1'));
}

/* "$(BOARD_SN)", "%SERIAL%", "<none>", "[serial]", "@SN@": what a vendor's program was to put a
 * value for. */
static bool is_placeholder(const char *serial)
{
	static const char *const around[] = {"%%", "<>", "[]", "{}", "()", "@@"};
	size_t len = strlen(serial);

	for (size_t i = 0; i < COUNT(around); i++)
		if (len > 1 && serial[0] == around[i][0] && serial[len - 1] == around[i][1])
			return true;
	return strstr(serial, "$(") || strstr(serial, "${");
}

/* The next run of letters, or of digits; "SerialNumber" are two. */
static size_t run_length(const char *text)
{
	size_t n = 1;

	while (isalnum((unsigned char)text[n]) &&
	       !isdigit((unsigned char)text[n]) == !isdigit((unsigned char)text[0]) &&
	       !(isupper((unsigned char)text[n]) && islower((unsigned char)text[n - 1])))
		n++;
	return n;
}

/* "Default string", "OEM_SN", "SystemSerialNumber", "SN 1234567890". */
static bool says_nothing(const char *serial)
{
	bool any = false;

	while (*serial) {
		if (!isalnum((unsigned char)*serial)) {
			serial++;
			continue;
		}
		char run[SMBIOS_SERIAL_MAX + 1] = "";
		size_t n = run_length(serial);
		for (size_t i = 0; i < n; i++)
			run[i] = (char)tolower((unsigned char)serial[i]);
		bool digits = isdigit((unsigned char)run[0]);
		if (digits ? strspn(run, "0") < n && !counts(run, n, COUNT_BESIDE_WORDS)
			   : !is_one_of(run, n, words, COUNT(words)))
			return false;
		any = any || !digits;
		serial += n;
	}
	return any;
}

/* "tobefilledbyoem", however it was spaced: words one behind the other. */
static bool joins_words(const char *bare, size_t len)
{
	bool ends[SMBIOS_SERIAL_MAX + 1] = {true}; /* a word may end here */

	if (len < JOINED_LEAST || len > SMBIOS_SERIAL_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		for (size_t w = 0; ends[i] && w < COUNT(words); w++) {
			size_t n = strlen(words[w]);
			if (i + n <= len && memcmp(bare + i, words[w], n) == 0)
				ends[i + n] = true;
		}
	return ends[len];
}

/* "N/A N/A". */
static bool repeats_filler(const char *bare, size_t len)
{
	for (size_t n = 1; n <= len; n++) {
		size_t at = n;
		if (!is_one_of(bare, n, fillers, COUNT(fillers)))
			continue;
		while (at + n <= len && memcmp(bare, bare + at, n) == 0)
			at += n;
		if (at == len)
			return true;
	}
	return false;
}

/* Of another alphabet: fillers are English. Bytes of no character, as of flash that was erased, are
 * no letters. */
static bool is_letter_elsewhere(const char *p)
{
	int plain;

	return (unsigned char)*p >= 0x80 && text_character(p, strlen(p), &plain) > 1 && plain;
}

bool smbios_serial_unset(const char *serial)
{
	char bare[SMBIOS_SERIAL_MAX + 1];
	size_t len = 0;

	if (strlen(serial) > SMBIOS_SERIAL_MAX)
		return false;
	for (const char *p = serial; *p; p++) {
		if (isalnum((unsigned char)*p))
			bare[len++] = (char)tolower((unsigned char)*p);
		else if (is_letter_elsewhere(p))
			return false;
	}
	bare[len] = '\0';
	/* "oem" and "o.e.m." alike. */
	return len < SERIAL_LEAST || all_alike(bare, len) || counts(bare, len, COUNT_LEAST) ||
	       is_one_of(bare, len, words, COUNT(words)) || repeats_filler(bare, len) ||
	       is_placeholder(serial) || says_nothing(serial) || joins_words(bare, len);
}

/* ---- UUIDs ------------------------------------------------------------------------------------*/

bool smbios_uuid_parse(const char *text, char out[UUID_TEXT_SIZE])
{
	if (strlen(text) != UUID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < UUID_TEXT_SIZE; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (text[i] && (hyphen ? text[i] != '-' : !isxdigit((unsigned char)text[i])))
			return false;
		out[i] = (char)tolower((unsigned char)text[i]);
	}
	return true;
}

/* SMBIOS 2.6 turned the first three fields around: the same 16 bytes were shown both ways. */
static const char *const shared_uuids[] = {
    "03000200-0400-0500-0006-000700080009", /* AMI's */
    "01020304-0506-0708-090a-0b0c0d0e0f10",
    "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "12345678-1234-1234-1234-123456789abc",
    "12345678-1234-5678-1234-567812345678",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "12345678-90ab-cdef-1234-567890abcdef",
    "12345678-9abc-def0-1234-56789abcdef0",
    "01234567-89ab-cdef-0123-456789abcdef",
    "01234567-8910-1112-1314-151617181920",
    "00112233-4455-6677-8899-aabbccddeeff",
    "11223344-5566-7788-99aa-bbccddeeff00",
    "d0f0a000-0000-1000-8000-000000000000",
    "00000000-0000-1000-8000-000000000000",
    "00020003-0004-0005-0006-000700080009",
    "4c4c4544-0000-2010-8020-80c04f202020", /* Dell without its service tag */
    "4c4c4544-0000-2020-8020-80c04f202020",
    "deadbeef-dead-beef-dead-beefdeadbeef",
};

/* The digits of `uuid`, hyphens left out, with the bytes of each of the first three fields turned
 * around. */
static void turn(const char uuid[32], char out[32])
{
	static const int from[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (int i = 0; i < 16; i++)
		memcpy(out + (ptrdiff_t)2 * i, uuid + (ptrdiff_t)2 * from[i], 2);
}

static void digits_of(const char *uuid, char out[32])
{
	for (int n = 0; *uuid && n < 32; uuid++)
		if (*uuid != '-')
			out[n++] = *uuid;
}

bool smbios_uuid_unset(const char *uuid)
{
	char own[32] = "", turned[32], shared[32] = "";
	bool alike = true;

	digits_of(uuid, own);
	turn(own, turned);
	/* All zero, all ones, and one byte 16 times. */
	for (int i = 2; i < 32; i++)
		alike = alike && own[i] == own[i - 2];
	for (size_t i = 0; i < COUNT(shared_uuids) && !alike; i++) {
		digits_of(shared_uuids[i], shared);
		alike = memcmp(own, shared, 32) == 0 || memcmp(turned, shared, 32) == 0;
	}
	return alike;
}
