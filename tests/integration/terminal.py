"""Running a program on a terminal of a given width."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

from conftest import DEADLINE


def on_a_terminal(command, columns, environment=None):
    """What a program prints on a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                               env={**os.environ, "TERM": "xterm", **(environment or {})})
    os.close(slave)
    output = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(master)
    assert process.wait(DEADLINE) == 0
    return output.decode().replace("\r\n", "\n")
