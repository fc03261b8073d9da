"""What is asked -> one vector -> an answer that says how sure it is."""

from bouba.query.answer import Answering
from bouba.query.encode import Encoded, encode_query
from bouba.query.examples import with_examples
from bouba.query.hearing import Listener

__all__ = ["Answering", "Encoded", "Listener", "encode_query", "with_examples"]
