"""What trials leave beside metrics, such as models: kept by their content, and listed."""
