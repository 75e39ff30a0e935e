"""Med42 Chat's front door: `python app.py` opens the page; `python app.py --help` lists what can be set.

The same as `python -m med42_chat serve`, where a newcomer looks first.
"""

import sys

from med42_chat.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
