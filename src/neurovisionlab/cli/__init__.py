"""The command `nvl`: parse, call one thing of `api`, print; a file for each group of commands."""
