"""`python -m biasloop`."""

from biasloop.cli.main import main

if __name__ == "__main__":
    main()
