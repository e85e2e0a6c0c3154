/* stamp.h - when the kernel received what is read from a socket (SO_TIMESTAMPNS of socket(7)): an
 * answer has come then, however late a busy program reads it. One thread.
 */
#ifndef VMLAB_SIMULATE_STAMP_H
#define VMLAB_SIMULATE_STAMP_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* From now on, what the socket receives is stamped. A kernel that does not is no error. */
void stamp_ask(int fd);

/* recvmsg(2) into `len` bytes of `data`, with `from` of `from_size` bytes or NULL. `at_us` is of
 * loop_now_us(): when the last byte that was read came, or now where it has no stamp. */
ssize_t stamp_receive(
    int fd, void *data, size_t len, void *from, socklen_t from_size, int flags, int64_t *at_us);

/* The same of what a TCP socket has ready, which stays there. Now, where nothing is. */
int64_t stamp_peek(int fd);

#endif
