"""The client: launching servers, channels, ask and tell."""
