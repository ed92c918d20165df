"""`python -m neurovisionlab`: the command `nvl`, also where its script is not on the path."""

from neurovisionlab.cli.app import main

if __name__ == "__main__":
    main()
