"""What the tests of the exact rule share: targets, dumps without column order, generated worlds."""
