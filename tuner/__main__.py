"""`python -m tuner` is the `tune` command, whatever else is installed."""

import os
import sys

import tuner

if __name__ == "__main__":
    # Python puts the working folder first, and any module of ours may ask for a name
    # that a file there has too. A checkout that is not installed needs it.
    is_installed = f"{sys.path[0]}{os.sep}tuner" not in tuner.__path__
    if is_installed and not sys.flags.safe_path:
        del sys.path[0]

    from tuner.cli.main import main

    main()
