#include "vmlab/lab/lab_settings.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vmlab/lab/lab_folder.h"

#define FILE_MAX_BYTES 16384

static char *path_of(const struct lab *lab)
{
	char *path;

	return lab->dir && asprintf(&path, "%s/settings", lab->dir) >= 0 ? path : NULL;
}

/* Cuts the text into its lines. */
static void read_lines(char *text, struct lab_values *v, const char **vms, const char **folder)
{
	const struct {
		const char *key;
		const char **value;
	} keys[] = {{"cidr=", &v->cidr}, {"domain=", &v->domain}, {"reach=", &v->reach},
	    {"strangers=", &v->strangers}, {"images=", &v->images}, {"vms=", vms},
	    {"folder=", folder}};
	char *line;

	while ((line = strsep(&text, "\n")))
		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
			if (strncmp(line, keys[i].key, strlen(keys[i].key)) == 0)
				*keys[i].value = line + strlen(keys[i].key);
}

/* A lab named on the command line is meant whatever its folder; a folder that is gone was moved. */
static bool is_of(const struct lab *lab, const char *vms, const char *folder)
{
	char id[LAB_FOLDER_ID_SIZE] = "";
	_cleanup_free_ char *mine = lab_vms_path(lab);
	struct stat st;

	if (lab->name_given || !vms || !mine)
		return true;
	lab_folder_id(mine, id);
	if (folder && *id)
		return strcmp(folder, id) == 0;
	return strcmp(vms, mine) == 0 || (stat(vms, &st) < 0 && errno == ENOENT);
}

int lab_settings_load(struct lab *lab, struct err *e)
{
	_cleanup_free_ char *path = path_of(lab), *text = NULL;
	struct lab_values v = {NULL};
	struct err why = ERR_INIT;
	const char *vms = NULL, *folder = NULL;
	struct stat st;
	size_t len;

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	/* Another user's lab is said to be so by whoever changes it. */
	if (file_read(path, FILE_MAX_BYTES, &text, &len, &why) < 0)
		return why.code == ENOMEM ? err_set(e, ENOMEM, "out of memory") : 0;
	read_lines(text, &v, &vms, &folder);
	if (!is_of(lab, vms, folder))
		return 0;
	if (v.images && (stat(v.images, &st) < 0 || !S_ISDIR(st.st_mode)))
		v.images = NULL;
	return lab_take(lab, &v, e) < 0
		   ? err_wrap(e,
			 "%s, which keeps the lab's settings (remove it to have the default ones)",
			 path)
		   : 0;
}

static void print_line(FILE *f, const char *key, const char *value, const char *without)
{
	if (value && !strchr(value, '\n') && (!without || strcmp(value, without) != 0))
		fprintf(f, "%s=%s\n", key, value);
}

int lab_settings_keep(const struct lab *lab, struct err *e)
{
	_cleanup_free_ char *path = path_of(lab), *text = NULL, *images = lab_default_images(lab);
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	print_line(f, "cidr", lab->cidr_text, LAB_DEFAULT_CIDR);
	print_line(f, "domain", lab->domain, LAB_DEFAULT_DOMAIN);
	print_line(f, "reach", lab->reach, "");
	print_line(f, "strangers", lab->strangers, "");
	print_line(f, "images", lab->images_dir, images);
	if (ftell(f) > 0) {
		print_line(f, "vms", lab->vms_dir, NULL);
		print_line(f, "folder", lab->folder_id, "");
	}
	if (fclose(f) != 0 || !path)
		return err_set(e, ENOMEM, "out of memory");
	if (len == 0) {
		lab_settings_forget(lab);
		return 0;
	}
	int r = atomic_file_replace(path, text, len, 0600, e);
	return r < 0 ? err_wrap(e, "cannot keep the lab's settings") : 0;
}

void lab_settings_forget(const struct lab *lab)
{
	_cleanup_free_ char *path = path_of(lab);

	if (path)
		unlink(path);
}

void lab_settings_describe(const struct lab *lab, char *buf, size_t size)
{
	const struct {
		const char *is, *value, *usual;
	} words[] = {{"domain", lab->domain, LAB_DEFAULT_DOMAIN},
	    {"machines reach", lab->reach, ""}, {"strangers get", lab->strangers, ""}};
	size_t used = 0;

	*buf = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && used < size; i++)
		if (strcmp(words[i].value, words[i].usual) != 0)
			used += (size_t)snprintf(buf + used, size - used, "%s%s %s",
			    used ? ", " : "", words[i].is, words[i].value);
}
