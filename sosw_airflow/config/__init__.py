"""Configuration: from the documents in Connections and Variables to settings, checked. No Airflow in here."""
