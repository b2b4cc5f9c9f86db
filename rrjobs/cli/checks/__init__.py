"""What `rrjobs doctor` looks at, one file per subject."""
