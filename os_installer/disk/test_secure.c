/* test_secure.c - disks that erase themselves, as the commands' specifications have them: a
 * simulated ATA disk and a simulated NVMe controller in ioctl(2)'s place. No real disk is erased
 * here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "os_installer/disk/secure.h"

static const struct disk sata = {.name = "sda", .path = "/dev/sda", .transport = "sata"};
static const struct disk nvme = {.name = "nvme0n1", .path = "/dev/nvme0n1", .transport = "nvme"};

/* ---- a SATA disk ----------------------------------------------------------------------------- */

static struct {
	unsigned security; /* word 128 */
	unsigned minutes;  /* word 89's and 90's */
	uint8_t fails;     /* the command that does */
	bool locked, prepared, erased, no_pass_through;
	unsigned erase_word0;
	char commands[64];
} ata;

static int ata_fails(sg_io_hdr_t *io)
{
	io->status = 2; /* CHECK CONDITION */
	io->sbp[0] = 0x72;
	io->sbp[8] = 0x09;
	io->sbp[21] = 0x51; /* status: ready, error */
	return 0;
}

static int ata_ioctl(int fd, unsigned long request, void *arg)
{
	sg_io_hdr_t *io = arg;
	uint8_t *data = io->dxferp, command = io->cmdp[14];

	(void)fd;
	assert_int_equal(request, SG_IO);
	assert_int_equal(io->cmdp[0], 0x85);
	if (ata.no_pass_through) {
		errno = ENOTTY;
		return -1;
	}
	sprintf(ata.commands + strlen(ata.commands), "%02x ", command);
	if (command == ata.fails)
		return ata_fails(io);
	bool password = io->dxfer_direction == SG_DXFER_TO_DEV &&
			strcmp((char *)data + 2, SECURE_PASSWORD) == 0;
	switch (command) {
	case 0xec:
		assert_int_equal(io->dxfer_direction, SG_DXFER_FROM_DEV);
		memset(data, 0, 512);
		data[256] = (uint8_t)ata.security;
		data[178] = data[180] = (uint8_t)(ata.minutes / 2);
		if (ata.minutes > 508) {
			data[179] = data[181] = (uint8_t)(0x80 | ata.minutes / 2 >> 8);
			assert_true(ata.minutes < 65536);
		}
		return 0;
	case 0xf1:
		assert_true(password);
		ata.locked = true;
		return 0;
	case 0xf3:
		assert_int_equal(io->dxfer_direction, SG_DXFER_NONE);
		ata.prepared = true;
		return 0;
	case 0xf4:
		if (!ata.locked || !ata.prepared || !password)
			return ata_fails(io);
		assert_true(io->timeout / 60000 >= ata.minutes);
		ata.erase_word0 = data[0];
		ata.erased = true;
		ata.locked = false;
		return 0;
	case 0xf6:
		assert_true(password);
		ata.locked = false;
		return 0;
	default:
		return ata_fails(io);
	}
}

static void ata_is(unsigned security)
{
	memset(&ata, 0, sizeof(ata));
	ata.security = security;
	ata.minutes = 12;
}

static void a_sata_disk_erases_itself(void **state)
{
	struct secure_way way;
	struct err e = ERR_INIT;

	(void)state;
	ata_is(0x01);
	assert_int_equal(secure_look(3, &sata, ata_ioctl, &way, &e), 0);
	assert_string_equal(way.text, "ATA security erase");
	assert_int_equal(way.about_min, 12);
	assert_false(ata.locked);
	assert_int_equal(secure_erase(3, &sata, &way, ata_ioctl, &e), 0);
	assert_true(ata.erased && !ata.locked);
	assert_int_equal(ata.erase_word0, 0);
	assert_string_equal(ata.commands, "ec f1 f3 f4 ");
	ata_is(0x21);
	assert_int_equal(secure_look(3, &sata, ata_ioctl, &way, &e), 0);
	assert_string_equal(way.text, "ATA enhanced security erase");
	assert_int_equal(secure_erase(3, &sata, &way, ata_ioctl, &e), 0);
	assert_int_equal(ata.erase_word0, 2);
	/* One of many terabytes. */
	ata_is(0x01);
	ata.minutes = 4000;
	assert_int_equal(secure_look(3, &sata, ata_ioctl, &way, &e), 0);
	assert_int_equal(way.about_min, 4000);
	assert_int_equal(secure_erase(3, &sata, &way, ata_ioctl, &e), 0);
}

static void one_that_cannot_is_told_why(void **state)
{
	static const struct {
		unsigned security;
		const char *says;
	} cases[] = {{0, "has no ATA security erase"}, {0x05, "locked"}, {0x09, "frozen"},
	    {0x03, "has a password"}, {0x11, "too many wrong passwords"}};
	struct secure_way way;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ata_is(cases[i].security);
		assert_int_equal(secure_look(3, &sata, ata_ioctl, &way, &e), -ENOTSUP);
		assert_non_null(strstr(e.msg, cases[i].says));
		assert_string_equal(ata.commands, "ec ");
	}
	ata_is(1);
	ata.no_pass_through = true;
	assert_int_equal(secure_look(3, &sata, ata_ioctl, &way, &e), -ENOTSUP);
	const struct disk virtio = {.path = "/dev/vda", .transport = "virtio"};
	assert_int_equal(secure_look(3, &virtio, NULL, &way, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "no erase of its own"));
}

static void one_that_fails_is_not_left_locked(void **state)
{
	static const struct {
		uint8_t fails;
		const char *commands;
	} cases[] = {{0xf1, "ec f1 "}, {0xf3, "ec f1 f3 f6 "}, {0xf4, "ec f1 f3 f4 f6 "}};
	struct secure_way way;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ata_is(1);
		ata.fails = cases[i].fails;
		assert_int_equal(secure_look(3, &sata, ata_ioctl, &way, &e), 0);
		assert_int_equal(secure_erase(3, &sata, &way, ata_ioctl, &e), -EIO);
		assert_false(ata.locked || ata.erased);
		assert_string_equal(ata.commands, cases[i].commands);
	}
}

/* ---- an NVMe disk ---------------------------------------------------------------------------- */

static struct {
	unsigned oacs, fna, flbas;
	int format_status;
	uint32_t formatted; /* dword 10 */
	unsigned formats;
	bool another; /* namespace is there */
} controller;

static int nvme_ioctl(int fd, unsigned long request, void *arg)
{
	struct nvme_admin_cmd *c = arg;

	(void)fd;
	if (request == NVME_IOCTL_ID)
		return 1;
	assert_int_equal(request, NVME_IOCTL_ADMIN_CMD);
	if (c->opcode == 0x06) {
		uint8_t *data = (uint8_t *)(uintptr_t)c->addr;
		assert_int_equal(c->nsid, c->cdw10 == 0 ? 1 : 0);
		assert_int_equal(c->data_len, 4096);
		if (c->cdw10 == 2) {
			data[0] = 1;
			data[4] = controller.another ? 7 : 0;
			return 0;
		}
		if (c->cdw10 == 1) {
			data[256] = (uint8_t)controller.oacs;
			data[524] = (uint8_t)controller.fna;
		} else {
			data[26] = (uint8_t)controller.flbas;
		}
		return 0;
	}
	assert_int_equal(c->opcode, 0x80);
	assert_int_equal(c->nsid, 1);
	controller.formatted = c->cdw10;
	controller.formats++;
	return controller.format_status;
}

static void an_nvme_disk_is_formatted_as_it_is(void **state)
{
	struct secure_way way;
	struct err e = ERR_INIT;

	(void)state;
	memset(&controller, 0, sizeof(controller));
	controller.oacs = 2;
	controller.flbas = 1;
	assert_int_equal(secure_look(3, &nvme, nvme_ioctl, &way, &e), 0);
	assert_string_equal(way.text, "NVMe format, its data erased");
	assert_int_equal(controller.formats, 0);
	assert_int_equal(secure_erase(3, &nvme, &way, nvme_ioctl, &e), 0);
	assert_int_equal(controller.formatted, 1 | 1 << 9);
	controller.fna = 4;
	controller.flbas = 0x32;
	assert_int_equal(secure_look(3, &nvme, nvme_ioctl, &way, &e), 0);
	assert_string_equal(way.text, "NVMe format, its key forgotten");
	assert_int_equal(secure_erase(3, &nvme, &way, nvme_ioctl, &e), 0);
	assert_int_equal(controller.formatted, 0x12 | 1 << 12 | 2 << 9);
	controller.format_status = 0x10a;
	assert_int_equal(secure_erase(3, &nvme, &way, nvme_ioctl, &e), -EIO);
	assert_non_null(strstr(e.msg, "0x10a"));
	controller.oacs = 0;
	assert_int_equal(secure_look(3, &nvme, nvme_ioctl, &way, &e), -ENOTSUP);
}

/* A controller whose format erases all namespaces has this one only. */
static void no_other_disk_is_formatted(void **state)
{
	struct secure_way way;
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned fna = 0; fna < 8; fna++)
		for (int another = 0; another < 2; another++) {
			memset(&controller, 0, sizeof(controller));
			controller.oacs = 2;
			controller.fna = fna;
			controller.another = another;
			int r = secure_look(3, &nvme, nvme_ioctl, &way, &e);
			assert_int_equal(r, another && (fna & 3) ? -ENOTSUP : 0);
			assert_true(r == 0 || strstr(e.msg, "not the only one of its controller"));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sata_disk_erases_itself),
	    cmocka_unit_test(one_that_cannot_is_told_why),
	    cmocka_unit_test(one_that_fails_is_not_left_locked),
	    cmocka_unit_test(an_nvme_disk_is_formatted_as_it_is),
	    cmocka_unit_test(no_other_disk_is_formatted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
