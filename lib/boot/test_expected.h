/* test_expected.h - what is expected of machines never heard of: server and command line are held
 * to the same table. */
#ifndef LIB_BOOT_TEST_EXPECTED_H
#define LIB_BOOT_TEST_EXPECTED_H

#include <stdbool.h>

static const struct boot_expected {
	const char *fields; /* after name and mac */
	bool has_needed, noreboot;
	const char *does, *ends; /* "-": nothing */
} boot_expected[] = {
    {"", true, false, "install", "ready"},
    {"", false, false, "no-image", "ready"},
    {"", true, true, "install", "installed"},
    {",\"after_install\":\"poweroff\"", true, false, "install", "installed"},
    {",\"after_install\":\"shell\"", true, false, "install", "installed"},
    {",\"after_install\":\"kexec\"", true, false, "install", "ready"},
    {",\"mode\":\"shell\"", true, false, "shell", "started"},
    {",\"mode\":\"shell\"", false, false, "no-image", "started"},
    {",\"mode\":\"agent\"", true, false, "agent", "started"},
    {",\"mode\":\"agent\"", false, false, "no-image", "started"},
    {",\"mode\":\"boot\",\"image\":\"live\"", true, false, "boot", "started"},
    {",\"mode\":\"boot\",\"image\":\"live\"", false, false, "no-image", "started"},
    {",\"mode\":\"boot\",\"image\":\"live\",\"unattended\":true", true, false, "boot", "installed"},
    {",\"mode\":\"local\"", false, false, "local", "answers"},
    {",\"mode\":\"off\"", false, false, "off", "answers"},
    {",\"mode\":\"menu\"", true, false, "menu", "-"},
    {",\"mode\":\"wait\"", false, false, "wait", "started"},
    {",\"pxeboot\":false", false, false, "local", "answers"},
    {",\"pxeboot\":false,\"kernel\":\"k\",\"initrd\":\"i\"", true, false, "kernel", "-"},
    {",\"pxeboot\":false,\"kernel\":\"k\",\"initrd\":\"i\"", false, false, "no-image", "-"},
};

#endif
