"""Pretrained networks that losses and metrics use: what they are, where they lie, how to get them.

`store.require(name)` is the only way to one; nothing is downloaded except by `store.get` (`unpaired weights get`).
"""
