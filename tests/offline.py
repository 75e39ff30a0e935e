"""`python -m tests.offline COMMAND …` runs a command in a network without any interface but loopback.

Whatever passes there has sent nothing anywhere. Linux only; elsewhere the command runs as it is, and that is said.
"""

import os
import socket
import struct
import subprocess
import sys

from tests.vocabulary import llama3_vocabulary

# The first for root, the second for everybody else, where the system allows it.
_NAMESPACES = (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"])
_SIOCSIFFLAGS, _UP = 0x8914, 0x1 | 0x40  # linux/sockios.h; IFF_UP, IFF_RUNNING


def main(arguments: list[str]) -> None:
    """Replaces this process by the command."""
    if arguments[0] == "--inside":
        _raise_loopback()
        os.environ["MED42_OFFLINE"] = "1"
        os.execvp(arguments[1], arguments[1:])
    llama3_vocabulary()  # the one thing that tests fetch, while that is possible
    namespace = next((one for one in _NAMESPACES if _possible(one)), None)
    if namespace is None:
        print("This system gives no network namespace: the tests run with the network as it is.", file=sys.stderr)
        os.execvp(arguments[0], arguments)
    os.execvp(namespace[0], [*namespace, sys.executable, "-m", "tests.offline", "--inside", *arguments])


def _possible(namespace: list[str]) -> bool:
    try:
        return subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _raise_loopback() -> None:
    """A new namespace's loopback interface is down."""
    import fcntl  # Linux has it, and only there is this called

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP))


if __name__ == "__main__":
    main(sys.argv[1:])
