"""Tests of `sosw_airflow.orchestration` against an emulator."""
