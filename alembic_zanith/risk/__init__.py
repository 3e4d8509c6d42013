"""What an operation or an SQL statement can do to the data that is there, before it is run."""
