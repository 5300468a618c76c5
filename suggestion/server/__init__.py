"""The gRPC server, and what it serves."""
