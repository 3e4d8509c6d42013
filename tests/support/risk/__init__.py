"""What the tests of the classifier share: a schema that statements run on, and statements."""
