#include "vmlab/lab/vm_uuid.h"

#include <nettle/sha1.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"

/* A random one, made once for these names. */
static const uint8_t name_space[16] = {
    0x3b, 0x1e, 0x5f, 0x0c, 0x8d, 0x42, 0x4a, 0x6e, 0x9c, 0x57, 0x21, 0xd0, 0x7a, 0xf3, 0x64, 0xb8};

void vm_uuid_derive(const char *lab, const char *vm, char out[UUID_TEXT_SIZE])
{
	struct sha1_ctx hash;
	uint8_t b[SHA1_DIGEST_SIZE];

	sha1_init(&hash);
	sha1_update(&hash, sizeof(name_space), name_space);
	sha1_update(&hash, strlen(lab), (const uint8_t *)lab);
	sha1_update(&hash, 1, (const uint8_t *)"/"); /* in neither name */
	sha1_update(&hash, strlen(vm), (const uint8_t *)vm);
	sha1_digest(&hash, sizeof(b), b);
	uuid_mark(b, 5);
	uuid_format(b, out);
}

const char *vm_uuid_of(const struct lab *lab, const struct vm *vm, char buf[UUID_TEXT_SIZE])
{
	if (vm->uuid)
		return vm->uuid;
	vm_uuid_derive(lab->name, vm->name, buf);
	return buf;
}
