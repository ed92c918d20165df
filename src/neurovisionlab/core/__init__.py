"""Pure parts: what a study is, what happened, and what follows. No torch, no disk, no clock."""
