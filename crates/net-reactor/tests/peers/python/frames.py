"""What the programs in this folder have in common: the frames, and how they are called.

    PROGRAM client FRAMING CASE PORT
    PROGRAM server FRAMING CASE

FRAMING is line (CR LF), int32 (big-endian) or netstring. A client speaks to a server that echoes:

    converse  frames of 0, 1, 65,535 bytes and 1 MiB, each when the one before is back; then 1,000
              at once, the end behind them at once, and all of them have to come back before the end
    reset     one frame there and back, then half of one and a reset

A server prints its port, then serves one connection after the other:

    echo      sends frames back until the peer's end, then what is left, and closes
    reset     sends the first frame back, and resets at the second

Each prints what it has seen. What is not as it should be is an exit code that is not 0.
"""

import signal
import socket
import struct
import sys

SIZES = [0, 1, 65_535, 1_048_576]
MANY = 1_000
LARGEST = max(SIZES)
HALF_A_FRAME = {"line": b"half a li", "int32": b"\x00\x00\x00\x09half", "netstring": b"9:half"}

# Whoever waits in vain does not wait for ever.
signal.alarm(120)

TEXT = bytes(range(32, 127))


def frame(size):
    """A frame of so many bytes, none of which ends a line."""
    return (TEXT * (size // len(TEXT) + 1))[:size]


def many():
    """Small frames, to be sent at once."""
    return [frame(number % 50) for number in range(MANY)]


def check(got, wanted):
    if got != wanted:
        sys.exit("got %d bytes, %r..., instead of %d" % (len(got), got[:20], len(wanted)))


def pack(framing, data):
    if framing == "line":
        return data + b"\r\n"
    if framing == "int32":
        return struct.pack(">I", len(data)) + data
    return b"%d:%s," % (len(data), data)


async def read(framing, until, exactly):
    """Reads a frame with the two calls that the streams of Tornado and asyncio share."""
    if framing == "line":
        return (await until(b"\r\n"))[:-2]
    if framing == "int32":
        (length,) = struct.unpack(">I", await exactly(4))
        return await exactly(length)
    length = int((await until(b":"))[:-1])
    data = await exactly(length + 1)
    check(data[-1:], b",")
    return data[:-1]


def reset_at_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say(text):
    print(text, flush=True)


def arguments():
    """Returns the role, the framing, the case and the port."""
    role, framing, case, *port = sys.argv[1:]
    return role, framing, case, int(port[0]) if port else 0
