#include <stddef.h>

#include "vmlab/engine/engine_ops.h"

static const char *const places[] = {"/usr/bin", "/usr/local/bin", NULL};

static const char *const prefixes[] = {"docker: ", "Error response from daemon: ", "Error: ", NULL};

static const char *const reasons[] = {"Cannot connect to ", "permission denied while ",
    "error during connect: ", "unknown flag: ", "unknown shorthand flag: ", "invalid argument ",
    "invalid reference format", NULL};

static const char *const summaries[] = {"Error: failed to start containers: ", NULL};

/* 20.10 ends a sentence with a dot and "See 'docker run --help'.", 28 with the other. */
static const char *const absent[] = {"no such", NULL};

static const struct engine_noise noise[] = {
    {"See '", "--help'."},
    {"Run '", "--help' for more information"},
    {"Usage:", ""},
    {"WARNING: ", ""},
    {"time=\"", ""},
    {"Unable to find image ", ""},
    {NULL, NULL},
};

static const struct engine_advice advice[] = {
    {"no space left on device",
	"the engine's disk is full: `vmlab doctor` shows how much is free, `docker system df` what takes it"},
    {"volume is in use",
	"a container that is not this lab's has it: `docker ps -a --filter volume=NAME` shows which"},
    {"Cannot connect to the Docker daemon", "start it, e.g. `systemctl start docker`"},
    {"ermission denied while trying to connect",
	"run vmlab as root (sudo), or join the group that owns the engine's socket"},
    {NULL, NULL},
};

const struct engine_ops engine_docker = {
    .program = "docker",
    .places = places,
    .version = "{{.Server.Version}}",
    .storage = "{{.DockerRootDir}}",
    .networks = "{{range .IPAM.Config}}{{.Subnet}} {{end}}",
    .bridge = "bridge",
    .remove_volume = "--force",
    .absent = absent,
    .prefixes = prefixes,
    .reasons = reasons,
    .summaries = summaries,
    .noise = noise,
    .advice = advice,
    .install = "apt-get install docker.io",
    .start = "`systemctl start docker`, or `dockerd` by hand",
    .daemon = "dockerd",
    .group = "docker",
};
