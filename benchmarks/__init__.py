"""What the operations cost, against the bare SQL that does the same work on the same rows.

`python3 dev.py bench --help` tells the options; docs/performance.md what is compared with what.
"""
