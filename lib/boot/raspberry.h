/* raspberry.h - a Raspberry Pi (4, 400, CM4, 5) that boots from the network: which machine is one,
 * what its firmware loads, and what its kernel is told. Pure.
 *
 * Its boot ROM asks by TFTP for SERIAL/start4.elf, where SERIAL is the board's serial number, then
 * for all else in that folder; see "TFTP boot" of Raspberry Pi's documentation. It knows neither
 * iPXE nor what iPXE is told.
 */
#ifndef LIB_BOOT_RASPBERRY_H
#define LIB_BOOT_RASPBERRY_H

#include "lib/boot/plan.h"

/* The image of its files, which `vmlab image build` makes for arm64. */
#define RASPBERRY_IMAGE "raspberrypi"
#define RASPBERRY_CONFIG_FILE "config.txt"
/* Our initrd, as config.txt calls it. */
#define RASPBERRY_INITRD_FILE "initrd.zst"

/* A file of the image, besides the kernel and its drivers. */
struct raspberry_file {
	const char *name;
	bool of_kernel; /* a device tree, in the kernel's package; else in raspi-firmware */
	bool needed;    /* without it the package is another than is known here */
};

/* NULL from the last on. */
const struct raspberry_file *raspberry_file_at(size_t i);

/* What config.txt says of them. */
extern const char raspberry_config[];

/* Whether `vm` is one: "arch": "arm64", and "serial" has the board's 8 hexadecimal digits, or the
 * 16 of /proc/cpuinfo that end in them. Writes the name of its folder: 8 digits, lower case. */
#define RASPBERRY_FOLDER_SIZE 9
bool raspberry_folder(const struct vm *vm, char folder[RASPBERRY_FOLDER_SIZE]);
/* Whether a name is one that raspberry_folder() writes. */
bool raspberry_is_folder(const char *name);

/* One whose mode its firmware can be served; of the others only that they are not. */
bool raspberry_served(const struct vm *vm);
/* One that is to boot what it has itself, which its firmware does when it is offered nothing. */
bool raspberry_stays_local(const struct vm *vm);

/* The image that any machine takes: RASPBERRY_IMAGE, which no definition names, or
 * boot_image_name().
 */
const char *raspberry_image_name(const struct vm *vm);

/* The kernel's command line, for cmdline.txt, borrowed from `room`; NULL: it cannot be said. */
const char *raspberry_words(
    const struct vm *vm, const struct boot_urls *urls, struct boot_plan *room);

#endif
