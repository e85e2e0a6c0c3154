#include "smbios_id.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- serial numbers ---------------------------------------------------------------------------*/

bool smbios_serial_valid(const char *serial)
{
	size_t len = strlen(serial);

	if (len < 1 || len > SMBIOS_SERIAL_MAX || serial[0] == ' ' || serial[len - 1] == ' ')
		return false;
	for (const char *p = serial; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return false;
	return true;
}

/* Letters and digits alone, in lower case: "To be filled by O.E.M." has a dozen spellings. */
static const char *const fillers[] = {"0", "none", "no", "na", "nil", "null", "empty", "blank",
    "default", "defaultstring", "defaultserial", "defaultserialnumber", "unknown", "undefined",
    "unspecified", "unset", "invalid", "notset", "notspecified", "notdefined", "notapplicable",
    "notavailable", "notprovided", "notpresent", "noserial", "noserialnumber", "nosn", "tbd", "tba",
    "tobefilled", "tobefilledbyoem", "tobefilledbyoemm", "filledbyoem", "fillbyoem", "oem",
    "oemserial", "oemserialnumber", "oemdefault", "oemdefault000", "serial", "serialno", "sn",
    "serialnumber", "serialnum", "sernum", "sernum0", "systemserial", "systemserialnumber",
    "systemserialnumb", "chassisserialnumber", "chassisserial", "baseboardserialnumber",
    "boardserialnumber", "mbserialnumber", "productserialnumber", "systemproductname",
    "systemversion", "systemmanufacturer", "string", "xx", "xxx",
    "ssn12345678901234567", "bsn12345678901234567", "mb1234567890", "sn1234567890",
    "sn0123456789", "123490en400015", "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz"};

/* "0000", "FFFFFFFF", "XXXXXXX". */
static bool all_alike(const char *text, size_t len)
{
	size_t alike = strspn(text, (char[]){text[0], '\0'});

	return alike == len && (len >= 4 || text[0] == '0');
}

/* "12345", "0123456789", "01234567890123456789": each digit one more than that before it. */
static bool counts_up(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]) ||
		    (i > 0 && (text[i] - '0') != (text[i - 1] - '0' + 1) % 10))
			return false;
	return len >= 5 && text[0] <= '1';
}

bool smbios_serial_unset(const char *serial)
{
	char bare[SMBIOS_SERIAL_MAX + 1];
	size_t len = 0;

	for (const char *p = serial; *p; p++)
		if (isalnum((unsigned char)*p)) {
			if (len == SMBIOS_SERIAL_MAX)
				return false;
			bare[len++] = (char)tolower((unsigned char)*p);
		}
	bare[len] = '\0';
	if (len == 0 || all_alike(bare, len) || counts_up(bare, len))
		return true;
	for (size_t i = 0; i < COUNT(fillers); i++)
		if (strcmp(bare, fillers[i]) == 0)
			return true;
	return false;
}

/* ---- UUIDs ------------------------------------------------------------------------------------*/

bool smbios_uuid_parse(const char *text, char out[SMBIOS_UUID_SIZE])
{
	if (strlen(text) != SMBIOS_UUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < SMBIOS_UUID_SIZE; i++) {
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
