"""`python -m biasloop`."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Python has put the current directory first. What lies there (a numpy.py, a json.py) came with somebody's data, and
    # is not to run; biasloop itself is found already, also where its source tree is the current directory.
    del sys.path[0]

from biasloop.cli.main import main

if __name__ == "__main__":
    main()
