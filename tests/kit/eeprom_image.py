"""eeprom_image.py - images of a Raspberry Pi's EEPROM, of the shape of its maker's, with nothing in them that boots; and what
bootconf.txt of one says. The real ones are in the repository rpi-eeprom.
"""
import struct

SIZES = {"2711": 512 * 1024, "2712": 2048 * 1024}
FILE, PAD = 0x55aaf11f, 0x55aafeef


def _section(magic, content):
    return struct.pack(">LL", magic, len(content)) + content


def _file(name, content):
    return _section(FILE, name.encode().ljust(16, b"\0") + content)


def _aligned(data, to=8):
    return data + b"\xff" * (-len(data) % to)


def _padded(data, end):
    """With a section of padding up to `end`."""
    data = _aligned(data)
    return data + _section(PAD, b"\xff" * (end - len(data) - 8))


def make(soc, config, follows=b""):
    """`follows`: a file behind bootconf.txt, in a sector of its own."""
    image = _aligned(_section(0x55aaf00f, b"code" * 17000))
    image = _aligned(image + _section(0x55aaf33f, b"more code" * 700))
    image = _padded(image + _file("bootconf.sig", bytes(1024)), -(-len(image) // 4096) * 4096 + 8192)
    image = image + _file("bootconf.txt", config)
    if follows:
        image = _padded(image, -(-len(image) // 4096) * 4096 + 4096) + _file("pubkey.bin", follows)
    return image.ljust(SIZES[soc], b"\xff")


def config_of(image):
    at = 0
    while image[at + 8:at + 21] != b"bootconf.txt\0":
        length, = struct.unpack_from(">L", image, at + 4)
        at = -(-(at + 8 + length) // 8) * 8
    length, = struct.unpack_from(">L", image, at + 4)
    return image[at + 24:at + 8 + length]
