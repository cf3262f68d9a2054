"""The compiler of hotinline declarations; dsl/hotc is its front door, dsl/README.md its manual."""

VERSION = "1.0"
