/* release.h - what an installed system calls itself: os-release(5). */
#ifndef OS_INSTALLER_BOOTLOADER_RELEASE_H
#define OS_INSTALLER_BOOTLOADER_RELEASE_H

#include <stdbool.h>

/* Not an ID of a distribution: where boot files lie before they have their names. */
#define RELEASE_STAGING_ID "installer"

struct release {
	char id[40];     /* ID, "linux" when there is none of use: a directory's name on the EFI
			    partition */
	char title[120]; /* PRETTY_NAME; any text */
	bool debian;     /* of Debian's family */
};

void release_read(int tree, struct release *out);

#endif
