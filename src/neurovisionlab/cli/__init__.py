"""The command `nvl`: parse, call one function of `api`, print; a module per group of commands."""
