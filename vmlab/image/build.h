/* build.h - makes an image from a distribution's archive: runs mmdebstrap and imports the
 * tarball it writes, while it writes it.
 */
#ifndef VMLAB_IMAGE_BUILD_H
#define VMLAB_IMAGE_BUILD_H

#include <signal.h>
#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/image/image_advice.h"
#include "lib/definition/vm.h"
#include "lib/base/argv.h"
#include "vmlab/image/progress.h"

struct image_build {
	const struct image_recipe *recipe;
	const char *images_dir;
	enum vm_arch arch;
	bool generic_kernel; /* drivers for real hardware as well, not only for virtual machines */
	const char *include; /* more packages, separated by commas; NULL: none */
	struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
};

/* Pure: the command line, for `as_root` or not. -EINVAL when `include` holds something that is no
 * package name. */
must_check int image_build_command(
    const struct image_build *b, bool as_root, struct argv *out, struct err *e);

must_check int image_build(const struct image_build *b, struct err *e);

#endif
