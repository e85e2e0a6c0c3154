/* Any bytes as the files that say what is in a folder of images/, which people and other tools
 * bring from elsewhere; the first one chooses: a manifest ('m', 'w' with all that an installation
 * takes), or NetbootStudio's metadata.yaml ('y'). What is accepted names files beside it and no
 * others. */
#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "lib/definition/install_config.h"
#include "lib/image/boot_args.h"
#include "lib/image/studio.h"

static void check_file(const struct image_contents *c, bool whole)
{
	if (!c->file)
		return;
	PROMISE(install_token_valid(c->file) && !strchr(c->file, '/') && c->file[0] != '.');
	PROMISE(!whole || c->size_bytes > 0);
}

static void check_slices(const struct image_contents *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->chunk_count; i++)
		sum += image_chunk_length(c, i);
	PROMISE(!c->chunk_count || sum == c->size_bytes);
}

static void check_boot(const struct image_boot *b, bool whole)
{
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	size_t count = image_boot_files(b, files);

	PROMISE(count > 0 && count <= IMAGE_BOOT_FILES_MAX);
	for (size_t i = 0; i < count; i++)
		check_file(files[i], whole);
	PROMISE(!b->args || boot_args_check(b->args, NULL) == 0);
	PROMISE(!b->unattended_args || boot_args_check(b->unattended_args, NULL) == 0);
}

/* Written again, it says the same. */
static void check_written(const struct image_manifest *m, bool whole)
{
	struct image_manifest again;
	struct image_where where;
	json_t *json = image_manifest_json(m);
	PROMISE(json);
	_cleanup_free_ char *text = json_dumps(json, JSON_COMPACT);

	PROMISE(text && image_manifest_parse(text, strlen(text), "debian-13", VM_ARCH_AMD64, whole,
			    &again, &where, NULL) == 0);
	json_t *json_again = image_manifest_json(&again);
	PROMISE(json_equal(json, json_again));
	json_decref(json);
	json_decref(json_again);
	image_manifest_clear(&again);
}

static void try_manifest(const char *text, size_t len, bool whole)
{
	_cleanup_image_manifest_ struct image_manifest m;
	struct image_misuse misuse;
	struct image_where where;
	struct err e = ERR_INIT;

	if (image_manifest_parse(text, len, "debian-13", VM_ARCH_AMD64, whole, &m, &where, &e) <
	    0) {
		PROMISE(e.msg[0] && where.line >= 0 && where.column >= 0);
		return;
	}
	if (m.boots) {
		check_boot(&m.boot, whole);
	} else {
		check_file(&m.rootfs, whole);
		check_file(&m.kernel, whole);
		check_file(&m.modules, whole);
		check_slices(&m.rootfs);
		PROMISE(!whole || (m.kernel_version && m.rootfs.format && m.rootfs.chunk_bytes));
	}
	for (int use = IMAGE_INSTALLED; use <= IMAGE_FIRMWARE; use++)
		PROMISE(image_suits(&m, (enum image_use)use, &misuse) || misuse.advice[0]);
	check_written(&m, whole);
}

static void try_studio(const char *text)
{
	struct err e = ERR_INIT;
	struct studio s;

	if (studio_parse(text, &s, &e) < 0) {
		PROMISE(e.msg[0]);
		return;
	}
	PROMISE(install_token_valid(s.script));
	PROMISE(!s.unattended[0] || install_token_valid(s.unattended));
	promise_clean(s.created, sizeof(s.created));
	promise_clean(s.description, sizeof(s.description));
	json_t *description = json_string(s.description);
	PROMISE(description);
	json_decref(description);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return -1;
	_cleanup_free_ char *text = promise_string(data + 1, size - 1);
	switch (data[0]) {
	case 'm':
	case 'w':
		try_manifest(text, size - 1, data[0] == 'w');
		return 0;
	case 'y':
		try_studio(text);
		return 0;
	default:
		return -1;
	}
}
