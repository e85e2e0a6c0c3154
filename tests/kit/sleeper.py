"""sleeper.py - an image in place of the VM's: its container is there, no machine is in it, and told to stop it ends."""
import json

from kit.command import PREFIX, docker
from kit.vmlab_cli import STACK_IMAGE


def sleeper(scope, stops_s=0):
    """Its name. Process 1 of a container is not ended by a signal that it takes no notice of."""
    name = f"{PREFIX}{scope.name}-sleeper:latest"
    waits = json.dumps(["/bin/sh", "-c", f"trap 'sleep {stops_s}; exit 0' TERM; sleep 600 & wait; sleep 600 & wait"])
    made = docker("create", STACK_IMAGE).stdout.strip()
    docker("commit", "-c", f"ENTRYPOINT {waits}", "-c", "HEALTHCHECK NONE", made, name)
    docker("rm", made)
    scope.cleanup(lambda: docker("rmi", "-f", name, check_rc=False))
    return name
