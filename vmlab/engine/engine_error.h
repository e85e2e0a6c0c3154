/* engine_error.h - the one sentence in what a client of a container engine wrote to stderr. Pure.
 *
 * Each client and version wraps the engine's sentence otherwise: docker 20.10 ends it with a dot
 * and "See 'docker run --help'.", docker 28 with "Run 'docker run --help' for more information"
 * behind an empty line, `start` says of each container what is wrong and then which ones failed,
 * podman begins with "Error: ". Warnings and the progress of a pull may stand before it. */
#ifndef VMLAB_ENGINE_ENGINE_ERROR_H
#define VMLAB_ENGINE_ENGINE_ERROR_H

#include <stddef.h>

/* Several different sentences are joined by "; ". */
void engine_error_sentence(const char *text, char *buf, size_t size);

/* What to do about such a sentence; NULL where nothing is known. Static. */
const char *engine_error_advice(const char *sentence);

#endif
