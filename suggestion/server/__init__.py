"""The servers: what they serve, how they run, and how they are composed."""

from suggestion.server.composition import Served, compose
from suggestion.server.grpc_server import GrpcServer
from suggestion.server.lifecycle import Listener, run
from suggestion.server.logging import log_to_stderr
from suggestion.server.options import ServeOptions
from suggestion.server.services import SERVICES, ServiceOptions, ServiceProvider
from suggestion.server.tls import TLS

__all__ = [
    "SERVICES",
    "TLS",
    "GrpcServer",
    "Listener",
    "Served",
    "ServeOptions",
    "ServiceOptions",
    "ServiceProvider",
    "compose",
    "log_to_stderr",
    "run",
]
