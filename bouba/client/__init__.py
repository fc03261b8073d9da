"""A gallery that a bouba server holds, from Python: the same search, over HTTP."""

from bouba.client.client import Client
from bouba.client.report import Uploaded, UploadFailure

__all__ = ["Client", "UploadFailure", "Uploaded"]
