#include "os_installer/unpack/image.h"

#include "os_installer/disk/image.h"

static int all_write(struct decompressor *d, struct disk_image *image,
    struct unpack_counters *counters, struct err *e)
{
	const uint8_t *data;
	uint32_t len;
	int r;

	while ((r = decompress_next(d, &data, &len, e)) > 0) {
		if ((r = disk_image_write(image, decompress_is_zeros(data) ? NULL : data, len, e)) <
		    0)
			return r;
		atomic_fetch_add_explicit(&counters->bytes, len, memory_order_relaxed);
	}
	return r < 0 ? r : disk_image_finish(image, e);
}

int unpack_image(void *disk_image, const struct byte_source *source, const struct image_contents *m,
    struct unpack_counters *counters, struct err *e)
{
	struct decompressor *d;
	int r = decompress_start(source, &d, e);

	(void)m; /* the disk image knows its length */
	if (r == 0 && (r = all_write(d, disk_image, counters, e)) == 0)
		r = decompress_finish(d, e);
	return r;
}
