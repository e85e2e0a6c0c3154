#include "vmlab/lab/lab_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "vmlab/lab/lab_folder.h"
#include "vmlab/lab/lab_name.h"
#include "vmlab/lab/lab_volume.h"

#define OLDER_NAME "vmlab"
#define VOLUME_TIMEOUT_MS 30000

/* The one name the containers' labels give, NULL when there is none, "" when there are several. */
static const char *only_name(const struct container_list *list)
{
	const char *name = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const char *label = container_label(&list->items[i], "vmlab.lab");
		if (!label || !lab_name_valid(label))
			continue;
		if (name && strcmp(name, label) != 0)
			return "";
		name = label;
	}
	return name;
}

static bool has_name(const struct container_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *label = container_label(&list->items[i], "vmlab.lab");
		if (label && strcmp(label, name) == 0)
			return true;
	}
	return false;
}

static int several(const struct container_list *list, const char *folder, struct err *e)
{
	char names[300] = "";

	for (size_t i = 0; i < list->count; i++) {
		const char *label = container_label(&list->items[i], "vmlab.lab");
		size_t len = strlen(names);
		if (strcmp(list->items[i].role, "net") == 0 && label)
			snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", label);
	}
	return err_set(e, EINVAL,
	    "the definitions in %s belong to several labs (%s): say which with --lab NAME", folder,
	    names);
}

/* Whether the folder that a lab was made for is not at its path any more. */
static bool is_gone(const char *path, const char *owner)
{
	char id[LAB_FOLDER_ID_SIZE];
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT;
	lab_folder_id(path, id);
	return !lab_folder_is(owner, path, path, id);
}

/* A lab whose folder is gone: its user may look for it here. */
static int note_left(
    struct lab *lab, const char *name, const char *path, const char *owner, struct err *e)
{
	if (lab->left || !path || !is_gone(path, owner))
		return 0;
	lab->left = strdup(name);
	return lab->left ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* 1 when `name` is another folder's, by its containers or by the state it left; else 0. */
static int is_taken(struct lab *lab, const struct engine *en, const char *name, const char *folder,
    const char *id, struct err *e)
{
	_cleanup_container_list_ struct container_list list = CONTAINER_LIST_INIT;
	_cleanup_free_ char *volume = NULL, *owner = NULL, *path = NULL;

	int r = engine_containers(en, "vmlab.lab", name, &list, e);
	if (r == 0 && list.count > 0)
		r = note_left(lab, name, container_label(&list.items[0], "vmlab.vms"),
		    container_label(&list.items[0], "vmlab.folder"), e);
	if (r < 0 || list.count > 0)
		return r < 0 ? r : 1;
	r = lab_volume_name(&(struct lab){.name = (char *)name}, en, "state", NULL, &volume, e);
	if (r == 0)
		r = engine_volume_label(en, volume, "vmlab.vms", &path, e);
	if (r == 0)
		r = engine_volume_label(en, volume, "vmlab.folder", &owner, e);
	if (r < 0 || !path || lab_folder_is(owner, path, folder, id))
		return r < 0 ? r : 0;
	return note_left(lab, name, path, owner, e) < 0 ? -e->code : 1;
}

/* This folder's containers: those with its id, else those that an older version made with its path.
 */
static int list_mine(const struct engine *en, const char *folder, const char *id,
    struct container_list *mine, struct err *e)
{
	size_t kept = 0;

	int r = *id ? engine_containers(en, "vmlab.folder", id, mine, e) : 0;
	if (r == 0 && mine->count == 0)
		r = engine_containers(en, "vmlab.vms", folder, mine, e);
	for (size_t i = 0; r == 0 && i < mine->count; i++)
		if (lab_folder_is(
			container_label(&mine->items[i], "vmlab.folder"), folder, folder, id))
			mine->items[kept++] = mine->items[i];
	mine->count = r == 0 ? kept : 0;
	return r;
}

/* The name of the one lab that left volumes for the folder, or `usual` when that is among several;
 * NULL: none. */
static int name_by_volumes(
    const struct engine *en, const char *id, const char *usual, char **name, struct err *e)
{
	_cleanup_free_ char *volumes = NULL, *found = NULL;
	bool several = false, has_usual = false;

	*name = NULL;
	if (!*id)
		return 0;
	int r = engine_volumes(en, "vmlab.folder", id, &volumes, e);
	char *rest = volumes, *volume;
	while (r == 0 && (volume = strsep(&rest, "\n"))) {
		_cleanup_free_ char *lab = NULL;
		if (*volume && (r = engine_volume_label(en, volume, "vmlab.lab", &lab, e)) < 0)
			return r;
		r = 0; /* also when it is gone by now */
		if (!lab || !lab_name_valid(lab))
			continue;
		several |= found && strcmp(found, lab) != 0;
		has_usual |= strcmp(usual, lab) == 0;
		free(found);
		found = steal_ptr(lab);
	}
	if (r < 0 || !found || (several && !has_usual))
		return r;
	*name = several ? strdup(usual) : steal_ptr(found);
	return *name ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* The first of the names made of the folder that no other folder's lab has. */
static int free_name(struct lab *lab, const struct engine *en, const char *folder, const char *id,
    char name[LAB_NAME_SIZE], struct err *e)
{
	_cleanup_free_ char *more = NULL;

	if (asprintf(&more, "%s\n%s", folder, id) < 0)
		return err_set(e, ENOMEM, "out of memory");
	const char *const hashed[] = {NULL, folder, more};
	for (size_t i = 0; i < sizeof(hashed) / sizeof(*hashed); i++) {
		lab_name_make(folder, hashed[i], name);
		int r = is_taken(lab, en, name, folder, id, e);
		if (r <= 0)
			return r;
	}
	return 0;
}

static int settle_name(struct lab *lab, const struct engine *en, struct err *e)
{
	_cleanup_container_list_ struct container_list mine = CONTAINER_LIST_INIT;
	_cleanup_free_ char *folder = lab_vms_path(lab), *kept = NULL;
	char name[LAB_NAME_SIZE], id[LAB_FOLDER_ID_SIZE];

	if (!folder)
		return err_set(e, ENOMEM, "out of memory");
	lab_folder_id(folder, id);
	lab->found_by_folder = true;
	free(lab->left);
	lab->left = NULL;
	int r = list_mine(en, folder, id, &mine, e);
	if (r < 0)
		return r;
	const char *found = only_name(&mine);
	if (found && *found)
		return lab_rename(lab, found, e);
	for (int with_hash = 0; with_hash < 2; with_hash++) {
		lab_name_make(folder, with_hash ? folder : NULL, name);
		if (has_name(&mine, name))
			return lab_rename(lab, name, e);
	}
	if (found)
		return several(&mine, folder, e);
	lab_name_make(folder, NULL, name);
	r = name_by_volumes(en, id, name, &kept, e);
	if (r == 0 && kept)
		return lab_rename(lab, kept, e);
	if (r == 0)
		r = free_name(lab, en, folder, id, name, e);
	return r < 0 ? r : lab_rename(lab, name, e);
}

bool lab_left_sentence(const struct lab *lab, char *text, size_t size)
{
	if (!lab->left)
		return false;
	snprintf(text, size,
	    "lab \"%s\" belongs to a folder that was moved, removed or replaced: it is found from where that folder is now, and from everywhere with `vmlab --lab %s`",
	    lab->left, lab->left);
	return true;
}

int lab_find(
    struct lab *lab, const struct engine *en, struct container_list *containers, struct err *e)
{
	int r = lab->name_given ? 0 : settle_name(lab, en, e);

	if (r == 0)
		r = engine_containers(en, "vmlab.lab", lab->name, containers, e);
	return r < 0 ? r : lab_adopt(lab, containers, e);
}

int lab_make_volume(const struct lab *lab, const struct engine *en, const char *volume,
    const char *name, const struct vm *vm, struct err *e)
{
	char mac[MAC_TEXT_SIZE];

	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_free_ char *owner = NULL;

	int r = engine_volume_label(en, volume, "vmlab.lab", &owner, e);
	if (r == 0 && owner && strcmp(owner, lab->name) != 0)
		return err_set(e, EEXIST,
		    "the volume %s belongs to lab \"%s\": rename the VM or the lab", volume, owner);
	if (r != ENGINE_ABSENT)
		return r;
	argv_adds(&a, "volume", "create");
	argv_addf(&a, "--label=vmlab.lab=%s", lab->name);
	argv_addf(&a, "--label=vmlab.vms=%s", lab->vms_dir);
	if (lab->folder_id && *lab->folder_id)
		argv_addf(&a, "--label=vmlab.folder=%s", lab->folder_id);
	if (vm) {
		argv_addf(&a, "--label=" LAB_VOLUME_VM "=%s", name);
		argv_addf(&a, "--label=" LAB_VOLUME_MAC "=%s", mac_format(&vm->mac, mac));
	}
	argv_add(&a, volume);
	return engine_run(en, &a, VOLUME_TIMEOUT_MS, NULL, e);
}

bool lab_older_one_left(
    const struct lab *lab, const struct engine *en, const struct container_list *containers)
{
	_cleanup_free_ char *own = NULL, *owner = NULL;
	struct err ignored = ERR_INIT;

	if (lab->name_given || containers->count > 0 || strcmp(lab->name, OLDER_NAME) == 0 ||
	    lab_volume_name(lab, en, "state", NULL, &own, &ignored) < 0)
		return false;
	return engine_volume_find(en, own, &ignored) == ENGINE_ABSENT &&
	       engine_volume_label(en, OLDER_NAME "-state", "vmlab.vms", &owner, &ignored) == 0 &&
	       !owner;
}
