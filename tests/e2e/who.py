# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""who.py PATH: four clients of a UNIX socket ask who else is there, until it is gone.

One line says how many answers they had.
"""

import os
import socket
import sys


def ask(path):
    answers = 0
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    try:
        while True:
            s.sendall(b"stats conns\r\n")
            data = b""
            while not data.endswith(b"END\r\n"):
                part = s.recv(65536)
                if not part:
                    return answers
                data += part
            answers += 1
    except ConnectionError:
        return answers


def main():
    r, w = os.pipe()
    for _ in range(4):
        if not os.fork():
            os.write(w, b"%10d" % ask(sys.argv[1]))
            os._exit(0)
    for _ in range(4):
        os.wait()
    answers = [int(os.read(r, 10)) for _ in range(4)]
    print(f"RESULT who answers={sum(answers)} least={min(answers)}")
    return 0 if min(answers) else 1


sys.exit(main())
