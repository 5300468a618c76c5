"""Deprecated; `suggestion.api.v1beta1.api_pb2_grpc` has the contents."""

from suggestion import _moved
from suggestion.api.v1beta1.api_pb2_grpc import *  # noqa: F403

_moved.warn(__name__, "suggestion.api.v1beta1.api_pb2_grpc")
