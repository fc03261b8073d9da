"""What is asked -> one vector."""

from bouba.query.encode import Asked, encode_query
from bouba.query.hearing import Listener

__all__ = ["Asked", "Listener", "encode_query"]
