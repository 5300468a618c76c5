"""What several tests need: requests, servers, cases from the registry."""
