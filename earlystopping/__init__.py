"""Early stopping: rules that end a running trial which falls behind those that are completed."""
