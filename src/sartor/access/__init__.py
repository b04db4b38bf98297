"""Who may do what: the operations as IAM names them, and what is known of a request when that is decided."""
