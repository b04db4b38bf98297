"""Whether Sartor answers as Amazon Personalize does: a run through boto3, and the service models of botocore."""
