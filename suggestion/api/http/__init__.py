"""The services as JSON over HTTP: one POST path for each method, in protobuf's JSON mapping."""
