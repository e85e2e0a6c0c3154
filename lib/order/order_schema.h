/* order_schema.h - the JSON Schema (2020-12) of files with orders, vms/_workflows/NAME.json, made
 * of lib/machine/order.h's rows. */
#ifndef LIB_ORDER_ORDER_SCHEMA_H
#define LIB_ORDER_ORDER_SCHEMA_H

#include <jansson.h>

/* A new reference; NULL without memory. */
json_t *order_schema(void);

#endif
