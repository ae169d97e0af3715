"""Twisted's LineReceiver, Int32StringReceiver and NetstringReceiver; see frames.py for what it does."""

import os
import sys

from twisted.internet import protocol, reactor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.protocols import basic
from zope.interface import implementer

import frames


class Line(basic.LineReceiver):
    MAX_LENGTH = frames.LARGEST

    def send(self, data):
        self.sendLine(data)

    def lineReceived(self, line):
        self.received(line)


class Int32(basic.Int32StringReceiver):
    MAX_LENGTH = frames.LARGEST

    def send(self, data):
        self.sendString(data)

    def stringReceived(self, string):
        self.received(string)


class Netstring(basic.NetstringReceiver):
    MAX_LENGTH = frames.LARGEST

    def send(self, data):
        self.sendString(data)

    def stringReceived(self, string):
        self.received(string)


def end(code, text):
    """Ends at once: an exception in a callback would end one connection, and be logged."""
    print(text, file=sys.stderr if code else sys.stdout, flush=True)
    os._exit(code)


@implementer(IHalfCloseableProtocol)
class Converse:
    """A client that sends everything, and its end at once behind it."""

    def connectionMade(self):
        self.wanted = [frames.frame(size) for size in frames.SIZES]
        self.back, self.finished = 0, False
        self.send(self.wanted[0])

    def received(self, data):
        if data != self.wanted[self.back]:
            end(1, "%d bytes instead of %d" % (len(data), len(self.wanted[self.back])))
        self.back += 1
        if self.back < len(self.wanted):
            if not self.finished:
                self.send(self.wanted[self.back])
        elif not self.finished:
            self.finished = True
            for data in frames.many():
                self.wanted.append(data)
                self.send(data)
            self.transport.loseWriteConnection()

    def readConnectionLost(self):
        if not self.finished or self.back < len(self.wanted):
            end(1, "the end after %d frames" % self.back)
        end(0, "%d frames are back, then the end" % self.back)

    def writeConnectionLost(self):
        pass

    def connectionLost(self, reason=None):
        end(1, "lost after %d frames: %s" % (self.back, reason))


class Reset:
    """A client that resets in the middle of a frame."""

    def connectionMade(self):
        self.send(b"whole")

    def received(self, data):
        if data != b"whole":
            end(1, "got %r" % data)
        # At once: what the transport is given to write, an abort drops.
        self.transport.getHandle().send(frames.HALF_A_FRAME[self.factory.framing])
        self.transport.abortConnection()

    def connectionLost(self, reason=None):
        end(0, "reset")


@implementer(IHalfCloseableProtocol)
class Echo:
    def connectionMade(self):
        self.count = 0

    def received(self, data):
        self.count += 1
        self.send(data)

    def readConnectionLost(self):
        frames.say("%d frames, then the end" % self.count)
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


class EchoAndReset:
    def connectionMade(self):
        self.count = 0

    def received(self, data):
        self.count += 1
        if self.count == 1:
            self.send(data)
        else:
            self.transport.abortConnection()
            frames.say("reset")


def main():
    role, framing, case, port = frames.arguments()
    receiver = {"line": Line, "int32": Int32, "netstring": Netstring}[framing]
    clients = {"converse": Converse, "reset": Reset}
    servers = {"echo": Echo, "reset": EchoAndReset}
    behaviour = (clients if role == "client" else servers)[case]
    kind = type("Peer", (behaviour, receiver), {})
    if role == "client":
        factory = protocol.ClientFactory.forProtocol(kind)
        factory.clientConnectionFailed = lambda connector, reason: end(1, str(reason))
        factory.noisy, factory.framing = False, framing
        reactor.connectTCP("127.0.0.1", port, factory)
    else:
        factory = protocol.ServerFactory.forProtocol(kind)
        factory.noisy = False
        frames.say(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port)
    reactor.run()


main()
