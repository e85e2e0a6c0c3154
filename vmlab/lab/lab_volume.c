#include "vmlab/lab/lab_volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "vmlab/lab/container.h"
#include "vmlab/lab/lab_name.h"

typedef int label_reader(
    const struct engine *en, const char *name, const char *label, char **value, struct err *e);

static bool reads_on(const char *rest)
{
	return strcmp(rest, "-net") == 0 || strcmp(rest, "-stack") == 0 ||
	       strcmp(rest, "-state") == 0 ||
	       (strncmp(rest, "-vm-", 4) == 0 && vm_name_valid(rest + 4)) ||
	       (strncmp(rest, "-disk-", 6) == 0 && vm_name_valid(rest + 6));
}

bool lab_name_has_two_readings(const char *name, const char *lab)
{
	char prefix[LAB_NAME_SIZE];

	for (size_t len = 1; len < sizeof(prefix) && name[len]; len++) {
		if (len == strlen(lab) || name[len] != '-')
			continue;
		memcpy(prefix, name, len);
		prefix[len] = '\0';
		if (lab_name_valid(prefix) && reads_on(name + len))
			return true;
	}
	return false;
}

/* 0 when it is this lab's or nobody's, ENGINE_ABSENT, or -EEXIST. */
static int is_ours(const struct lab *lab, const struct engine *en, label_reader *read,
    const char *name, struct err *e)
{
	_cleanup_free_ char *owner = NULL;

	int r = read(en, name, "vmlab.lab", &owner, e);
	if (r != 0 || !owner || strcmp(owner, lab->name) == 0)
		return r;
	return err_set(e, EEXIST, "%s is what lab \"%s\" calls something of its own", name, owner);
}

static int settle(const struct lab *lab, const struct engine *en, label_reader *read,
    const char *role, const char *vm, char **name, struct err *e)
{
	_cleanup_free_ char *usual = container_name(lab, role, vm), *second = NULL;

	if (!usual ||
	    asprintf(&second, "%s_%s%s%s", lab->name, role, vm ? "_" : "", vm ? vm : "") < 0)
		return err_set(e, ENOMEM, "out of memory");
	*name = NULL;
	if (!lab_name_has_two_readings(usual, lab->name)) {
		*name = steal_ptr(usual);
		return 0;
	}
	int had = is_ours(lab, en, read, second, e);
	int r = had == ENGINE_ABSENT || had == -EEXIST ? is_ours(lab, en, read, usual, e) : had;
	if (r == -EEXIST && had == -EEXIST)
		return err_wrap(e, "%s and %s are taken by other labs: rename the VM or the lab",
		    usual, second);
	if (r < 0 && r != -EEXIST)
		return r;
	*name = had == 0 || r == -EEXIST ? steal_ptr(second) : steal_ptr(usual);
	return 0;
}

int lab_container_name(const struct lab *lab, const struct engine *en, const char *role,
    const char *vm, char **name, struct err *e)
{
	return settle(lab, en, engine_container_label, role, vm, name, e);
}

int lab_volume_name(const struct lab *lab, const struct engine *en, const char *role,
    const char *vm, char **name, struct err *e)
{
	return settle(lab, en, engine_volume_label, role, vm, name, e);
}
