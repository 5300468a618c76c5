"""The gRPC API v1beta1: stubs, messages, and the three services."""
