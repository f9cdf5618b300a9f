"""`python -m service`: see `cli.py`."""

from service.cli import main

if __name__ == "__main__":
    main()
