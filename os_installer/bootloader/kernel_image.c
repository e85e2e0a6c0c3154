#include "os_installer/bootloader/kernel_image.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "os_installer/unpack/decompress.h"

#define BYTES_MAX (UINT64_C(256) << 20) /* of one in memory */

/* As the documents name their fields; all little-endian. */
struct image_header {
	uint32_t code[2];
	uint64_t text_offset, image_size, flags, reserved[3];
	uint8_t magic[4];
	uint32_t pe_offset;
};

struct zboot_header {
	uint8_t mz[4], zimg[4];
	uint32_t payload_offset, payload_size, reserved[2];
	char compression[32];
};

static const uint8_t image_magic[4] = {'A', 'R', 'M', 0x64};

void kernel_image_clear(struct kernel_image *k)
{
	free(k->unpacked);
	*k = (struct kernel_image){.data = NULL};
}

/* ---- packed ---------------------------------------------------------------------------------- */

struct packed {
	const uint8_t *data;
	size_t left;
};

static int packed_next(void *ctx, const uint8_t **data, uint32_t *len, struct err *e)
{
	struct packed *p = ctx;
	size_t n = p->left < (1u << 20) ? p->left : 1u << 20;

	(void)e;
	*data = p->data;
	*len = (uint32_t)n;
	p->data += n;
	p->left -= n;
	return n > 0;
}

static int append(struct kernel_image *k, const uint8_t *data, uint32_t len, struct err *e)
{
	if (k->len + len > BYTES_MAX)
		return err_set(e, EINVAL, "it is larger than %llu MiB once it is unpacked",
		    (unsigned long long)BYTES_MAX >> 20);
	uint8_t *grown = realloc(k->unpacked, k->len + len);
	if (!grown)
		return err_set(e, ENOMEM, "out of memory");
	k->unpacked = grown;
	memcpy(grown + k->len, data, len);
	k->len += len;
	return 0;
}

static int unpack(const uint8_t *data, size_t len, struct kernel_image *out, struct err *e)
{
	struct packed packed = {data, len};
	const struct byte_source source = {&packed, packed_next};
	struct decompressor *d;
	const uint8_t *part;
	uint32_t n;
	int r = decompress_start(&source, &d, e);

	if (r < 0)
		return r;
	while ((r = decompress_next(d, &part, &n, e)) > 0)
		if ((r = append(out, part, n, e)) < 0)
			break;
	struct err second = ERR_INIT;
	int end = decompress_finish(d, &second); /* all of it is in memory: none waits for more */
	if (r == 0 && end < 0)
		r = err_set(e, second.code, "%s", second.msg);
	out->data = out->unpacked;
	return r;
}

/* ---- what it is ------------------------------------------------------------------------------ */

static bool is_image(const uint8_t *data, size_t len)
{
	size_t magic = offsetof(struct image_header, magic);

	return len >= sizeof(struct image_header) &&
	       memcmp(data + magic, image_magic, sizeof(image_magic)) == 0;
}

/* Of the program that unpacks it; else all of the file. */
static bool payload_of(const uint8_t **data, size_t *len)
{
	struct zboot_header h;

	if (*len < sizeof(h))
		return true;
	memcpy(&h, *data, sizeof(h));
	if (memcmp(h.mz, "MZ", 2) != 0 || memcmp(h.zimg, "zimg", 4) != 0)
		return true;
	size_t at = le32toh(h.payload_offset), bytes = le32toh(h.payload_size);
	if (at > *len || bytes > *len - at)
		return false;
	*data += at;
	*len = bytes;
	return true;
}

static int take_header(struct kernel_image *k, struct err *e)
{
	struct image_header h;

	if (!is_image(k->data, k->len))
		return err_set(e, EINVAL, "the kernel is no Image for arm64");
	memcpy(&h, k->data, sizeof(h));
	k->offset = le64toh(h.text_offset);
	k->bytes = le64toh(h.image_size);
	if (k->bytes < k->len || k->bytes > BYTES_MAX || k->offset >= KERNEL_IMAGE_ALIGN)
		return err_set(e, EINVAL, "the kernel's Image does not say what memory it takes");
	return 0;
}

int kernel_image_read(const void *file, size_t len, struct kernel_image *out, struct err *e)
{
	const uint8_t *data = file;
	int r = 0;

	*out = (struct kernel_image){.data = data, .len = len};
	if (!is_image(data, len)) {
		out->len = 0;
		r = payload_of(&data, &len)
			? unpack(data, len, out, e)
			: err_set(e, EINVAL, "it is cut: its payload is not in it");
		if (r < 0)
			err_wrap(e, "the kernel cannot be unpacked");
	}
	if (r == 0)
		r = take_header(out, e);
	if (r < 0)
		kernel_image_clear(out);
	return r;
}
