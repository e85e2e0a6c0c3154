#include "vmlab/lab_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "vmlab/lab_name.h"
#include "vmlab/lab_volume.h"

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

static bool is_gone(const char *folder)
{
	struct stat st;

	return stat(folder, &st) < 0 && errno == ENOENT;
}

/* 1 when `name` is another folder's, by its containers or by the state it left; else 0. A folder
 * that is not there any more was moved or given up: who has its name now, has its lab. */
static int is_taken(const struct engine *en, const char *name, const char *vms_dir, struct err *e)
{
	_cleanup_container_list_ struct container_list list = CONTAINER_LIST_INIT;
	_cleanup_free_ char *volume = NULL, *owner = NULL;

	int r = engine_containers(en, "vmlab.lab", name, &list, e);
	if (r < 0 || list.count > 0)
		return r < 0 ? r : 1;
	r = lab_volume_name(&(struct lab){.name = (char *)name}, en, "state", NULL, &volume, e);
	if (r == 0)
		r = engine_volume_label(en, volume, "vmlab.vms", &owner, e);
	if (r < 0)
		return r;
	return owner && strcmp(owner, vms_dir) != 0 && !is_gone(owner);
}

static int settle_name(struct lab *lab, const struct engine *en, struct err *e)
{
	_cleanup_container_list_ struct container_list mine = CONTAINER_LIST_INIT;
	_cleanup_free_ char *folder = lab_vms_path(lab);
	char name[LAB_NAME_SIZE];

	if (!folder)
		return err_set(e, ENOMEM, "out of memory");
	int r = engine_containers(en, "vmlab.vms", folder, &mine, e);
	if (r < 0)
		return r;
	const char *found = only_name(&mine);
	if (found && *found)
		return lab_rename(lab, found, e);
	for (int with_hash = 0; with_hash < 2; with_hash++) {
		lab_name_make(folder, with_hash, name);
		if (has_name(&mine, name))
			return lab_rename(lab, name, e);
	}
	if (found)
		return several(&mine, folder, e);
	lab_name_make(folder, false, name);
	r = is_taken(en, name, folder, e);
	if (r == 1)
		lab_name_make(folder, true, name);
	return r < 0 ? r : lab_rename(lab, name, e);
}

int lab_find(
    struct lab *lab, const struct engine *en, struct container_list *containers, struct err *e)
{
	int r = lab->name_given ? 0 : settle_name(lab, en, e);

	if (r == 0)
		r = engine_containers(en, "vmlab.lab", lab->name, containers, e);
	return r < 0 ? r : lab_adopt(lab, containers, e);
}

int lab_make_volume(
    const struct lab *lab, const struct engine *en, const char *volume, struct err *e)
{
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
	argv_add(&a, volume);
	return engine_run(en, &a, VOLUME_TIMEOUT_MS, NULL, e);
}

bool lab_older_one_left(const struct lab *lab, const struct engine *en,
    const struct container_list *containers)
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
