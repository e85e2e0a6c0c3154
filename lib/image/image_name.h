/* image_name.h - what images may be called: the name of their folder below images/. Pure. */
#ifndef LIB_IMAGE_IMAGE_NAME_H
#define LIB_IMAGE_IMAGE_NAME_H

#include <stdbool.h>

#define IMAGE_NAME_SIZE 65

/* True for text that may be an image's name: [a-z0-9][a-z0-9.+_-]*, at most 64 long. */
bool image_name_valid(const char *name);

#endif
