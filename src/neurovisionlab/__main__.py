"""`python -m neurovisionlab`: the command `nvl`, for where its script is not on PATH."""

from neurovisionlab.cli.app import main

if __name__ == "__main__":
    main()
