#!/usr/bin/env python3
"""A server of SimpleReactor's wire for one client, written from its description alone.

    server.py packed|plain INTERVAL MESSAGES

Prints the port that it listens on. Echoes messages and beats each INTERVAL seconds; after that many
messages it stands still, with the connection open, until its client hangs up. Prints how that was.
"""

import select
import socket
import struct
import sys
import time
import zlib

APPLICATION, HEARTBEAT = 1, 2


def main():
    packed, interval, messages = sys.argv[1] == "packed", float(sys.argv[2]), int(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    sock, _ = listener.accept()
    deflate, inflate = zlib.compressobj(), zlib.decompressobj()

    def send(kind, data):
        body = struct.pack("<I", kind) + data
        if packed:
            body = deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH)
        sock.sendall(struct.pack("<I", len(body)) + body)

    kept, echoed, beat_at = b"", 0, time.monotonic()
    while echoed < messages:
        now = time.monotonic()
        if now >= beat_at:
            send(HEARTBEAT, b"('127.0.0.1', 8080)#('127.0.0.1', 40000)#1")
            beat_at = now + interval
        if not select.select([sock], [], [], max(0.0, beat_at - now))[0]:
            continue
        more = sock.recv(65536)
        if not more:
            print("hung up after %d messages" % echoed)
            return
        kept += more
        while len(kept) >= 4 and len(kept) >= 4 + struct.unpack("<I", kept[:4])[0]:
            end = 4 + struct.unpack("<I", kept[:4])[0]
            body, kept = kept[4:end], kept[end:]
            payload = inflate.decompress(body) if packed else body
            (kind,) = struct.unpack("<I", payload[:4])
            if kind == APPLICATION:
                send(APPLICATION, payload[4:])
                echoed += 1
    # Frozen: nothing is sent any more. The client resets, or finishes.
    sock.settimeout(20)
    try:
        while sock.recv(65536):
            pass
        print("finished")
    except ConnectionResetError:
        print("reset")


if __name__ == "__main__":
    main()
