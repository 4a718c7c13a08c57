"""LocalStack with the MSK API, and with the EC2 rules that safety depends on."""

__version__ = "0.1.0"
