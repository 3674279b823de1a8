"""Tests of `sosw_airflow.scheduling` against an emulator."""
