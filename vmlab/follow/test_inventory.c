#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vmlab/follow/inventory.h"

static char *printed(const char *json)
{
	json_t *inventory = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(inventory);
	inventory_print(f, inventory);
	assert_int_equal(fclose(f), 0);
	json_decref(inventory);
	return text;
}

static void all_of_it(void **state)
{
	char *text = printed(
	    "{\"system\":{\"manufacturer\":\"Maker\",\"product\":\"R640\",\"serial\":\"CZ\\u001b[2J1\",\"uuid\":null},"
	    "\"board\":{\"product\":\"0X1\"},\"chassis\":{\"type\":\"rack mount chassis\",\"asset\":\"A-7\"},"
	    "\"bios\":{\"vendor\":\"Maker\",\"version\":\"2.1\",\"date\":\"04/01/2014\"},"
	    "\"firmware\":{\"type\":\"uefi\",\"secure_boot\":false},\"tpm\":\"2.0\","
	    "\"cpu\":{\"model\":\"Some CPU\",\"arch\":\"amd64\",\"sockets\":1,\"cores\":4,\"threads\":8,\"flags\":[\"vmx\",\"aes\"]},"
	    "\"memory\":{\"total_bytes\":17179869184,\"modules\":[{\"locator\":\"A1\",\"size_bytes\":17179869184,"
	    "\"type\":\"DDR4\",\"speed_mts\":3200,\"manufacturer\":\"Chips\",\"part\":\"M1\",\"serial\":null}]},"
	    "\"disks\":[{\"name\":\"sda\",\"size_bytes\":480103981056,\"transport\":\"sata\",\"rotational\":true,"
	    "\"model\":\"D\",\"serial\":\"S9\",\"table\":\"gpt\",\"partitions\":[{\"number\":1,\"size_bytes\":1048576,"
	    "\"fs\":\"vfat\",\"label\":\"EFI\"}]}],"
	    "\"nics\":[{\"name\":\"eth0\",\"mac\":\"52:54:00:00:00:01\",\"driver\":\"ixgbe\",\"link\":true,"
	    "\"speed_mbps\":10000,\"neighbour\":{\"system\":\"sw1\",\"port\":\"7\"}}],"
	    "\"pci\":[{},{}],\"usb\":[{}],\"kernel\":\"6.12\"}");

	(void)state;
	assert_string_equal(text,
	    "system     Maker R640, serial CZ1\n"
	    "board      0X1\n"
	    "chassis    rack mount chassis, asset A-7\n"
	    "firmware   UEFI, Secure Boot off, Maker 2.1, of 04/01/2014\n"
	    "TPM        2.0\n"
	    "CPU        Some CPU, amd64, 1 socket, 4 cores, 8 threads, vmx, aes\n"
	    "memory     16 GiB\n"
	    "           A1, 16 GiB, DDR4, 3200 MT/s, Chips M1\n"
	    "disk       sda, 447 GiB, sata, rotational, D, serial S9, gpt\n"
	    "             1, 1 MiB, vfat, label EFI\n"
	    "NIC        eth0, 52:54:00:00:00:01, ixgbe, link, 10000 Mbit/s, at sw1, port 7\n"
	    "buses      2 PCI devices, 1 USB device\n"
	    "kernel     6.12\n");
	free(text);
}

/* A machine may send anything that is JSON. */
static void what_is_not_told_and_what_makes_no_sense(void **state)
{
	static const char *const odd[] = {"{}", "[]", "{\"system\":null,\"disks\":null}",
	    "{\"system\":7,\"cpu\":[],\"memory\":\"much\",\"disks\":{},\"nics\":[]}"};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		char *text = printed(odd[i]);
		assert_string_equal(text, "");
		free(text);
	}
	char *text = printed("{\"disks\":[1,null,{\"size_bytes\":-5,\"name\":\"\"},"
			     "{\"size_bytes\":9223372036854775807,\"partitions\":[null]}],"
			     "\"cpu\":{\"flags\":[1,\"a\"],\"threads\":-1}}");
	assert_non_null(strstr(text, "CPU        a\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_of_it),
	    cmocka_unit_test(what_is_not_told_and_what_makes_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
