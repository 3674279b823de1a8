"""What tests use: emulators, the faulty proxy, consumers of the queue, sosw 0.7.51 itself."""
