"""The public Python face: search spaces, ask and tell, tuning a function, and what comes of it.

`suggestion` exports what users need of it. Nothing here imports numpy or gRPC until it is used.
"""
