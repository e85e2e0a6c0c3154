"""tcp_relay.py - hands connections on inside a lab's network namespace, as `vmlab dashboard` does for a browser of the
host, and can be ended with all of them, and begun again at the same port."""
import socket
import threading

from kit import netns


class TcpRelay:
    def __init__(self, space, port):
        """To that port of loopback, from another: `port`."""
        self.space, self.to, self.port = space, port, 0
        self.begin()

    def begin(self):
        with netns.inside(self.space):
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self._accept, args=(self.listener, self.open), daemon=True).start()

    def cut(self):
        for end in (self.listener, *self.open):
            _shut(end)
        self.listener.close()

    def _accept(self, listener, ends):
        with netns.inside(self.space):
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                server = socket.create_connection(("127.0.0.1", self.to))
                ends += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_hand_on, args=pair, daemon=True).start()


def _hand_on(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass  # it was cut
    _shut(sink)


def _shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is already
