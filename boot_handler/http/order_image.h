/* order_image.h - the image that an order names: whether there is one, and where the agent gets it.
 */
#ifndef BOOT_HANDLER_HTTP_ORDER_IMAGE_H
#define BOOT_HANDLER_HTTP_ORDER_IMAGE_H

#include <jansson.h>

#include "boot_handler/http/services.h"
#include "lib/order/order_read.h"

/* -EBUSY with the sentence when one of the orders names an image that is not there, or none of a
 * disk; or a new one by a name that is taken. `vm` NULL: whatever architecture the machine has. */
must_check int order_image_check(
    struct services *services, const struct vm *vm, const struct order_list *list, struct err *e);

/* A new reference to an order's arguments as the agent gets them; NULL where `args` is NULL. `vm`
 * may be NULL. */
json_t *order_image_given(const struct services *services, const struct vm *vm, json_t *args);

#endif
