#!/usr/bin/env python3
"""A QMP client in one file, with nothing but Python's standard library.

As a program:   viommu.py SOCKET COMMAND [NAME=VALUE ...]     prints the reply, then the events that came before it
                viommu.py qmp.sock dma-read device=nic0 address=0x1000 size=16 pasid=5
As a module:    with Client("qmp.sock") as client:
                    client.execute("device_add", driver="vfio-pci", id="nic0", host="0000:3b:00.0")

A VALUE that is JSON is sent as such (numbers, true, {"a": 1}), any other as a string. Python's integers have no
limit, so 64-bit addresses are exact.
"""
import json
import socket
import sys


class CommandFailed(Exception):
    """The daemon answered with an error."""

    def __init__(self, error):
        super().__init__(error["desc"])
        self.error_class = error["class"]


class Client:
    def __init__(self, path, timeout=10.0):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")
        self.events = []
        self.greeting = self._read()["QMP"]
        self.execute("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._lines.close()
        self._socket.close()

    def _read(self):
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the daemon closed the connection")
        return json.loads(line)

    def execute(self, command, **arguments):
        """What the command returns. Underscores in argument names stand for hyphens. Events go to self.events."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._socket.sendall(json.dumps(request).encode() + b"\r\n")
        while True:
            message = self._read()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise CommandFailed(message["error"])
            else:
                return message["return"]


def value_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def main(argv):
    if len(argv) < 3 or any("=" not in pair for pair in argv[3:]):
        sys.exit(__doc__)
    with Client(argv[1]) as client:
        try:
            result = client.execute(argv[2], **{name: value_of(text) for name, text in (p.split("=", 1) for p in argv[3:])})
        except CommandFailed as failure:
            sys.exit("%s: %s" % (failure.error_class, failure))
        print(json.dumps(result, indent=2))
        for event in client.events:
            print(json.dumps(event))


if __name__ == "__main__":
    main(sys.argv)
