"""The pictures of docs/method.md, drawn from an example clip and the checkpoints that ship (see `__main__`)."""
