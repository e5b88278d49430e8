"""The README's tables, filled again by anyone: `python -m tests.tables precision|matrix|tensorrt`.

A table's rows are builds, each in a process of its own as the command line would make it. What was measured goes into
a file line by line, so that a table which was interrupted goes on where it was.
"""
