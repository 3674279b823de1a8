"""The two AWS emulators of the test suite, as servers in processes of their own (see README.md)."""
