#include "vmlab/lab/vm_uuid.h"

#include <nettle/sha1.h>
#include <stdio.h>
#include <string.h>

/* A random one, made once for these names. */
static const uint8_t name_space[16] = {
    0x3b, 0x1e, 0x5f, 0x0c, 0x8d, 0x42, 0x4a, 0x6e, 0x9c, 0x57, 0x21, 0xd0, 0x7a, 0xf3, 0x64, 0xb8};

void vm_uuid_derive(const char *lab, const char *vm, char out[SMBIOS_UUID_SIZE])
{
	struct sha1_ctx hash;
	uint8_t b[SHA1_DIGEST_SIZE];

	sha1_init(&hash);
	sha1_update(&hash, sizeof(name_space), name_space);
	sha1_update(&hash, strlen(lab), (const uint8_t *)lab);
	sha1_update(&hash, 1, (const uint8_t *)"/"); /* in neither name */
	sha1_update(&hash, strlen(vm), (const uint8_t *)vm);
	sha1_digest(&hash, sizeof(b), b);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x50);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, SMBIOS_UUID_SIZE,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
	    b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	    b[15]);
}

const char *vm_uuid_of(const struct lab *lab, const struct vm *vm, char buf[SMBIOS_UUID_SIZE])
{
	if (vm->uuid)
		return vm->uuid;
	vm_uuid_derive(lab->name, vm->name, buf);
	return buf;
}
