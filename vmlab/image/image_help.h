/* image_help.h - the pages of what `vmlab image` can do; image_help (image.h) is that of all. */
#ifndef VMLAB_IMAGE_IMAGE_HELP_H
#define VMLAB_IMAGE_IMAGE_HELP_H

extern const char image_build_help[], image_import_help[], image_add_help[], image_ls_help[],
    image_rm_help[];

#endif
