#include "lib/image/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/words.h"
#include "lib/definition/install_config.h"
#include "lib/image/manifest_parts.h"

#define NESTING_MAX 8
#define STORED_MAX (1ULL << 44)
#define UNPACKED_MAX (1ULL << 46)
#define ENTRIES_MAX (1ULL << 32)

static const struct {
	const char *word, *file;
} formats[] = {
    {"tar.zst", "rootfs.tar.zst"},
    {"tar.gz", "rootfs.tar.gz"},
    {"tar.xz", "rootfs.tar.xz"},
    {"tar", "rootfs.tar"},
    {"raw.zst", "disk.raw.zst"},
    {"raw.gz", "disk.raw.gz"},
    {"raw.xz", "disk.raw.xz"},
};

const char *image_format_word(size_t i)
{
	return i < sizeof(formats) / sizeof(*formats) ? formats[i].word : NULL;
}

const char *image_format_file(const char *format)
{
	int i = word_index(image_format_word, format);

	return i < 0 ? NULL : formats[i].file;
}

bool image_format_is_disk(const char *format)
{
	return format && strncmp(format, "raw.", 4) == 0;
}

bool image_provides(const struct image_manifest *m, const char *word)
{
	const json_t *one;
	size_t i;

	json_array_foreach(m->provides, i, one)
		if (strcmp(json_string_value(one), word) == 0)
			return true;
	return false;
}

uint32_t image_sector_bytes(const struct image_contents *rootfs)
{
	return rootfs->sector_bytes ? rootfs->sector_bytes : IMAGE_SECTOR_BYTES;
}

uint32_t image_chunk_length(const struct image_contents *rootfs, size_t i)
{
	uint64_t left = rootfs->size_bytes - (uint64_t)i * rootfs->chunk_bytes;

	return left < rootfs->chunk_bytes ? (uint32_t)left : rootfs->chunk_bytes;
}

void image_contents_clear(struct image_contents *c)
{
	free(c->chunks);
	*c = (struct image_contents){0};
}

void image_manifest_clear(struct image_manifest *m)
{
	image_contents_clear(&m->rootfs);
	image_contents_clear(&m->kernel);
	image_contents_clear(&m->modules);
	json_decref(m->doc);
	*m = (struct image_manifest){0};
}

/* ---- reading ----------------------------------------------------------------------------------*/

json_t *manifest_enter(struct json_reader *r, const json_t *object, const char *key, bool needed)
{
	json_t *value = json_object_get(object, key);

	json_enter(r, key);
	if (!json_absent(value))
		return value;
	if (needed)
		(void)json_refuse(r, "is missing");
	return NULL;
}

bool manifest_is_object(struct json_reader *r, const json_t *value)
{
	if (!json_is_object(value))
		(void)json_refuse(r, "must be an object");
	return json_is_object(value);
}

static void read_number(struct json_reader *r, const json_t *object, const char *key, bool needed,
    uint64_t min, uint64_t max, uint64_t *out)
{
	const json_t *value = manifest_enter(r, object, key, needed);
	int64_t n;

	if (value && json_want_integer(r, value, (int64_t)min, (int64_t)max, &n) == 0)
		*out = (uint64_t)n;
	json_leave(r);
}

static void read_text(
    struct json_reader *r, const json_t *object, const char *key, const char **out)
{
	json_t *value = manifest_enter(r, object, key, false);

	if (value && json_read_text(r, value) == 0)
		*out = json_string_value(value);
	json_leave(r);
}

void manifest_read_name(struct json_reader *r, const json_t *object, const char *key, bool needed,
    const char *wanted, const char **out)
{
	json_t *value = manifest_enter(r, object, key, needed);
	const char *text;

	if (value && json_want_line(r, value, &text) == 0) {
		if (wanted && strcmp(text, wanted) != 0)
			(void)json_refuse(r, "has to be \"%s\"", wanted);
		else if (!install_token_valid(text))
			(void)json_refuse(r, "\"%.40s\" is no name", text);
		else
			*out = text;
	}
	json_leave(r);
}

static void read_words(struct json_reader *r, const json_t *object, const char *key, json_t **out)
{
	json_t *list = manifest_enter(r, object, key, false);

	if (list && json_each(r, list, json_read_line) == 0)
		*out = list;
	json_leave(r);
}

static void want_digest(struct json_reader *r, const json_t *value, struct digest *out)
{
	const char *text = json_string_value(value);

	/* In lower case, as sha256sum prints it. */
	if (!text || strspn(text, "0123456789abcdef") != 2 * DIGEST_BYTES ||
	    !hex_decode(text, out->byte, DIGEST_BYTES))
		(void)json_refuse(r, "is not a SHA-256 of 64 hexadecimal digits");
	else if (bytes_are_zero(out->byte, DIGEST_BYTES))
		(void)json_refuse(r, "is nothing but zeros, which no file's SHA-256 is");
}

void manifest_read_stored(
    struct json_reader *r, const json_t *object, bool whole, struct image_contents *out)
{
	read_number(r, object, "size_bytes", whole, 1, STORED_MAX, &out->size_bytes);
	const json_t *sum = manifest_enter(r, object, "sha256", whole);
	if (sum)
		want_digest(r, sum, &out->sha256);
	json_leave(r);
}

static void read_format(struct json_reader *r, const json_t *object, struct image_contents *out)
{
	const json_t *value = manifest_enter(r, object, "format", false);
	unsigned i = 0;

	if (!value || json_want_word(r, value, image_format_word, &i) == 0)
		out->format = formats[i].word;
	json_leave(r);
}

static void want_chunks(struct json_reader *r, const json_t *list, struct image_contents *out)
{
	uint64_t wanted = (out->size_bytes + out->chunk_bytes - 1) / out->chunk_bytes;
	const json_t *one;
	size_t i;

	if (json_array_size(list) != wanted) {
		(void)json_refuse(r, "has %zu entries where %llu bytes in slices of %u make %llu",
		    json_array_size(list), (unsigned long long)out->size_bytes, out->chunk_bytes,
		    (unsigned long long)wanted);
		return;
	}
	out->chunks = calloc(wanted, sizeof(*out->chunks));
	if (!out->chunks) {
		err_set(&r->why, ENOMEM, "out of memory");
		(void)json_refuse_why(r);
		return;
	}
	out->chunk_count = wanted;
	json_array_foreach(list, i, one) {
		json_enter_at(r, i);
		want_digest(r, one, &out->chunks[i]);
		json_leave(r);
	}
}

int image_rootfs_read(
    struct json_reader *r, const json_t *value, bool whole, struct image_contents *out)
{
	unsigned before = r->refusals;
	uint64_t chunk_bytes = 0, sector_bytes = 0;

	if (!manifest_is_object(r, value))
		return -EINVAL;
	read_format(r, value, out);
	manifest_read_stored(r, value, whole, out);
	read_number(r, value, "unpacked_bytes", whole, 1, UNPACKED_MAX, &out->unpacked_bytes);
	read_number(r, value, "entries", whole, 0, ENTRIES_MAX, &out->entries);
	read_number(r, value, "sector_bytes", false, IMAGE_SECTOR_BYTES, IMAGE_SECTOR_BYTES_MAX,
	    &sector_bytes);
	out->sector_bytes = (uint32_t)sector_bytes;
	read_number(r, value, "chunk_bytes", whole, IMAGE_CHUNK_BYTES_MIN, IMAGE_CHUNK_BYTES_MAX,
	    &chunk_bytes);
	out->chunk_bytes = (uint32_t)chunk_bytes;
	/* Of what could not be verified before it is written nothing is installed. */
	const json_t *list = manifest_enter(r, value, "chunks", whole);
	if (list && !json_is_array(list))
		(void)json_refuse(r, "must be a list");
	else if (list && out->size_bytes && out->chunk_bytes)
		want_chunks(r, list, out);
	json_leave(r);
	return r->refusals > before ? -EINVAL : 0;
}

static void read_file(struct json_reader *r, const json_t *doc, const char *key, const char *name,
    bool whole, struct image_contents *out)
{
	const json_t *value = manifest_enter(r, doc, key, whole);

	if (value && manifest_is_object(r, value)) {
		manifest_read_name(r, value, "file", whole, name, &out->file);
		if (name)
			manifest_read_stored(r, value, whole, out);
		else
			(void)image_rootfs_read(r, value, whole, out);
	}
	json_leave(r);
}

static void read_all(struct json_reader *r, const json_t *doc, const char *distro, const char *arch,
    bool whole, struct image_manifest *m)
{
	const json_t *format = manifest_enter(r, doc, "format", whole);
	if (format && json_integer_value(format) != 1)
		(void)json_refuse(r, "has to be 1");
	json_leave(r);
	manifest_read_name(r, doc, "distro", whole, distro, &m->distro);
	manifest_read_name(r, doc, "arch", whole, arch, &m->arch);
	read_text(r, doc, "created", &m->created);
	read_text(r, doc, "os_name", &m->os_name);
	const json_t *kind = manifest_enter(r, doc, "kind", false);
	m->boots = kind != NULL;
	if (kind &&
	    strcmp(json_is_string(kind) ? json_string_value(kind) : "", IMAGE_KIND_WORD_BOOT) != 0)
		(void)json_refuse(r, "has to be \"" IMAGE_KIND_WORD_BOOT "\", or left out");
	json_leave(r);
	if (m->boots) {
		manifest_read_boot(r, doc, whole, &m->boot);
		return;
	}
	manifest_read_name(r, doc, "kernel_from", false, NULL, &m->kernel_from);
	manifest_read_name(r, doc, "kernel_version", whole, NULL, &m->kernel_version);
	read_file(r, doc, "rootfs", NULL, whole, &m->rootfs);
	read_file(r, doc, "kernel", IMAGE_KERNEL_FILE, whole, &m->kernel);
	read_file(r, doc, "modules", IMAGE_MODULES_FILE, whole, &m->modules);
	read_words(r, doc, "provides", &m->provides);
	read_words(r, doc, "network_renderers", &m->network_renderers);
	json_t *adopted = manifest_enter(r, doc, "adopted", false);
	if (adopted && manifest_is_object(r, adopted))
		m->adopted = adopted;
	json_leave(r);
}

/* The place of what is wrong, or of what lacks it. */
static size_t place_of(const char *text, size_t len, struct json_path *bad)
{
	size_t at = 0;

	while (!json_text_find(text, len, bad, false, &at) && bad->depth > 0)
		bad->depth--;
	return at;
}

int image_manifest_parse(const char *text, size_t len, const char *distro, enum vm_arch arch,
    bool whole, struct image_manifest *out, struct image_where *where, struct err *e)
{
	struct err why = ERR_INIT;
	struct json_path bad;
	struct json_first_refusal first = {.bad = &bad, .e = &why};
	struct json_reader r = json_reader_first(&first);
	char path[120];
	size_t at = 0;

	*out = (struct image_manifest){0};
	*where = (struct image_where){0, 0};
	out->doc = json_text_parse(text, len, NESTING_MAX, &at, &why);
	if (out->doc) {
		read_all(&r, out->doc, distro, vm_arch_name(arch), whole, out);
		if (!r.refusals)
			return 0;
		err_wrap(&why, "%s", json_path_format(&bad, path, sizeof(path)));
		at = place_of(text, len, &bad);
	}
	json_text_position(text, at, &where->line, &where->column);
	return err_set(e, why.code, "%s", why.msg);
}

/* ---- writing ----------------------------------------------------------------------------------*/

static json_t *number(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : NULL;
}

static json_t *digest_json(const struct digest *d)
{
	char text[2 * DIGEST_BYTES + 1];

	return json_string(hex_encode(d->byte, DIGEST_BYTES, text));
}

static json_t *chunks_json(const struct image_contents *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->chunk_count; i++)
		if (json_array_append_new(list, digest_json(&c->chunks[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

bool manifest_put_file(json_t *doc, const char *key, const struct image_contents *c)
{
	bool summed = !bytes_are_zero(c->sha256.byte, DIGEST_BYTES);
	json_t *object = json_pack("{ss* ss* so* so* so* so* so* so*}", "file", c->file, "format",
	    c->format, "size_bytes", number(c->size_bytes), "sha256",
	    summed ? digest_json(&c->sha256) : NULL, "unpacked_bytes", number(c->unpacked_bytes),
	    "entries", c->unpacked_bytes ? json_integer((json_int_t)c->entries) : NULL,
	    "sector_bytes", number(c->sector_bytes == IMAGE_SECTOR_BYTES ? 0 : c->sector_bytes),
	    "chunk_bytes", number(c->chunk_bytes));
	bool made = object && (!c->chunk_bytes || !c->chunk_count ||
				  json_object_set_new(object, "chunks", chunks_json(c)) == 0);

	if (!made || json_object_size(object) == 0) {
		json_decref(object);
		return made;
	}
	return json_object_set_new(doc, key, object) == 0;
}

json_t *image_manifest_json(const struct image_manifest *m)
{
	json_t *doc = json_pack("{si ss* ss* ss* ss* ss* ss* ss*}", "format", 1, "kind",
	    m->boots ? IMAGE_KIND_WORD_BOOT : NULL, "distro", m->distro, "arch", m->arch, "created",
	    m->created, "os_name", m->os_name, "kernel_from", m->kernel_from, "kernel_version",
	    m->kernel_version);

	if (doc && m->boots && manifest_put_boot(doc, &m->boot))
		return doc;
	if (doc && !m->boots && manifest_put_file(doc, "rootfs", &m->rootfs) &&
	    manifest_put_file(doc, "kernel", &m->kernel) &&
	    manifest_put_file(doc, "modules", &m->modules) &&
	    (!m->provides || json_object_set(doc, "provides", m->provides) == 0) &&
	    (!m->network_renderers ||
		json_object_set(doc, "network_renderers", m->network_renderers) == 0) &&
	    (!m->adopted || json_object_set(doc, "adopted", m->adopted) == 0))
		return doc;
	json_decref(doc);
	return NULL;
}
