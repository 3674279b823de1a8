"""Tests with DynamoDB, S3 and Lambda in an emulator, moto or ministack."""
