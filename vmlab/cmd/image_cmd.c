/* image_cmd.c - hands `vmlab image …` over to image.h, with the lab's folders. */
#include "vmlab/lab/command.h"
#include "vmlab/image/image.h"

static int run(struct lab *lab, int argc, char **argv)
{
	struct container_list none = CONTAINER_LIST_INIT;
	struct err e = ERR_INIT;

	/* An image can be made before there is a vms/: then images/ is the one here. */
	if (lab_adopt(lab, &none, &e) < 0)
		return command_fail(&e);
	return image_main(lab, argc, argv);
}

const struct command image_command = {
    .name = "image",
    .args = "build|import|add|ls|rm ...",
    .summary = "build, import, add, list and remove what machines install or boot",
    .help = image_help,
    .run = run,
    .own_options = true,
};
