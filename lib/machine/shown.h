/* shown.h - what a machine shows of itself when it asks for something: its loader's words, bounded
 * and cleaned. Each text is empty where nothing was shown, or nothing that tells anything. */
#ifndef LIB_MACHINE_SHOWN_H
#define LIB_MACHINE_SHOWN_H

#include "lib/machine/smbios_id.h"

#define SHOWN_TEXT_SIZE 65
#define SHOWN_WORD_SIZE 16

struct shown {
	char uuid[UUID_TEXT_SIZE]; /* lower case; none that vendors leave unset, as with serial */
	char serial[SMBIOS_SERIAL_MAX + 1];
	char arch[SHOWN_WORD_SIZE];        /* our name for it, else the loader's own */
	char platform[SHOWN_WORD_SIZE];    /* of the firmware: efi, pcbios */
	char loader[SHOWN_WORD_SIZE];      /* "ipxe"; empty: only its firmware has asked */
	char version[SHOWN_WORD_SIZE * 2]; /* of the loader */
	char manufacturer[SHOWN_TEXT_SIZE];
	char product[SHOWN_TEXT_SIZE];
	char asset[SHOWN_TEXT_SIZE];
};

#endif
