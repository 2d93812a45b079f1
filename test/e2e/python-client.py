"""A QMP client as people write it with nothing but the standard library: lines, json, no ids.

Prints the answers to the commands given as arguments, then the names of the events that came with them.
"""
import json
import socket
import sys

connection = socket.socket(socket.AF_UNIX)
connection.settimeout(10)
connection.connect(sys.argv[1])
stream = connection.makefile("rw", encoding="utf-8", newline="")
greeting = json.loads(stream.readline())
assert greeting["QMP"]["version"]["qemu"]["major"] >= 7, greeting
events = []


def ask(message):
    stream.write(json.dumps(message))
    stream.flush()
    while True:
        line = stream.readline()
        assert line.endswith("\r\n"), line
        answer = json.loads(line)
        if "event" not in answer:
            return answer
        events.append(answer["event"])


assert ask({"execute": "qmp_capabilities"}) == {"return": {}}
for argument in sys.argv[2:]:
    print(json.dumps(ask(json.loads(argument)), sort_keys=True))
print(*events)
