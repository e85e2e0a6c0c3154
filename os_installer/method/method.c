#include "os_installer/method/method.h"

/* The table: a method is a file beside this one and a line here. The last takes everything. */
#define METHODS(METHOD)                                                                            \
	METHOD(method_disk_image)                                                                  \
	METHOD(method_archive)

#define DECLARED(method) extern const struct install_method method;
#define LISTED(method) &method,
METHODS(DECLARED)
static const struct install_method *const methods[] = {METHODS(LISTED)};

const struct install_method *method_find(const struct image_contents *m)
{
	size_t i = 0;

	while (i + 1 < sizeof(methods) / sizeof(*methods) && !methods[i]->takes(m))
		i++;
	return methods[i];
}
