"""The books made a second time, in an empty database beside ours: what is copied, posted and compared there.

Everything here but `copies` works on one connection to the empty database: its tables are temporary.
"""
