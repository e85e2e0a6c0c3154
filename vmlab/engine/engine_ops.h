/* engine_ops.h - what differs between container engines: a row each, in a file of its own.
 *
 * All take their orders in docker's words (run, ps, inspect, exec, logs, volume ...) and tell of
 * containers in docker's JSON: those are in engine.c and container.c.
 */
#ifndef VMLAB_ENGINE_ENGINE_OPS_H
#define VMLAB_ENGINE_ENGINE_OPS_H

/* Lists end with NULL, or with a row of NULLs. */
struct engine_ops {
	const char *program;       /* its client */
	const char *const *places; /* folders where that may be, besides those of PATH */

	/* For --format. */
	const char *version;  /* of `version`: the engine's own */
	const char *storage;  /* of `info`: the folder that volumes are in */
	const char *networks; /* of `network inspect`: IPv4 and IPv6, separated by blanks */

	const char *bridge; /* the network that containers are in by default */
	const char
	    *remove_volume; /* option of `volume rm` that passes over what is gone, or NULL */

	const char *const *absent; /* in what it says of something that is not there, in any case */

	/* How it writes why something failed: see engine_error.h. */
	const char *const *prefixes;  /* stand before a reason, several in a row, too */
	const char *const *reasons;   /* begin reasons that have no prefix */
	const char *const *summaries; /* begin lines that only sum up those before */
	const struct engine_noise {
		const char *begins, *ends;
	} *noise; /* lines that are no reason */
	const struct engine_advice {
		const char *says, *advice;
	} *advice;

	/* For people. */
	const char *install; /* a command */
	const char *start;   /* commands, in "`" */
	const char *daemon;  /* NULL: it needs none */
	const char *group;   /* that may use it, beside root; NULL: none */
};

/* In the order in which they are looked for; the first is the one that is advised where there is
 * none. */
#define ENGINES(ENGINE) ENGINE(engine_docker)

#define ENGINE_DECLARED(engine) extern const struct engine_ops engine;
ENGINES(ENGINE_DECLARED)

/* NULL after the last. */
extern const struct engine_ops *const engine_rows[];

#endif
