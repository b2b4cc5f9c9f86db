"""rrjobs hosts pools of long-lived PHP workers and feeds them messages."""

__version__ = "0.1.0"
