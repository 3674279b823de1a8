"""Tests of `sosw_airflow.waiting` against an emulator."""
