"""Tests of `sosw_airflow.doctor` against an emulator."""
