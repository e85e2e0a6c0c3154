#include "lib/image/own_kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/image/files.h"

bool own_kernel_wanted(const struct vm *vm)
{
	return !vm->pxeboot && vm->kernel && vm->initrd;
}

/* As nginx looks for them: in our folder of the architecture, then in that of pvmlab's name. 0,
 * ENOENT, EXDEV where it is a link, or EACCES where it is and the stack, another user, cannot read
 * it. */
static int look(const char *images_dir, const struct vm *vm, const char *file)
{
	const char *const folders[] = {arch_of(vm->arch)->name, arch_of(vm->arch)->machine};
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		int n = snprintf(
		    path, sizeof(path), "%s/%s/%s/%s", images_dir, vm->distro, folders[i], file);
		if (n < 0 || (size_t)n >= sizeof(path))
			return ENOENT;
		char folder[PATH_MAX];
		snprintf(folder, sizeof(folder), "%.*s", n - (int)strlen(file) - 1, path);
		if (image_file_is_linked(folder, file))
			return EXDEV;
		if (stat(path, &st) == 0)
			return !S_ISREG(st.st_mode) ? ENOENT : st.st_mode & S_IROTH ? 0 : EACCES;
		if (errno == EACCES)
			return EACCES;
	}
	return ENOENT;
}

unsigned own_kernel_missing(
    const char *images_dir, const struct vm *vm, struct own_kernel_gap gaps[OWN_KERNEL_FILES])
{
	const struct {
		const char *field, *file;
	} files[OWN_KERNEL_FILES] = {{"kernel", vm->kernel}, {"initrd", vm->initrd}};
	unsigned count = 0;

	gaps[0].field = gaps[1].field = NULL;
	if (!own_kernel_wanted(vm))
		return 0;
	for (size_t i = 0; i < OWN_KERNEL_FILES; i++) {
		int code = images_dir ? look(images_dir, vm, files[i].file) : ENOENT;
		if (code == 0)
			continue;
		struct own_kernel_gap *gap = &gaps[count++];
		gap->field = files[i].field;
		if (code == EACCES) {
			snprintf(gap->what, sizeof(gap->what),
			    "%s %.200s cannot be read by the stack", gap->field, files[i].file);
			snprintf(
			    gap->advice, sizeof(gap->advice), "chmod -R a+rX the folder of images");
		} else if (code == EXDEV) {
			snprintf(gap->what, sizeof(gap->what),
			    "%s %.200s is a link or behind one, and links are not followed",
			    gap->field, files[i].file);
			snprintf(gap->advice, sizeof(gap->advice), "put the file itself there");
		} else {
			snprintf(gap->what, sizeof(gap->what), "%s %.200s is not there", gap->field,
			    files[i].file);
			snprintf(gap->advice, sizeof(gap->advice),
			    "put it in images/%.100s/%s, or correct %s in the definition",
			    vm->distro, vm_arch_name(vm->arch), gap->field);
		}
	}
	return count;
}
