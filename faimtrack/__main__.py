"""`python -m faimtrack`: the command line."""

from faimtrack.cli.main import run

if __name__ == "__main__":
    run()
