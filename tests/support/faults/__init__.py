"""A fault-injecting proxy for the emulators, a consumer that plays sosw, a census of the rows. See README.md."""
