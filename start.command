#!/bin/bash
# Double-click on macOS: finds a Python, starts Med42 Chat, and keeps the window open when something went wrong.
cd "$(dirname "$0")" || exit 1

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# A double-click does not read the shell's profile. These places come before /usr/bin, where Apple keeps an old python3 or a dialogue.
PATH="/opt/homebrew/bin:/usr/local/bin:$PATH"
for python in python3 python3.14 python3.13 python3.12 python3.11 /Library/Frameworks/Python.framework/Versions/3.*/bin/python3; do
    if command -v "$python" >/dev/null && new_enough "$python"; then
        "$python" start.py "$@"
        status=$?
        [ $status -eq 0 ] || read -r -p "Press Return to close this window."
        exit $status
    fi
done

echo "Med42 Chat needs Python 3.11 or newer, and none was found."
echo "Get it from https://www.python.org/downloads/, then open start.command again."
read -r -p "Press Return to close this window."
exit 1
