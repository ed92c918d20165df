"""Types and rules of studies and their results. No torch, no disk access, no clock."""
