"""`python -m neurovisionlab`: the command `nvl`, also where its script is not on the path."""

from neurovisionlab.cli import main

if __name__ == "__main__":
    main()
