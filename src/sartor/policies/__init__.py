"""IAM's policies: documents, their conditions, and what they allow (AWS Identity and Access Management User Guide)."""
