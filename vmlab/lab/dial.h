/* dial.h - connections to the sockets in the lab's own folder, however long that folder's path. */
#ifndef VMLAB_LAB_DIAL_H
#define VMLAB_LAB_DIAL_H

/* A non-blocking connection to `socket`, a name in there; -errno. It never waits for a daemon that
 * hangs. */
int dial(const char *folder, const char *socket);

#endif
