/* smbios_id.h - what an SMBIOS serial number and system UUID may be, and which of them say nothing:
 * firmware whose vendor set none shows the board maker's filler, the same on every such machine.
 * Pure.
 */
#ifndef LIB_MACHINE_SMBIOS_ID_H
#define LIB_MACHINE_SMBIOS_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/bytes.h"

#define SMBIOS_SERIAL_MAX 64

/* The one rule for a serial number that tells a machine: 1 to SMBIOS_SERIAL_MAX printable ASCII
 * characters with no blank at either end. */
bool smbios_serial_valid(const char *serial);

/* One number is written in upper and in lower case: by people, and by loaders. */
bool smbios_serial_same(const char *a, const char *b);
uint64_t smbios_serial_hash(const char *serial, uint64_t seed);

/* True for text such as "Default string", "To be filled by O.E.M." or "0123456789", however it is
 * spaced, punctuated or capitalised. */
bool smbios_serial_unset(const char *serial);

/* RFC 9562 text in either case; lower case into out. */
bool smbios_uuid_parse(const char *text, char out[UUID_TEXT_SIZE]);

/* True for a UUID that many machines show, in whichever byte order its first three fields came.
 * `uuid` is smbios_uuid_parse()'s. */
bool smbios_uuid_unset(const char *uuid);

#endif
