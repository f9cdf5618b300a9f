"""One contract for each port: the adapter and its in-memory fake pass the same tests."""
