#!/usr/bin/env python3
"""A client of SimpleReactor's wire, written from its description alone.

    client.py HOST PORT packed|plain MESSAGES BEATS

Sends that many messages, each as soon as the one before has come back, and checks every one; then
waits for that many heartbeats; then sends one more. Prints what it has seen, and exits with 0 if
all of it was right.
"""

import socket
import struct
import sys
import zlib

APPLICATION, HEARTBEAT = 1, 2


class Wire:
    """Both directions of one connection."""

    def __init__(self, sock, packed):
        self.sock = sock
        self.deflate = zlib.compressobj() if packed else None
        self.inflate = zlib.decompressobj() if packed else None

    def send(self, kind, data):
        body = struct.pack("<I", kind) + data
        if self.deflate:
            body = self.deflate.compress(body) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(struct.pack("<I", len(body)) + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError("the peer hung up after %d of %d bytes" % (len(data), count))
            data += more
        return data

    def receive(self):
        (length,) = struct.unpack("<I", self.exactly(4))
        body = self.exactly(length)
        if self.inflate:
            body = self.inflate.decompress(body)
        (kind,) = struct.unpack("<I", body[:4])
        return kind, body[4:]


def main():
    host, port, form, messages, beats = sys.argv[1:]
    sock = socket.create_connection((host, int(port)), timeout=20)
    wire = Wire(sock, form == "packed")
    seen = 0

    def echo(data):
        nonlocal seen
        wire.send(APPLICATION, data)
        while True:
            kind, back = wire.receive()
            if kind == HEARTBEAT:
                seen += 1
                continue
            if (kind, back) != (APPLICATION, data):
                raise ValueError("kind %d, %d bytes instead of %d" % (kind, len(back), len(data)))
            return

    for number in range(int(messages)):
        echo(b"hello world %d " % number + b"\x00\xff" * (number * number % 3000))
    wire.send(77, b"a system type that nobody knows")
    sock.sendall(struct.pack("<I", 0))
    while seen < int(beats):
        kind, data = wire.receive()
        if kind != HEARTBEAT or not data:
            raise ValueError("kind %d where a heartbeat was due" % kind)
        seen += 1
    echo(b"still here")
    print("messages %s, beats at least %s" % (messages, beats))


if __name__ == "__main__":
    main()
