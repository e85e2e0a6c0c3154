/* yaml_text.h - JSON that a YAML 1.1 reader (cloud-init's, PyYAML) takes for the same. Pure.
 *
 * Plain JSON is not quite: a few characters are line breaks or forbidden there, 1e300 is a text,
 * and an object's key may not be longer than 1,024 characters.
 */
#ifndef LIB_JSON_YAML_TEXT_H
#define LIB_JSON_YAML_TEXT_H

#include <jansson.h>

/* malloc'ed; NULL when memory is short. With a key of more than 1,000 bytes it is YAML and no JSON.
 */
char *yaml_text(const json_t *json);

#endif
