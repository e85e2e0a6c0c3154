#include "os_installer/base/command.h"
#include "os_installer/fs/fs.h"

static int make(const struct plan_partition *part, uint64_t bytes, struct err *e)
{
	char serial[UUID_TEXT_SIZE];
	size_t n = 0;

	(void)bytes;
	for (const char *s = part->fs_uuid; *s; s++)
		if (*s != '-')
			serial[n++] = *s;
	serial[n] = '\0';
	const char *argv[] = {
	    "mkfs.vfat", "-F", "32", "-n", part->label, "-i", serial, part->path, NULL};
	return command_run(&(struct command){.argv = argv}, e);
}

const struct fs_kind fs_vfat = {
    .name = "vfat",
    .gpt_type = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    .make = make,
    .data_options = "umask=0022",
};
