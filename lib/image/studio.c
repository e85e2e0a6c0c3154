#include "lib/image/studio.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/text.h"
#include "lib/definition/install_config.h"
#include "lib/definition/yaml_glance.h"

#define FILE_MAX_BYTES (64U << 10)
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* editors on Windows begin files with it */

/* ---- what it says ------------------------------------------------------------------------ */

/* The scalar of a top-level key on its own line: plain, or in quotes without escapes, which is all
 * that NetbootStudio writes. 0, 1 when there is no such key, or -EINVAL. */
static int scalar(
    const struct yaml_glance *glance, const char *name, char *out, size_t size, struct err *e)
{
	const struct yaml_key *key = yaml_glance_key(glance, name);

	out[0] = '\0';
	if (!key)
		return 1;
	const char *p = key->value, *end = p + key->value_len;
	while (p < end && *p != ':') /* behind a key in quotes */
		p++;
	p += p < end;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	const char *line = memchr(p, '\n', (size_t)(end - p));
	end = line ? line : end;
	if (p < end && (*p == '"' || *p == '\'')) {
		const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));
		if (!close || memchr(p, '\\', (size_t)(close - p)))
			return err_set(e, EINVAL, "\"%s\" is no text in quotes on one line", name);
		p++;
		end = close;
	} else {
		for (const char *c = p; c < end; c++)
			if (*c == '#' && (c == p || c[-1] == ' '))
				end = c;
		while (end > p && (end[-1] == ' ' || end[-1] == '\r' || end[-1] == '\t'))
			end--;
		if (p < end && strchr("|>&*!%@`{[", *p))
			return err_set(e, EINVAL, "\"%s\" is no plain text on its own line", name);
	}
	size_t len = (size_t)(end - p);
	if (len >= size)
		return err_set(e, EINVAL, "\"%s\" is longer than %zu bytes", name, size - 1);
	memcpy(out, p, len);
	out[len] = '\0';
	return 0;
}

/* Only shown: what is no such scalar, as what Python's yaml escapes or folds, is as good as absent.
 */
static void remark(const struct yaml_glance *glance, const char *name, char *out, size_t size)
{
	if (scalar(glance, name, out, size, NULL) < 0)
		out[0] = '\0';
	text_clean_string(out, "");
}

static int file_name(
    const struct yaml_glance *glance, const char *key, char *out, size_t size, struct err *e)
{
	int r = scalar(glance, key, out, size, e);

	if (r == 1)
		return err_set(e, EINVAL, "has no \"%s\", the script that is booted: add it", key);
	if (r == 0 && !install_token_valid(out))
		return err_set(e, EINVAL,
		    "\"%s\" is \"%.40s\", which is no name of a file beside it: no slash, no space",
		    key, out);
	return r;
}

int studio_parse(const char *text, struct studio *out, struct err *e)
{
	struct yaml_glance glance;
	char flag[16], arch[16];

	*out = (struct studio){.arch = VM_ARCH_NOT_SAID};
	yaml_glance(text + (strncmp(text, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0), &glance);
	if (glance.kind != YAML_MAPPING)
		return err_set(e, EINVAL, "is not a list of keys and values (%s)",
		    glance.why ? glance.why : "no \"key: value\" line");
	int r = file_name(&glance, "stage2_filename", out->script, sizeof(out->script), e);
	if (r < 0 || scalar(&glance, "supports_unattended", flag, sizeof(flag), e) < 0 ||
	    scalar(&glance, "arch", arch, sizeof(arch), e) < 0)
		return -EINVAL;
	remark(&glance, "created", out->created, sizeof(out->created));
	remark(&glance, "description", out->description, sizeof(out->description));
	/* YAML 1.1 has more words for it; its own tools write these. */
	if (!strcasecmp(flag, "true") || !strcasecmp(flag, "yes"))
		r = file_name(&glance, "stage2_unattended_filename", out->unattended,
		    sizeof(out->unattended), e);
	if (arch[0] && strcasecmp(arch, "none") != 0 && vm_arch_parse(arch, &out->arch) < 0)
		out->arch = VM_ARCH_OTHER;
	return r;
}

/* ---- the folder -------------------------------------------------------------------------- */

static uint64_t size_of(const char *images_dir, const char *name, const char *file)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/%s/%s", images_dir, name, file);

	return n > 0 && n < (int)sizeof(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode)
		   ? (uint64_t)st.st_size
		   : 0;
}

/* "created" as manifests have it: theirs is 2021-10-26_15:38:14. */
static void take_time(char *created)
{
	if (strlen(created) == 19 && created[10] == '_') {
		created[10] = 'T';
		memcpy(created + 19, "Z", 2);
	}
}

int studio_load(const char *images_dir, const char *name, enum vm_arch arch,
    struct image_manifest *out, struct stat *st, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct err why = ERR_INIT;
	struct studio s;
	char path[PATH_MAX];
	size_t len;

	*out = (struct image_manifest){0};
	int n = snprintf(path, sizeof(path), "%s/%s/" STUDIO_FILE, images_dir, name);
	if (n < 0 || n >= (int)sizeof(path) || stat(path, st) < 0)
		return -ENOENT;
	int rc = file_read(path, FILE_MAX_BYTES, &text, &len, e);
	if (rc == 0 && (rc = studio_parse(text, &s, &why)) < 0)
		return err_set(e, -rc, "%s %s", path, why.msg);
	if (rc < 0)
		return rc;
	if (s.arch != VM_ARCH_NOT_SAID && s.arch != arch)
		return -ENOENT;
	take_time(s.created);
	out->doc = json_pack("{s:s, s:s, s:s, s:s}", "script", s.script, "unattended", s.unattended,
	    "created", s.created, "description", s.description);
	if (!out->doc)
		return err_set(e, ENOMEM, "out of memory");
	out->boots = true;
	out->arch = vm_arch_name(arch);
	out->created = json_string_value(json_object_get(out->doc, "created"));
	out->os_name = json_string_value(json_object_get(out->doc, "description"));
	out->boot.script.file = json_string_value(json_object_get(out->doc, "script"));
	out->boot.script.size_bytes = size_of(images_dir, name, s.script);
	if (s.unattended[0]) {
		out->boot.unattended_script.file =
		    json_string_value(json_object_get(out->doc, "unattended"));
		out->boot.unattended_script.size_bytes = size_of(images_dir, name, s.unattended);
	}
	return 0;
}
