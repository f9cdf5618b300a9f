"""`python -m donation_card`: see `cli/main.py`."""

from donation_card.cli.main import main

if __name__ == "__main__":
    main()
