"""Run the command line with `python -m donation_card`."""

from donation_card.cli.main import main

if __name__ == "__main__":
    main()
