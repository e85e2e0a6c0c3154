/* files.h - whether the files that a manifest names are there, with the size it says; their
 * contents are the installer's to verify. */
#ifndef LIB_IMAGE_FILES_H
#define LIB_IMAGE_FILES_H

#include "lib/image/manifest.h"

/* What is wrong with one of them: "its file vmlinuz is missing". */
#define IMAGE_LACK_SIZE 400

/* Whether the file, or a folder of its image's on the way to it, is a link: nginx follows none,
 * which may lead out of what is served. `folder` is images/<name>/<arch> or images/<name>. */
bool image_file_is_linked(const char *folder, const char *file);

/* The rootfs may lie in another folder than what was made for it. False with a sentence. */
bool image_files_are_there(const char *rootfs_folder, const char *folder,
    const struct image_manifest *m, char lack[IMAGE_LACK_SIZE]);

#endif
