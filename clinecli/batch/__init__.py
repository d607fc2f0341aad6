"""Many requests, one exit status: concurrent, resumable, sharded, with a cap on money."""
