"""The core that every suggestion server is made of."""
