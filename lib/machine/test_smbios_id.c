#include "lib/machine/smbios_id.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void serials_that_vendors_leave_unset(void **state)
{
	static const char *const unset[] = {"", " ", "Default string", "DEFAULT STRING",
	    "To Be Filled By O.E.M.", "To be filled by O.E.M", "To Be Filled By O.E.M",
	    "TO BE FILLED BY OEM", "System Serial Number", "SystemSerialNumber", "Serial Number",
	    "None", "none", "N/A", "n/a", "NA", "Not Specified", "Not Applicable", "Not Available",
	    "NotAvailable", "Unknown", "INVALID", "0", "00000000", "0000000000000000", "FFFFFFFF",
	    "XXXXXXXXX", "xxxxx", "..............", "-", "*", "1111111", "0123456789", "1234567890",
	    "123456789", "12345678", "123456", "01234567890123456789", "0123456789ABCDEF", "OEM",
	    "O.E.M.", "OEM Default 000", "$(none)", "Chassis Serial Number",
	    "Base Board Serial Number", "SerNum0", "SSN12345678901234567", "Default_String",
	    "not-set", "<none>", "(empty)", "TBD", "MB-1234567890", "1", "a", "7", "xx", "123",
	    "321", "987654321", "9876543210", "Standard", "OEM_SN", "oem-sn",
	    "Type1ProductConfigId", "N/A N/A", "n/a, n/a", "$(BOARD_SN)", "${serial}", "%SERIAL%",
	    "[Serial]", "@SN@", "empty serial", "Empty Serial Number", "Not Programmed",
	    "System Serial Number 00000000", "xxx", "--", "???", "SN 0000", "None None",
	    "Filled By OEM", "Asset Tag", "Generic", "Board Serial Number"};
	(void)state;
	for (size_t i = 0; i < sizeof(unset) / sizeof(*unset); i++)
		if (!smbios_serial_unset(unset[i]))
			fail_msg("\"%s\" counts as a serial number", unset[i]);
}

static void serials_that_tell_a_machine(void **state)
{
	static const char *const set[] = {"CZ3021ABCD", "PF0XXXX1",
	    "VMware-56 4d 1c 2b 7f 8e 55 aa-01 23 45 67 89 ab cd ef", "ALPHA-1", "S 1", "S1", "42",
	    "vm1", "rack1-07", "R07", "VMware-42 1c 00 00 00 00 00 00-00 00 00 00 00 00 00 01",
	    "S123456X7654321", "A123456789012345", "0123ABC", "SN000001", "SN-123", "SN1234",
	    "system-7", "default-web1", "NA0001", "NONE42", "1357", "112233", "MXQ1230ABC",
	    "CN0ABC1234567890", "0000-0017-0412-7713-0400-8711-15", "NP-A1", "standard-1", "12346",
	    "1000", "2001", "5CG1234567", "8XQ5Z12", "/8XQ5Z12/CN1296353O00DB/", "2100000000000001",
	    "10000000abcd1234", "ec2e1916-9099-7caf-fd21-012345abcdef", "Parallels-D1 2F", "none-1",
	    "default2", "a,b,c", "34567", "C02(XY)#7"};
	(void)state;
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++)
		if (smbios_serial_unset(set[i]) || !smbios_serial_valid(set[i]))
			fail_msg("\"%s\" is no serial number", set[i]);
}

static void what_a_serial_may_hold(void **state)
{
	char longest[SMBIOS_SERIAL_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[SMBIOS_SERIAL_MAX + 1] = '\0';
	assert_false(smbios_serial_valid(longest));
	/* Words of other alphabets, and flash that was erased. */
	assert_false(smbios_serial_unset("日本電気") || smbios_serial_unset("Ростелеком"));
	assert_true(smbios_serial_unset("\xff\xff\xff\xff\xff"));
	assert_false(smbios_serial_unset("12345678901234567890123456789012345678901234567890"
					 "123456789012345678901234567890x"));
	longest[SMBIOS_SERIAL_MAX] = '\0';
	assert_true(smbios_serial_valid(longest));
	assert_true(smbios_serial_valid("a \"',;\\$%&~!"));
	assert_false(smbios_serial_valid(""));
	assert_false(smbios_serial_valid(" a"));
	assert_false(smbios_serial_valid("a "));
	assert_false(smbios_serial_valid("a\tb"));
	assert_false(smbios_serial_valid("\xc3\xa4"));
	assert_false(smbios_serial_valid("a\x7f"));
}

static bool unset(const char *text)
{
	char uuid[UUID_TEXT_SIZE];

	assert_true(smbios_uuid_parse(text, uuid));
	return smbios_uuid_unset(uuid);
}

static void uuids(void **state)
{
	static const char *const shared[] = {"00000000-0000-0000-0000-000000000000",
	    "ffffffff-ffff-ffff-ffff-ffffffffffff", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
	    "fefefefe-fefe-fefe-fefe-fefefefefefe", "11111111-1111-1111-1111-111111111111",
	    "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
	    "12345678-1234-5678-90AB-CDDEEFAABBCC", "78563412-3412-7856-90ab-cddeefaabbcc",
	    "03020100-0504-0706-0809-0A0B0C0D0E0F", "44454C4C-0000-1020-8020-80C04F202020"};
	static const char *const own[] = {"6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
	    "4c4c4544-0051-3610-8051-b6c04f4e3532", "0f0e0d0c-0b0a-4908-8706-050403020100",
	    "00000000-0000-0000-0000-ac1f6b000001", "12345678-1234-5678-90ab-cddeefaabbcd"};
	char out[UUID_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++)
		if (!unset(shared[i]))
			fail_msg("%s counts as one machine's", shared[i]);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (unset(own[i]))
			fail_msg("%s counts as unset", own[i]);
	assert_false(smbios_uuid_parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5", out));
	assert_false(smbios_uuid_parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5bb", out));
	assert_false(smbios_uuid_parse("6f1c2a34x5b6d-4e7f-8a9b-0c1d2e3f4a5b", out));
	assert_false(smbios_uuid_parse("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5g", out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(serials_that_vendors_leave_unset),
	    cmocka_unit_test(serials_that_tell_a_machine),
	    cmocka_unit_test(what_a_serial_may_hold),
	    cmocka_unit_test(uuids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
