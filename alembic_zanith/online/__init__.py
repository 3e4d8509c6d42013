"""Columns that leave and come back while others read and write: in steps that commit by themselves."""
