"""calls.py - what machines ask of the lab's server by HTTP, as it crosses the bridge: nothing in a lab writes that down."""
import contextlib
import re
import socket
import threading

from kit import netns

ETH_P_IP = 0x0800
REQUEST = re.compile(rb"(GET|POST|HEAD) (\S+) HTTP/1\.[01]\r\n")


@contextlib.contextmanager
def heard_in(namespace, device="lab0"):
    """A list of (source MAC, method, path), which grows until the block ends."""
    with netns.inside(namespace):
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        ear.bind((device, ETH_P_IP))
    ear.settimeout(1)
    heard, over = [], threading.Event()
    thread = threading.Thread(target=listen, args=(ear, heard, over), daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()
        ear.close()


def listen(ear, heard, over):
    while not over.is_set():
        try:
            frame, address = ear.recvfrom(4096)
        except TimeoutError:
            continue
        ip = frame[14:]
        if address[2] == socket.PACKET_OUTGOING or len(ip) < 40 or ip[9] != socket.IPPROTO_TCP:
            continue
        tcp = ip[(ip[0] & 15) * 4:int.from_bytes(ip[2:4], "big")]
        found = REQUEST.match(tcp[(tcp[12] >> 4) * 4:]) if len(tcp) > 12 else None
        if found:
            heard.append((frame[6:12].hex(":"), found[1].decode(), found[2].decode(errors="replace")))
