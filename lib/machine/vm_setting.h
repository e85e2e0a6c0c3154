/* vm_setting.h - the VM_* variables by which a VM's container is told what machine to be: vmlab
 * writes them, docker/vm reads them. Pure.
 *
 * A field of the definition reaches a VM by its row here: `vmlab up` hands it over, and
 * docker/vm/qemu.c asks for it by machine_setting().
 */
#ifndef LIB_MACHINE_VM_SETTING_H
#define LIB_MACHINE_VM_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_setting {
	const char *name;
	const char *field;   /* of the definition that it is made from; NULL: from none */
	uint64_t unit;       /* in which that field's bytes are counted; 0: it is no size */
	const char *builtin; /* what it is when it is not set */
	/* What it must be: one of these words, or all of it an extended regular expression in the C
	 * locale, in words for `give …`. */
	const char *(*word)(size_t i);
	const char *pattern, *give;
};

#define VM_SETTINGS_MAX 32
extern const struct vm_setting vm_settings[];
extern const size_t vm_setting_count;

/* NULL: there is none. */
const struct vm_setting *vm_setting_find(const char *name);

bool vm_setting_takes(const struct vm_setting *s, const char *value);

/* What to give: "virtio, scsi, sata or nvme", "a number of CPUs". Borrowed from s or buf. */
#define VM_SETTING_GIVE_SIZE 120
const char *vm_setting_give(const struct vm_setting *s, char buf[VM_SETTING_GIVE_SIZE]);

#endif
