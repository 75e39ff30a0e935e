"""What a process that takes a stranger's file apart may use of the computer."""

import sys


def limit(memory: int, seconds: int) -> None:
    """From here on the system ends this process when it takes too much. Windows has no such limits."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # also when the program that asked is gone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not leave a patient's letter in a core file
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nor has it anything to write
