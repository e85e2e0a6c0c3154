/* engine_error.h - the one sentence in what a client of a container engine wrote to stderr. Pure.
 *
 * Each client and version wraps the engine's sentence otherwise, in words that its row has:
 * before it stand prefixes, warnings and the progress of a pull, behind it advice on its options;
 * `start` says of each container what is wrong and then which ones failed. */
#ifndef VMLAB_ENGINE_ENGINE_ERROR_H
#define VMLAB_ENGINE_ENGINE_ERROR_H

#include <stddef.h>

#include "vmlab/engine/engine_ops.h"

/* Several different sentences are joined by "; ". */
void engine_error_sentence(const struct engine_ops *ops, const char *text, char *buf, size_t size);

/* What to do about such a sentence; NULL where nothing is known. Static. */
const char *engine_error_advice(const struct engine_ops *ops, const char *sentence);

#endif
