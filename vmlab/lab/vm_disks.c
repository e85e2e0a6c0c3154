#include "vmlab/lab/vm_disks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "vmlab/lab/container.h"
#include "lib/base/human.h"
#include "vmlab/lab/lab_volume.h"

#define LOOK_TIMEOUT_MS 60000
#define LOOK_AT_ONCE 50

int vm_disks_parse(const char *text, struct vm_disks *d)
{
	struct vm_disks fresh = {0};
	uint64_t bytes;
	unsigned n;
	int len;

	for (; *text; text += len) {
		if (sscanf(text, "%u %" SCNu64 "\n%n", &n, &bytes, &len) != 2 || n >= VM_DISKS_MAX)
			return -EINVAL;
		fresh.bytes[n] = bytes;
	}
	*d = fresh;
	return 0;
}

static void look_args(struct argv *a)
{
	argv_adds(a, "run", "--rm", "--network=none", "--cap-drop=ALL", "--read-only",
	    "--security-opt=no-new-privileges", "--user=65534", "--log-driver=none");
	argv_add(a, "--entrypoint=/usr/lib/vmlab/disks.sh");
}

void vm_disks_look(
    const struct engine *en, const struct lab *lab, const char *vm, struct vm_disks *d)
{
	_cleanup_free_ char *volume = NULL, *out = NULL;
	_cleanup_argv_ struct argv a = ARGV_INIT;
	struct err ignored = ERR_INIT;

	*d = (struct vm_disks){0};
	if (lab_volume_name(lab, en, "disk", vm, &volume, &ignored) < 0 ||
	    engine_volume_find(en, volume, &ignored) != 0)
		return;
	look_args(&a);
	argv_addf(&a, "--mount=type=volume,src=%s,dst=/disks,readonly", volume);
	argv_add(&a, lab->vm_image);
	if (engine_run(en, &a, LOOK_TIMEOUT_MS, &out, &ignored) < 0 || vm_disks_parse(out, d) < 0)
		*d = (struct vm_disks){0};
}

void vm_disks_take_line(const char *line, const char *const *vms, size_t count, struct vm_disks *d)
{
	char name[VM_LABEL_SIZE + 1];
	uint64_t bytes;
	unsigned n;

	if (sscanf(line, "%64s %u %" SCNu64, name, &n, &bytes) != 3 || n >= VM_DISKS_MAX)
		return;
	for (size_t i = 0; i < count; i++)
		if (strcmp(vms[i], name) == 0)
			d[i].bytes[n] = bytes;
}

void vm_disks_kept(const struct engine *en, const struct lab *lab, const char *const *vms,
    size_t count, bool *kept)
{
	_cleanup_free_ char *volumes = NULL;
	struct err ignored = ERR_INIT;

	memset(kept, 0, count * sizeof(*kept));
	if (count == 0 || engine_volumes(en, NULL, NULL, &volumes, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *volume = NULL;
		kept[i] = lab_volume_name(lab, en, "disk", vms[i], &volume, &ignored) == 0 &&
			  engine_list_has(volumes, volume);
	}
}

/* Only volumes that are there: the engine would make the others. */
static bool add_mounts(const struct engine *en, const struct lab *lab, const char *volumes,
    const char *const *vms, size_t count, struct argv *a)
{
	struct err ignored = ERR_INIT;
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *volume = NULL;
		if (lab_volume_name(lab, en, "disk", vms[i], &volume, &ignored) < 0 ||
		    !engine_list_has(volumes, volume))
			continue;
		argv_addf(a, "--mount=type=volume,src=%s,dst=/disks/%s,readonly", volume, vms[i]);
		any = true;
	}
	return any;
}

void vm_disks_look_all(const struct engine *en, const struct lab *lab, const char *const *vms,
    size_t count, struct vm_disks *d)
{
	_cleanup_free_ char *volumes = NULL;
	struct err ignored = ERR_INIT;

	memset(d, 0, count * sizeof(*d));
	if (count == 0 || engine_volumes(en, NULL, NULL, &volumes, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i += LOOK_AT_ONCE) {
		size_t n = count - i < LOOK_AT_ONCE ? count - i : LOOK_AT_ONCE;
		_cleanup_argv_ struct argv a = ARGV_INIT;
		_cleanup_free_ char *out = NULL;

		look_args(&a);
		if (!add_mounts(en, lab, volumes, vms + i, n, &a))
			continue;
		argv_adds(&a, lab->vm_image, "all");
		if (engine_run(en, &a, LOOK_TIMEOUT_MS, &out, &ignored) < 0)
			continue;
		char *rest = out, *line;
		while ((line = strsep(&rest, "\n")))
			vm_disks_take_line(line, vms + i, n, d + i);
	}
}

uint64_t vm_disks_after_start(const struct vm_disks *d, const struct vm *vm, unsigned i)
{
	return d->bytes[i] > vm->disk_bytes[i] ? d->bytes[i] : vm->disk_bytes[i];
}

void vm_disks_tell(FILE *f, const struct vm_disks *d, const struct vm *vm)
{
	char have[SIZE_TEXT_SIZE], wanted[SIZE_TEXT_SIZE];
	bool grows = false;

	for (unsigned i = 0; i < VM_DISKS_MAX; i++) {
		if (d->bytes[i] == 0)
			continue;
		size_text_short(d->bytes[i], have);
		if (i >= vm->disk_count) {
			fprintf(f,
			    "%s: disk %u (%s) is in the definition no more: it is kept, and not attached\n",
			    vm->name, i, have);
			continue;
		}
		size_text_short(vm->disk_bytes[i], wanted);
		if (d->bytes[i] < vm->disk_bytes[i])
			fprintf(f, "%s: disk %u grows from %s to %s\n", vm->name, i, have, wanted);
		else if (d->bytes[i] > vm->disk_bytes[i])
			fprintf(f,
			    "%s: disk %u stays at %s: what is on it would be cut off at %s; `vmlab rm %s && vmlab up %s` installs it anew on a smaller one\n",
			    vm->name, i, have, wanted, vm->name, vm->name);
		grows |= i == 0 && d->bytes[i] < vm->disk_bytes[i];
	}
	if (grows)
		fprintf(f,
		    "%s: its system takes the new room as it boots where it has growpart, as the images built here have; else grow partition and file system by hand\n",
		    vm->name);
}
