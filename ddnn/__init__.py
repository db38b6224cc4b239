"""Edge resource scaling with a DNN that is cut between edge and cloud."""

__version__ = "0.1.0"
