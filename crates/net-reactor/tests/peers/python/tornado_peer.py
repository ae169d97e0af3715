"""Tornado's TCPClient, TCPServer and IOStream; see frames.py for what it does.

An IOStream is closed by the peer's end, with all that it has not sent: who talks to this server
finishes when everything is back, and not before.
"""

import asyncio
import socket

from tornado.iostream import StreamClosedError
from tornado.tcpclient import TCPClient
from tornado.tcpserver import TCPServer

import frames


class Peer:
    def __init__(self, framing, stream):
        self.framing, self.stream = framing, stream

    def send(self, data):
        return self.stream.write(frames.pack(self.framing, data))

    async def receive(self):
        return await frames.read(self.framing, self.stream.read_until, self.stream.read_bytes)

    def reset(self):
        frames.reset_at_close(self.stream.socket)
        self.stream.close()


async def converse(peer):
    for size in frames.SIZES:
        sent = peer.send(frames.frame(size))
        frames.check(await peer.receive(), frames.frame(size))
        await sent
    sent = [peer.send(data) for data in frames.many()]
    await sent[-1]
    # It has no half-close of its own.
    peer.stream.socket.shutdown(socket.SHUT_WR)
    for data in frames.many():
        frames.check(await peer.receive(), data)
    frames.check(await peer.stream.read_until_close(), b"")
    frames.say("%d frames are back, then the end" % (len(frames.SIZES) + frames.MANY))


async def reset(peer):
    await peer.send(b"whole")
    frames.check(await peer.receive(), b"whole")
    await peer.stream.write(frames.HALF_A_FRAME[peer.framing])
    peer.reset()
    frames.say("reset")


async def echo(peer):
    count = 0
    try:
        while True:
            await peer.send(await peer.receive())
            count += 1
    except StreamClosedError:
        frames.say("%d frames, then the end" % count)


async def echo_and_reset(peer):
    await peer.send(await peer.receive())
    await peer.receive()
    peer.reset()
    frames.say("reset")


class Server(TCPServer):
    def __init__(self, framing, serve):
        super().__init__()
        self.framing, self.serve = framing, serve

    async def handle_stream(self, stream, address):
        await self.serve(Peer(self.framing, stream))


async def main():
    role, framing, case, port = frames.arguments()
    if role == "client":
        stream = await TCPClient().connect("127.0.0.1", port)
        await {"converse": converse, "reset": reset}[case](Peer(framing, stream))
        return
    server = Server(framing, {"echo": echo, "reset": echo_and_reset}[case])
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    server.add_socket(listener)
    frames.say(listener.getsockname()[1])
    await asyncio.Event().wait()


asyncio.run(main())
