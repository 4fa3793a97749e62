"""Containers, whatever is in them: HDF5, MessagePack, pickles, protocol buffers, sorted tables, checkpoints.

Nothing of a file is executed, and what is damaged is refused in one line. Zip archives and JSON, which files of ours
are made of too, are read by `rnnspec.archives` and `rnnspec.strict_json`.
"""
