#include "os_installer/fetch/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/words.h"

#define REBUILD "build or import the image again"

static int number_get(
    const json_t *o, const char *key, uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v))
		return err_set(e, EINVAL, "rootfs.%s is missing or no number: " REBUILD, key);
	json_int_t n = json_integer_value(v);
	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
		return err_set(e, EINVAL,
		    "rootfs.%s is %" JSON_INTEGER_FORMAT ", outside %llu to %llu: " REBUILD, key, n,
		    (unsigned long long)min, (unsigned long long)max);
	*out = (uint64_t)n;
	return 0;
}

static int format_get(const json_t *o, struct manifest *out, struct err *e)
{
	const char *text = json_string_value(json_object_get(o, "format"));

	if (!text)
		text = "tar.zst";
	if (word_index(image_format_word, text) >= 0) {
		strcpy(out->format, text);
		return 0;
	}
	return err_set(e, EINVAL,
	    "rootfs.format \"%.40s\" is not one this installer can unpack: use tar.zst, tar.gz, tar.xz, raw.zst, raw.gz or raw.xz",
	    text);
}

static int digest_get(const json_t *v, const char *what, struct digest *out, struct err *e)
{
	const char *text = json_string_value(v);

	if (!text || !hex_decode(text, out->byte, DIGEST_BYTES))
		return err_set(e, EINVAL, "%s is not a SHA-256 of 64 hex digits: " REBUILD, what);
	return 0;
}

static int chunks_get(const json_t *o, struct manifest *out, struct err *e)
{
	const json_t *list = json_object_get(o, "chunks");
	uint64_t expected = (out->size_bytes + out->chunk_bytes - 1) / out->chunk_bytes;

	if (!json_is_array(list))
		return err_set(e, EINVAL,
		    "rootfs.chunks is missing, so nothing could be verified before it is written: " REBUILD);
	if (json_array_size(list) != expected)
		return err_set(e, EINVAL,
		    "rootfs.chunks has %zu entries where %llu bytes in slices of %u make %llu: " REBUILD,
		    json_array_size(list), (unsigned long long)out->size_bytes, out->chunk_bytes,
		    (unsigned long long)expected);
	out->chunks = calloc(json_array_size(list), sizeof(*out->chunks));
	if (!out->chunks)
		return err_set(e, ENOMEM, "out of memory for the list of chunks");
	out->chunk_count = json_array_size(list);
	for (size_t i = 0; i < out->chunk_count; i++) {
		char what[48];
		snprintf(what, sizeof(what), "rootfs.chunks[%zu]", i);
		int r = digest_get(json_array_get(list, i), what, &out->chunks[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

int manifest_parse(const json_t *rootfs, struct manifest *out, struct err *e)
{
	uint64_t chunk_bytes = 0;
	int r;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(rootfs))
		return err_set(e, EINVAL, "rootfs is not an object: " REBUILD);
	if ((r = format_get(rootfs, out, e)) < 0 ||
	    (r = number_get(rootfs, "size_bytes", 1, 1ULL << 44, &out->size_bytes, e)) < 0 ||
	    (r = number_get(rootfs, "unpacked_bytes", 1, 1ULL << 46, &out->unpacked_bytes, e)) <
		0 ||
	    (r = number_get(rootfs, "entries", 0, 1ULL << 32, &out->entries, e)) < 0 ||
	    (r = number_get(rootfs, "chunk_bytes", MANIFEST_CHUNK_BYTES_MIN,
		 MANIFEST_CHUNK_BYTES_MAX, &chunk_bytes, e)) < 0 ||
	    (r = digest_get(json_object_get(rootfs, "sha256"), "rootfs.sha256", &out->whole, e)) <
		0)
		return r;
	out->chunk_bytes = (uint32_t)chunk_bytes;
	return chunks_get(rootfs, out, e);
}

void manifest_clear(struct manifest *m)
{
	free(m->chunks);
	memset(m, 0, sizeof(*m));
}

bool manifest_is_disk(const struct manifest *m)
{
	return image_format_is_disk(m->format);
}

uint32_t manifest_chunk_length(const struct manifest *m, size_t i)
{
	uint64_t start = (uint64_t)i * m->chunk_bytes;
	uint64_t left = m->size_bytes - start;

	return left < m->chunk_bytes ? (uint32_t)left : m->chunk_bytes;
}
