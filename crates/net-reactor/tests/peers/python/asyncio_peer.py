"""asyncio's streams; see frames.py for what it does."""

import asyncio

import frames


class Peer:
    def __init__(self, framing, reader, writer):
        self.framing, self.reader, self.writer = framing, reader, writer

    def send(self, data):
        self.writer.write(frames.pack(self.framing, data))

    async def receive(self):
        return await frames.read(self.framing, self.reader.readuntil, self.reader.readexactly)

    def reset(self):
        frames.reset_at_close(self.writer.get_extra_info("socket"))
        self.writer.transport.abort()


async def converse(peer):
    for size in frames.SIZES:
        peer.send(frames.frame(size))
        frames.check(await peer.receive(), frames.frame(size))
    for data in frames.many():
        peer.send(data)
    peer.writer.write_eof()
    for data in frames.many():
        frames.check(await peer.receive(), data)
    frames.check(await peer.reader.read(), b"")
    peer.writer.close()
    frames.say("%d frames are back, then the end" % (len(frames.SIZES) + frames.MANY))


async def reset(peer):
    peer.send(b"whole")
    frames.check(await peer.receive(), b"whole")
    peer.writer.write(frames.HALF_A_FRAME[peer.framing])
    await peer.writer.drain()
    peer.reset()
    frames.say("reset")


async def echo(peer):
    count = 0
    try:
        while True:
            peer.send(await peer.receive())
            count += 1
    except asyncio.IncompleteReadError as end:
        frames.check(end.partial, b"")
    await peer.writer.drain()
    peer.writer.close()
    frames.say("%d frames, then the end" % count)


async def echo_and_reset(peer):
    peer.send(await peer.receive())
    await peer.receive()
    peer.reset()
    frames.say("reset")


async def main():
    role, framing, case, port = frames.arguments()
    limit = 2 * frames.LARGEST
    if role == "client":
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
        await {"converse": converse, "reset": reset}[case](Peer(framing, reader, writer))
        return
    serve = {"echo": echo, "reset": echo_and_reset}[case]

    async def accepted(reader, writer):
        await serve(Peer(framing, reader, writer))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, limit=limit)
    frames.say(server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
