"""Rehearsals: pending migrations run on a throwaway database before production sees them."""
