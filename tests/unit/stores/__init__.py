"""What lies between the scheduling and AWS, without AWS."""
