/* inside.h - the simulation itself, in a container of its own: what `vmlab __simulate` does.
 *
 * Its network namespace has nothing but a card eth0, which `vmlab simulate` plugs in once it knows
 * this process' number; its PID namespace is the stack's. It writes a line of JSON each: {"pid": N}
 * at once,
 * {"progress": {...}} every second, {"result": {...}} or {"error": "..."} at the end.
 */
#ifndef VMLAB_SIMULATE_INSIDE_H
#define VMLAB_SIMULATE_INSIDE_H

#define SIMULATE_CARD "eth0"

/* argv[1]: {"machines": N, "network": "10.1.0.1/16", "declared": true, "profile": {...}}. Returns
 * the exit status. */
int simulate_inside_main(int argc, char **argv);

#endif
