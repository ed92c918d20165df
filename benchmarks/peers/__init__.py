"""The same training through other people's loops, side by side: see README.md."""
