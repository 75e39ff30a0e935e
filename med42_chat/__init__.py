"""Med42 Chat: ask Med42 on your own computer, and check every claim against the page it came from."""

__version__ = "0.1.0"
