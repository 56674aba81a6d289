"""`python -m tuner` is the `tune` command, whatever else is installed."""

from tuner.cli.main import main

if __name__ == "__main__":
    main()
