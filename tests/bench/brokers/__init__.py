"""Each broker's driver beside the bare client library doing the same, in the same run."""
