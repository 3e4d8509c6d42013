"""Two columns that are kept the same by a trigger: its SQL, its names, and how it is found."""
