"""What `python -m med42_chat COMMAND` does, a file for each kind of command. Its functions take options and settings, and print."""
